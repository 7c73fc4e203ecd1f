import OBIS

/// No export for days on an installation that exported before.
struct MissingExport: Rule {
    static let events: RuleEvents = [.values]

    static let days = RuleParameter("days", .count, in: 1...365, "so many days in a row without export") { _ in 3 }
    static let floor = RuleParameter.quantity("floor", .watt, in: 0...1_000_000, "less is no export") { _ in 20 }
    static let cooldown = RuleParameter.cooldown(86_400)
    static let severity = RuleParameter.severity(.low)

    static let description = RuleDescription(
        type: "missing_export", title: "No export for days",
        what: "A generator is stated and has exported before, but not for three days in a row.",
        why: "The inverter may be off: a tripped fuse, a fault, snow.",
        action: "Look at the inverter. Bad weather and high consumption look the same to the meter.",
        parameters: [days, floor, severity, cooldown], needs: [.generator(true)], make: { MissingExport($0) })

    /// So many days with export show that export is to be expected.
    private static let leastExportDays = 5
    /// What must have been seen of a day, in milliseconds: three quarters.
    private static let leastCoverage: Int64 = 64_800_000

    private let days: Int
    private let floor: Double

    private var day: Int?
    private var covered: Int64 = 0
    private var hasExported = false
    private var export: Double?
    private var exportDays = 0
    private var emptyDays = 0
    private let ladder: Ladder

    init(_ context: RuleContext) {
        days = context.count(Self.days)
        floor = context[Self.floor]
        ladder = Ladder(
            conditions: [context.level(context.severity(Self.severity, or: .low))], clearFor: 0,
            cooldown: context.milliseconds(Self.cooldown))
    }

    mutating func observe(_ sample: Sample, _ tracks: inout Tracks) {
        guard let local = sample.moment.local, sample.power != nil || sample.activeExport != nil else { return }
        if day != local.day { turn(to: local.day, &tracks) }
        covered += sample.elapsed ?? 0
        guard exports(sample) else { return }
        hasExported = true
        emptyDays = 0
        judge(&tracks)
    }

    private mutating func exports(_ sample: Sample) -> Bool {
        defer { export = sample.activeExport ?? export }
        let isRising = if let export, let now = sample.activeExport { now > export } else { false }
        return isRising || sample.power.map { $0 < -floor } ?? false
    }

    private mutating func turn(to next: Int, _ tracks: inout Tracks) {
        if hasExported {
            exportDays = min(exportDays + 1, Self.leastExportDays)
        } else if day != nil, covered >= Self.leastCoverage {
            emptyDays = min(emptyDays + 1, 10_000)
            judge(&tracks)
        }
        day = next
        covered = 0
        hasExported = false
    }

    private func judge(_ tracks: inout Tracks) {
        let isMissing = exportDays >= Self.leastExportDays && emptyDays >= days
        tracks.judge(isMissing ? 1 : 0, by: ladder) { _ in
            "There was no export for \(emptyDays) days. Look at the inverter. Bad weather and high consumption look "
                + "the same to the meter."
        }
    }

    func store(_ writer: inout JSONWriter) {
        writer.member("day", day)
        writer.member("covered", covered)
        writer.member("exported", hasExported)
        writer.member("export", export.flatMap { FixedDecimal($0) })
        writer.member("export_days", exportDays)
        writer.member("empty_days", emptyDays)
    }

    mutating func restore(_ memory: StoredValue) {
        day = memory["day"]?.integer
        covered = Int64(max(0, min(memory["covered"]?.integer ?? 0, 172_800_000)))
        hasExported = memory["exported"]?.bool ?? false
        export = memory["export"]?.double
        exportDays = max(0, min(memory["export_days"]?.integer ?? 0, Self.leastExportDays))
        emptyDays = max(0, min(memory["empty_days"]?.integer ?? 0, 10_000))
    }
}
