import Foundation
import MBus
import OBIS
import Testing
import Wire

@Suite("The search of a bus")
struct BusSearchTests {
    /// A slave as far as a search sees it.
    private struct Slave {
        let address: SecondaryAddress
        var primary: UInt8 = 0
        /// It answers to whatever is asked.
        var isDeaf = false

        init(_ address: String, primary: UInt8 = 0, isDeaf: Bool = false) {
            self.address = SecondaryAddress(address) ?? .any
            self.primary = primary
            self.isDeaf = isDeaf
        }

        func found(by probe: BusSearch.Probe) -> BusSearch.Found {
            let text = address.description
            let isPrimary = if case .primary = probe { true } else { false }
            return BusSearch.Found(
                primary: isPrimary ? primary : nil, secondary: text, identification: String(text.prefix(8)),
                medium: "water")
        }
    }

    /// What comes of a probe: several acknowledgements look like one, and then the telegrams collide.
    private static func outcome(of probe: BusSearch.Probe, _ bus: [Slave]) -> BusSearch.Outcome {
        let answering = bus.filter { slave in
            switch probe {
            case .primary(let address): slave.isDeaf || slave.primary == address
            case .secondary(let address): slave.isDeaf || address.matches(slave.address)
            }
        }
        guard let first = answering.first else { return .nobody }
        return answering.count == 1 ? .meter(first.found(by: probe)) : .collision
    }

    private static func run(_ bus: [Slave], _ start: BusSearch, keeping: Bool = false) throws -> BusSearch {
        var search = start
        while let probe = search.next {
            search.take(outcome(of: probe, bus))
            if keeping {
                search = try JSONDecoder().decode(BusSearch.self, from: JSONEncoder().encode(search))
            }
        }
        return search
    }

    private static let secondary = BusSearch(primary: nil)

    private static func clustered(_ count: Int, from first: Int = 10_000_001) -> [Slave] {
        (0..<count).map { Slave("\(first + $0)/OBI/01/07", primary: UInt8($0 % 250 + 1)) }
    }

    private static func spread(_ count: Int) -> [Slave] {
        (0..<count).map { index in
            let number = (index * 7_654_321 + 12_345) % 100_000_000
            return Slave(String(repeating: "0", count: 8 - "\(number)".count) + "\(number)/LGZ/01/04")
        }
    }

    /// Two that differ in their last digit only, far from all others: no bus makes more collisions.
    private static func pairs(_ count: Int) -> [Slave] {
        spread(count).flatMap { slave -> [Slave] in
            let text = slave.address.description
            let digit = text.dropFirst(7).first.flatMap(\.wholeNumberValue) ?? 0
            return [slave, Slave("\(text.prefix(7))\((digit + 5) % 10)\(text.dropFirst(8))")]
        }
    }

    private static let buses: [(name: String, slaves: [Slave])] = [
        ("40 with numbers in a row", clustered(40)), ("250 with numbers in a row", clustered(250)),
        ("250 with numbers far apart", spread(250)), ("125 pairs", pairs(125)),
        (
            "digits A to E",
            ["A0000001", "A000000B", "E1234567", "0000000C", "00000000"].map { Slave("\($0)/OBI/01/02") }
        ),
        ("one", [Slave("99999999/OBI/01/02")]),
    ]

    @Test("finds every slave, each once", arguments: buses.indices)
    func all(index: Int) throws {
        let (name, bus) = Self.buses[index]
        let search = try Self.run(bus, Self.secondary)
        #expect(Set(search.found.compactMap(\.secondary)) == Set(bus.map(\.address.description)))
        #expect(
            search.found.count == bus.count && search.unresolved == [] && !search.isGivenUp && search.remaining == 0)
        print("search of \(name): \(search.asked) probes")
    }

    @Test("finds decimal numbers with fewer probes, and no others")
    func decimal() throws {
        let bus = Self.clustered(40) + [Slave("A0000001/OBI/01/02"), Slave("A0000002/OBI/01/02")]
        let search = try Self.run(bus, BusSearch(primary: nil, hexadecimal: false))
        let all = try Self.run(bus, Self.secondary)
        #expect(search.found.count == 40 && all.found.count == 42 && search.asked < all.asked)
    }

    @Test("tells of identifications that are the same")
    func identical() throws {
        let twins = [Slave("12345678/OBI/01/02"), Slave("12345678/LGZ/01/07")]
        let search = try Self.run(twins + [Slave("12345679/OBI/01/02")], Self.secondary)
        #expect(search.unresolved == ["12345678"] && !search.isGivenUp)
        #expect(search.found.map(\.identification) == ["12345679"])
    }

    @Test("asks one probe of an empty bus, and one for each primary address")
    func empty() throws {
        let search = try Self.run([], Self.secondary)
        #expect(search.asked == 1 && search.found == [] && search.unresolved == [])
        #expect(try Self.run([], BusSearch()).asked == 252)
        let some = try Self.run([], BusSearch(primary: 3...7, secondary: false))
        #expect(some.asked == 5 && some.next == nil)
    }

    @Test("finds one that answers everything, and gives up where two do")
    func deaf() throws {
        let one = try Self.run([Slave("12345678/OBI/01/02", isDeaf: true)], Self.secondary)
        #expect(one.asked == 1 && one.found.count == 1)
        let two = [Slave("12345678/OBI/01/02", isDeaf: true), Slave("22345678/OBI/01/02", isDeaf: true)]
        for start in [Self.secondary, BusSearch(primary: nil, hexadecimal: false)] {
            let search = try Self.run(two + Self.clustered(10), start)
            #expect(search.isGivenUp && search.next == nil && search.found == [])
            // 125 whole identifications, and what leads to them.
            #expect(search.asked < 160)
            print("search of a bus with two that answer everything: \(search.asked) probes")
        }
    }

    @Test("a slave that is found by both addresses is one")
    func both() throws {
        let bus = Self.clustered(12)
        let search = try Self.run(bus, BusSearch())
        #expect(search.found.count == 12 && search.found.allSatisfy { $0.primary != nil && $0.secondary != nil })
        #expect(search.unresolved == [])
    }

    @Test("slaves that share a primary address are told apart by the secondary one")
    func unconfigured() throws {
        let bus = (1...5).map { Slave("0000000\($0)/OBI/01/02") }
        let search = try Self.run(bus, BusSearch())
        #expect(search.unresolved == ["address 0"] && search.found.count == 5)
        #expect(search.found.allSatisfy { $0.primary == nil })
    }

    @Test("a fixed structure, which names no maker, is one by both addresses as well")
    func fixed() {
        var search = BusSearch(primary: 5...5)
        search.take(.meter(.init(primary: 5, secondary: nil, identification: "10000010", medium: "water")))
        search.take(
            .meter(
                .init(primary: nil, secondary: "10000010", identification: "10000010", medium: "water")))
        #expect(
            search.found == [
                .init(primary: 5, secondary: "10000010", identification: "10000010", medium: "water")
            ])
    }

    @Test("kept and gone on with after every probe, it finds the same")
    func kept() throws {
        let buses =
            Self.buses.map(\.slaves) + [
                [Slave("12345678/OBI/01/02"), Slave("12345678/LGZ/01/07")],
                [Slave("1/OBI/01/02", isDeaf: true), Slave("2/OBI/01/02", isDeaf: true)],
            ]
        for bus in buses where bus.count <= 40 {
            #expect(try Self.run(bus, BusSearch(), keeping: true) == (try Self.run(bus, BusSearch())))
        }
    }

    /// A file that was damaged or written by hand: gone on with, each of these would end the process.
    @Test(
        "what no search can have come to is refused",
        arguments: [
            ("\"beginnings\":[[]]", "\"beginnings\":[[1,2,3,4,5,6,7,8,9]]"),
            ("\"beginnings\":[[]]", "\"beginnings\":[[15]]"),
            ("\"asked\":0", "\"asked\":9223372036854775807"),
            ("\"asked\":0", "\"asked\":-1"),
            ("\"collisions\":[0,0,0,0,0,0,0,0,0]", "\"collisions\":[]"),
            ("\"collisions\":[0,", "\"collisions\":[9223372036854775807,"),
            ("\"digits\":[0,14]", "\"digits\":[0,255]"),
        ])
    func impossible(good: String, bad: String) throws {
        let kept = String(decoding: try JSONEncoder().encode(BusSearch()), as: UTF8.self)
        #expect(kept.contains(good))
        let damaged = Data(kept.replacing(good, with: bad).utf8)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(BusSearch.self, from: damaged) }
    }
}
