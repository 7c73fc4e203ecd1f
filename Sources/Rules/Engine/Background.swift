import OBIS

/// What an engine knows of its meter beside the present values: the wiring and the habits.
struct Background: Sendable {
    /// A phase is wired when it was seen under voltage so many times.
    private static let wiredAfter = 5

    private var clock: LocalClock
    private let nominal: Double
    /// Of believable live readings.
    private(set) var cadence: Cadence
    private(set) var wired = Phases(repeating: false)
    private var live = Phases(repeating: 0)
    private(set) var habit = Habit()
    private(set) var isClockSynchronized = false

    /// - Parameter interval: the expected pause between readings, in milliseconds.
    init(calendar: any LocalCalendar, nominalVoltage: Double, interval: Int64?) {
        clock = LocalClock(calendar)
        nominal = nominalVoltage
        cadence = Cadence(expected: interval)
    }

    mutating func moment(_ milliseconds: Int64, _ wall: Timestamp) -> Moment {
        Moment(milliseconds: milliseconds, wall: wall, local: isClockSynchronized ? clock.local(wall) : nil)
    }

    /// Learns from a reading.
    mutating func sample(_ reading: Reading, at milliseconds: Int64) -> Sample {
        let moment = moment(milliseconds, reading.capturedAt)
        var sample = Sample(reading, moment: moment, elapsed: cadence.step(to: milliseconds))
        for phase in Phases<Bool>.indices where !wired[phase] {
            guard let voltage = sample.voltages[phase], voltage >= nominal / 2 else { continue }
            live[phase] += 1
            wired[phase] = live[phase] >= Self.wiredAfter
        }
        sample.wired = wired
        if let local = moment.local {
            sample.closedHour = habit.add(sample, local)
            sample.habit = habit.present
        }
        return sample
    }

    mutating func setClock(isSynchronized: Bool) {
        isClockSynchronized = isSynchronized
    }

    // MARK: Restarts

    func store(_ writer: inout JSONWriter) {
        writer.key("wired")
        writer.array { for phase in Phases<Bool>.indices { $0.bool(wired[phase]) } }
        writer.key("habit")
        habit.store(&writer)
    }

    mutating func restore(_ memory: StoredValue) {
        for (phase, value) in (memory["wired"]?.array ?? []).prefix(3).enumerated() {
            wired[phase] = value.bool ?? false
        }
        if let stored = memory["habit"] { habit.restore(stored) }
    }
}
