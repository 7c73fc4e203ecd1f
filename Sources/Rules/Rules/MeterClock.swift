import OBIS

/// The meter's clock is wrong.
struct MeterClock: Rule {
    static let events: RuleEvents = [.readings]

    static let above = RuleParameter.duration("above", 30, "low from this difference on")
    static let aboveMedium = RuleParameter.duration("above_medium", 300, "medium from this difference on")
    static let hold = RuleParameter.hold(600)
    static let samples = RuleParameter.samples(3)
    static let clearFor = RuleParameter.clearFor(600)
    static let cooldown = RuleParameter.cooldown(3600)

    static let description = RuleDescription(
        type: "clock_drift", title: "The meter's clock is wrong",
        what: "For ten minutes the clocks of the meter and of this machine differ by more than 30 s, or the meter "
            + "calls its own clock doubtful.",
        why: "Tariffs and load profiles go by the meter's clock.",
        action:
            "A difference of an hour is a wrong `time_zone` or daylight saving; else tell the operator of the meter.",
        parameters: [above, aboveMedium, hold, samples, clearFor, cooldown], make: { MeterClock($0) })
    private let ladder: Ladder

    init(_ context: RuleContext) {
        let samples = context.count(Self.samples)
        ladder = Ladder(
            .above,
            [
                context.level(.low, Self.above, for: Self.hold, samples: samples),
                context.level(.medium, Self.aboveMedium, for: Self.hold, samples: samples),
            ],
            hysteresis: context[Self.above] / 6, clearFor: context.milliseconds(Self.clearFor),
            cooldown: context.milliseconds(Self.cooldown), unit: .second)
    }

    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks) {
        // A clock that is doubtful by its own word is off by an unknown time.
        let seconds: Double =
            if reading.meterTime?.isDoubtful == true { .infinity } else if let drift = reading.clockDrift {
                abs(Double(drift.wholeMilliseconds)) / 1000
            } else { .nan }
        guard !seconds.isNaN else { return }
        tracks.judge(seconds, by: ladder) {
            guard let drift = $0.value else {
                return "The meter says that its clock is not right. Tell the operator of the meter."
            }
            let isHour = (3480...3720).contains(drift.double)
            return "The meter's clock differs from this machine's by up to \($0.measured). "
                + (isHour
                    ? "An hour points to daylight saving or to a wrong `time_zone`."
                    : "Tell the operator of the meter.")
        }
    }
}
