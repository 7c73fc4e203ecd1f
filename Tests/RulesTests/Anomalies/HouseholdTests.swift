import OBIS
import Rules
import Testing

/// Thirty days of a normal household, and then everything that can go wrong in it.
@Suite("A household")
struct HouseholdTests {
    static let days = 30

    /// The house with panels and the one without, after thirty days in which nothing was wrong.
    static let settled: [Bool: Neighbourhood] = Dictionary(
        uniqueKeysWithValues: [true, false].map { hasPanels in
            var place = Neighbourhood(seed: 7, hasPanels: hasPanels)
            for _ in 0..<(days * 2880) { place.live() }
            return (hasPanels, place)
        })

    @Test("nothing high or critical is said in thirty normal days, and every fault is found in its time")
    func everything() throws {
        var falseAlarms: [Anomaly] = []
        for place in Self.settled.values {
            falseAlarms += place.changes.filter { $0.anomaly.severity >= .high }.map(\.anomaly)
        }
        var missed: [String] = []
        for fault in Fault.all where try !isFound(fault) { missed.append(fault.type) }
        let (found, all) = (Fault.all.count - missed.count, Fault.all.count)
        print("anomaly rules found: \(found) of \(all)")
        print("anomaly rules: found \(found) of \(all), false alarms \(falseAlarms.count)")
        #expect(missed == [])
        #expect(falseAlarms.map { "\($0.startedAt) \($0.type): \($0.text)" } == [])
        #expect(Set(Fault.all.map(\.type)) == Set(RuleRegistry.all.map(\.type)))
    }

    private func isFound(_ fault: Fault) throws -> Bool {
        var place = try #require(Self.settled[fault.hasPanels])
        let before = place.changes.count { $0.kind == .opened && $0.anomaly.type == fault.type }
        for _ in 0..<Int(fault.within / Household.step) {
            place.live(fault)
            if place.changes.count(where: { $0.kind == .opened && $0.anomaly.type == fault.type }) > before {
                return true
            }
        }
        return false
    }

    @Test("in normal days even the mild ones are few: not more than one every third day")
    func mild() {
        for (_, place) in Self.settled {
            let opened = place.changes.filter { $0.kind == .opened }.map {
                "\($0.anomaly.startedAt) \($0.anomaly.type): \($0.anomaly.text)"
            }
            #expect(opened.count <= Self.days / 3, "\(opened.joined(separator: "\n"))")
        }
    }

    @Test("what is stored stays small, and survives being stored again")
    func stored() throws {
        for (_, place) in Self.settled {
            let bytes = place.main.engine.stored
            #expect(bytes.count < 16_384)
            #expect(EngineState(bytes) != nil)
        }
    }
}
