import OBIS
import Rules

// What the anomaly engine costs for each reading: every rule that can be on at once, and as many meters as are named on the
// command line (1000), one reading of each in turn, so that no engine stays in the processor's cache.

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1000
let rounds = max(20, 400_000 / max(1, count))
/// Until what the engines allocate at first is there.
let warmUp = 10

let limits = InstallationLimits(contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230, hasGenerator: true)
let settings = RuleSettings(["budget": .init(isEnabled: true, values: ["energy": .quantity(900, .kilowattHour)])])
var engines = (0..<count).map { index in
    AnomalyEngine(
        meter: "m\(index)", settings: settings, limits: limits, interval: .seconds(10),
        calendar: FixedCalendar(utcOffset: 3600))
}
let registers = (0..<20).map { Register(obis: ObisCode(1, 0, UInt8(21 + $0), 7, 0), value: .number(231), unit: .volt) }

func reading(of meter: Int, round: Int) -> Reading {
    var values = NamedValues()
    values[.activePower] = FixedDecimal(600 + Int64((meter + round) % 400))
    values[.activeImport] = FixedDecimal(12_000_000 + Int64(round), exponent: -3)
    values[.activeExport] = FixedDecimal(4_000_000, exponent: -3)
    for (field, value) in [(.voltageL1, 231), (.voltageL2, 229), (.voltageL3, 230)] as [(NamedField, FixedDecimal)] {
        values[field] = value
    }
    for (field, value) in [(.currentL1, 120), (.currentL2, 80), (.currentL3, 100)] as [(NamedField, Int64)] {
        values[field] = FixedDecimal(value, exponent: -2)
    }
    values[.frequency] = FixedDecimal(5001, exponent: -2)
    values[.thdVoltage] = FixedDecimal(25, exponent: -1)
    values[.powerFactor] = FixedDecimal(97, exponent: -2)
    let time = Timestamp(milliseconds: 1_768_000_000_000 + Int64(round) * 10_000)
    return Reading(
        device: MeterIdentity(id: "1", medium: .electricity), time: time, capturedAt: time, isClockSynchronized: true,
        meterTime: MeterTime(localSeconds: time.milliseconds / 1000 + 3601).at(utcOffset: 60), values: values,
        registers: registers)
}

let clock = ContinuousClock()
var observing = Duration.zero
var ticking = Duration.zero
var changes = 0
for round in 0..<rounds {
    var spent = Duration.zero
    for index in 0..<count {
        let reading = reading(of: index, round: round)
        spent += clock.measure {
            changes += engines[index].observe(reading, seq: Int64(round), at: .seconds(round * 10)).count
        }
    }
    let wall = reading(of: 0, round: round).capturedAt
    let ticked = clock.measure {
        for index in 0..<count { changes += engines[index].tick(at: .seconds(round * 10), wall: wall).count }
    }
    guard round >= warmUp else { continue }
    observing += spent
    ticking += ticked
}

let calls = Double((rounds - warmUp) * count)
func microseconds(_ duration: Duration) -> String {
    FixedDecimal(Int64((duration / .nanoseconds(10)) / calls), exponent: -2).description
}
print("\(count) meters, \(rounds - warmUp) readings of each, \(changes) changes")
print("engine: \(microseconds(observing)) µs a reading, \(microseconds(ticking)) µs a tick")
