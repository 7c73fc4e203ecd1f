import OBIS

/// The energy of a calendar month against what was planned.
struct Budget: Rule {
    static let events: RuleEvents = [.values]

    static let energy = RuleParameter.quantity(
        "energy", .kilowattHour, in: 0.001...1_000_000_000, "the import planned for a month"
    ) { _ in nil }
    static let warnAt = RuleParameter.percent("warn_at", 80, in: 1...100, "medium when so much of it is used")
    static let cooldown = RuleParameter.cooldown(86_400)

    static let description = RuleDescription(
        type: "budget", title: "Energy budget of the month",
        what: "80 % of the planned energy of the calendar month is used, or the month will end above the plan.",
        why: "The bill will be higher than planned.",
        action: "See which days used most; change the plan if it is too small.",
        parameters: [energy, warnAt, cooldown],
        needs: [.value(energy, hint: "`energy`, the plan for a month (`300 kWh`),")], make: { Budget($0) })

    /// A projection from fewer days says nothing.
    private static let leastDays = 7.0

    private let energy: Double
    private let warnAt: Double

    /// What the calendar says of the present day: reckoned once a day.
    private var today: Today?
    private var month: Int?
    /// Days of the month that had passed when counting began.
    private var startedAt = 0.0
    private var used = 0.0
    private var counter: Double?
    private var epoch: Int?
    private let ladder: Ladder

    init(_ context: RuleContext) {
        energy = context[Self.energy]
        warnAt = context[Self.warnAt] / 100
        ladder = Ladder(
            conditions: [context.level(.medium), context.level(.high)], clearFor: 0,
            cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let local = sample.moment.local, let now = sample.activeImport else { return }
        let today = self.today.flatMap { $0.day == local.day ? $0 : nil } ?? Today(local)
        self.today = today
        let passed = today.before + Double(local.minute) / 1440
        if month != today.month {
            startedAt = month == nil ? passed : 0
            month = today.month
            used = 0
        }
        // Another meter, or a counter that was reset, begins anew; the energy used so far stays.
        if let counter, epoch == sample.epoch, now >= counter { used += now - counter }
        counter = now
        epoch = sample.epoch
        judge(passed, today.length, &tracks)
    }

    private struct Today {
        let day: Int
        /// Rises by one each month, also from December to January.
        let month: Int
        /// Days of the month before this one, and its length.
        let before: Double
        let length: Double

        init(_ local: LocalMoment) {
            let date = CivilDate(daysSince1970: Int64(local.day))
            let first = CivilDate(year: date.year, month: date.month, day: 1)
            let next = CivilDate(year: date.month == 12 ? date.year + 1 : date.year, month: date.month % 12 + 1, day: 1)
            day = local.day
            month = date.year * 12 + date.month - 1
            before = Double(date.day - 1)
            length = Double(next.daysSince1970 - first.daysSince1970)
        }
    }

    private func judge(_ passed: Double, _ length: Double, _ tracks: inout Tracks) {
        let seen = passed - startedAt
        let projected = seen >= Self.leastDays ? used + used / seen * (length - passed) : used
        let value: Double = max(used, projected) > energy ? 2 : used >= warnAt * energy ? 1 : 0
        // A projection that hovers at the plan is neither above nor below.
        if value == 0, projected > 0.95 * energy { return }
        tracks.judge(value, by: ladder) { _ in
            func text(_ energy: Double) -> String { (FixedDecimal(energy, decimals: 1) ?? 0).description }
            return "\(text(used)) kWh of the planned \(text(energy)) kWh are used; at this pace the month ends at "
                + "\(text(projected)) kWh."
        }
    }

    func store(_ writer: inout JSONWriter) {
        writer.member("month", month)
        writer.member("started_at", FixedDecimal(startedAt, decimals: 4))
        writer.member("used", FixedDecimal(used, decimals: 6))
        writer.member("counter", counter.flatMap { FixedDecimal($0, decimals: 6) })
        writer.member("epoch", epoch)
    }

    mutating func restore(_ memory: StoredValue) {
        month = memory["month"]?.integer
        startedAt = memory["started_at"]?.double ?? 0
        used = max(0, memory["used"]?.double ?? 0)
        counter = memory["counter"]?.double
        epoch = memory["epoch"]?.integer
    }
}
