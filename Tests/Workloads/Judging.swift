import Metering
import OBIS
import Rules

/// What becomes of one telegram before it is stored: judged, named, merged, watched by the rules.
extension Workload {
    static let judging: [Workload] = [
        Workload(name: "judge", unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            return { count in
                var issues = 0
                for _ in 0..<count { issues += meter.next().issues.count }
                guard issues == 0 else { throw WorkloadError("judge: \(issues) issues") }
                return count
            }
        },
        Workload(name: "merge state", unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            let readings = (0..<64).map { _ in meter.next() }
            var state = LiveState(mapping: NamedMapping())
            var now = Duration.zero
            return { count in
                var merged = 0
                for index in 0..<count {
                    now += .seconds(1)
                    if state.merge(readings[index % readings.count], now: now) { merged += 1 }
                }
                return merged
            }
        },
        rules("rules", meters: 1),
        // No engine stays in the processor's cache.
        rules("rules of 1000 meters", meters: 1000),
    ]

    /// Every rule that can be on at once.
    private static func rules(_ name: String, meters: Int) -> Workload {
        Workload(name: name, unit: .readings) {
            var meter = JudgedMeter(telegram: try telegram(of: smlFile(serial: "12345678"), "sml"))
            let readings = (0..<64).map { _ in meter.next() }
            let settings = RuleSettings([
                "budget": .init(isEnabled: true, values: ["energy": .quantity(900, .kilowattHour)])
            ])
            let limits = InstallationLimits(
                contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230, hasGenerator: true)
            var engines = (0..<meters).map { number in
                AnomalyEngine(
                    meter: "m\(number)", settings: settings, limits: limits, interval: .seconds(1),
                    calendar: FixedCalendar(utcOffset: 3600))
            }
            var seq: Int64 = 0
            return { count in
                for index in 0..<count {
                    seq += 1
                    _ = engines[index % meters].observe(readings[index % readings.count], seq: seq, at: .seconds(seq))
                }
                return count
            }
        }
    }
}

/// A meter whose counter rises with every telegram, and its validator.
struct JudgedMeter {
    private var telegram: Telegram
    private var validator = Validator()
    private let mapping = NamedMapping()
    private var names = RegisterNames()
    private var readings: Int64 = 0

    init(telegram: Telegram) { self.telegram = telegram }

    /// W; what makes the counter rise by one step in ten seconds.
    private static let power = FixedDecimal(36)
    /// Wh.
    private var energy: FixedDecimal { FixedDecimal(123_456_780 + readings, exponent: -1) }

    mutating func next() -> Reading {
        readings += 1
        for index in telegram.registers.indices {
            switch telegram.registers[index].obis {
            case ObisCode(1, 0, 1, 8, 0): telegram.registers[index].value = .number(energy)
            case ObisCode(1, 0, 16, 7, 0): telegram.registers[index].value = .number(Self.power)
            default: break
            }
        }
        let time = Timestamp(milliseconds: 1_768_000_000_000 + readings * 10_000)
        let arrival = Arrival(monotonic: .seconds(readings * 10), wall: time)
        var reading = Reading(
            device: telegram.meter, time: time, capturedAt: time, isClockSynchronized: true,
            registers: telegram.registers, registerKeys: names.keys(of: telegram.registers))
        let keys = reading.registerKeys
        reading.issues = validator.issues(of: telegram, keys: keys, at: arrival)
        reading.values = mapping.values(of: telegram.registers, medium: telegram.meter.medium)
        validator.complete(&reading, at: arrival)
        return reading
    }
}
