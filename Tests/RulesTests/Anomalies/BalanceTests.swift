import OBIS
import Rules
import Testing

@Suite("Sub-meters against the main meter")
struct BalanceTests {
    /// Feeds a main meter and two sub-meters for some hours.
    ///
    /// - Parameters:
    ///   - share: what the sub-meters see of the main meter's energy.
    ///   - every: minutes between the readings of the main meter and of each sub-meter.
    private func play(
        _ rule: inout BalanceRule, from start: Int = 0, hours: Int, share: Double, every: [Int] = [1, 15, 15]
    ) -> [AnomalyChange] {
        var changes: [AnomalyChange] = []
        for minute in (start * 60)..<((start + hours) * 60) {
            let energy = Double(minute) / 60
            let meters = [("main", energy), ("a", energy * share * 0.7), ("b", energy * share * 0.3)]
            for ((meter, energy), pause) in zip(meters, every) where minute % pause == 0 {
                guard let value = FixedDecimal((energy * 1000).rounded() / 1000) else { continue }
                changes += rule.observe(
                    meter: meter, activeImport: value, at: .seconds(60 * minute),
                    wall: Timestamp(milliseconds: 1_700_000_000_000 + Int64(minute) * 60_000))
            }
        }
        return changes
    }

    @Test("a sum that fits says nothing, whatever the pauses of the meters")
    func balanced() {
        for every in [[1, 1, 1], [1, 15, 15], [15, 1, 60], [1, 60, 7]] {
            var rule = BalanceRule(main: "main", subs: ["a", "b"])
            #expect(play(&rule, hours: 48, share: 0.99, every: every) == [])
        }
    }

    @Test("too little and too much are found within three hours", arguments: [0.9, 1.05])
    func found(_ share: Double) {
        var rule = BalanceRule(main: "main", subs: ["a", "b"])
        let changes = play(&rule, hours: 3, share: share)
        #expect(changes.map(\.summary) == ["opened medium"])
        #expect(changes.first?.anomaly.meter == "main")
        #expect(changes.first?.anomaly.type == "sub_meter_balance")
    }

    @Test("it survives a restart and ends when the sum fits again")
    func restart() {
        var rule = BalanceRule(main: "main", subs: ["a", "b"])
        let id = play(&rule, hours: 3, share: 0.9).first?.anomaly.id
        rule = BalanceRule(main: "main", subs: ["a", "b"], state: EngineState(rule.stored))
        #expect(rule.open.map(\.id) == [id])
        // Counters that jump back to the right share: the first period after that is not compared.
        let changes = play(&rule, from: 3, hours: 5, share: 1)
        #expect(changes.map(\.kind) == [.resolved])
        #expect(changes.first?.anomaly.id == id)
    }

    @Test("switched off, it closes what was open")
    func switchedOff() {
        var rule = BalanceRule(main: "main", subs: ["a", "b"])
        let id = play(&rule, hours: 3, share: 0.9).first?.anomaly.id
        rule = BalanceRule(
            main: "main", subs: ["a", "b"], settings: RuleSettings(["sub_meter_balance": .init(isEnabled: false)]),
            state: EngineState(rule.stored))
        let changes = rule.tick(at: .seconds(1), wall: Timestamp(milliseconds: 1_700_100_000_000))
        #expect(changes.map(\.anomaly.id) == [id])
        #expect(changes.map(\.kind) == [.resolved])
    }

    @Test("a sub-meter that is silent, and hours with little energy, are not compared")
    func silent() {
        var rule = BalanceRule(main: "main", subs: ["a", "b", "c"])
        #expect(play(&rule, hours: 30, share: 0.5) == [])
        let floor = RuleSettings.on("sub_meter_balance", ["floor": .quantity(50, .kilowattHour)])
        var idle = BalanceRule(main: "main", subs: ["a", "b"], settings: floor)
        #expect(play(&idle, hours: 30, share: 0.5) == [])
        var off = BalanceRule(
            main: "main", subs: ["a", "b"], settings: RuleSettings(["sub_meter_balance": .init(isEnabled: false)]))
        #expect(play(&off, hours: 30, share: 0.5) == [])
    }
}
