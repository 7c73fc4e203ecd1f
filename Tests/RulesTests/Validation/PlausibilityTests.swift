import OBIS
import Rules
import Testing

@Suite("What a value can physically be")
struct PlausibilityTests {
    /// A value of one register in an installation of unknown size, and whether it is believed.
    static let values: [(code: String, value: String, unit: Unit?, isGood: Bool)] = [
        // Voltage: 0 to 400 V.
        ("1-0:32.7.0*255", "0", .volt, true),
        ("1-0:32.7.0*255", "230.4", .volt, true),
        ("1-0:52.7.0*255", "400", .volt, true),
        ("1-0:72.7.0*255", "400.0", .volt, true),
        ("1-0:32.7.0*255", "400.1", .volt, false),
        ("1-0:52.7.0*255", "2310", .volt, false),
        ("1-0:72.7.0*255", "-1", .volt, false),
        ("1-0:12.7.0*255", "0.401", .kilovolt, false),
        ("1-0:12.7.0*255", "0.4", .kilovolt, true),
        ("1-0:32.7.255*255", "65535", .volt, false),
        // Frequency: 40 to 70 Hz.
        ("1-0:14.7.0*255", "40", .hertz, true),
        ("1-0:14.7.0*255", "70", .hertz, true),
        ("1-0:14.7.0*255", "39.99", .hertz, false),
        ("1-0:14.7.0*255", "70.01", .hertz, false),
        ("1-0:14.7.0*255", "0", .hertz, false),
        // Power: 1 MW either way.
        ("1-0:1.7.0*255", "0", .watt, true),
        ("1-0:16.7.0*255", "-4500", .watt, true),
        ("1-0:1.7.0*255", "1000000", .watt, true),
        ("1-0:1.7.0*255", "1000001", .watt, false),
        ("1-0:16.7.0*255", "-1000001", .watt, false),
        ("1-0:1.7.0*255", "1000.001", .kilowatt, false),
        ("1-0:21.7.0*255", "4294967295", .watt, false),
        ("1-0:3.7.0*255", "1000001", .var, false),
        ("1-0:3.7.0*255", "-999999", .var, true),
        ("1-0:9.7.0*255", "1.1", .megavoltAmpere, false),
        ("1-0:9.7.0*255", "0.9", .megavoltAmpere, true),
        // Current: 5 kA.
        ("1-0:31.7.0*255", "0", .ampere, true),
        ("1-0:51.7.0*255", "5000", .ampere, true),
        ("1-0:71.7.0*255", "5000.01", .ampere, false),
        ("1-0:31.7.0*255", "5000001", .milliampere, false),
        ("1-0:91.7.0*255", "-3.2", .ampere, true),
        // Power factor: a number without a unit.
        ("1-0:13.7.0*255", "1", nil, true),
        ("1-0:13.7.0*255", "-1.000", nil, true),
        ("1-0:33.7.0*255", "0", nil, true),
        ("1-0:53.7.0*255", "1.001", nil, false),
        ("1-0:73.7.0*255", "1000", nil, false),
        // Nothing is known about these.
        ("1-0:32.7.0*255", "65535", nil, true),
        ("1-0:32.7.0*255", "65535", .other("furlong"), true),
        ("1-0:32.8.0*255", "65535", .volt, true),
        ("1-0:32.7.0*1", "65535", .volt, true),
        ("7-0:32.7.0*255", "65535", .volt, true),
        ("1-0:1.8.0*255", "9223372036854775807", .wattHour, true),
        ("1-0:81.7.4*255", "359", .degree, true),
        ("0-0:96.1.0*255", "12345678", nil, true),
    ]

    @Test("zero and negative power are values; beyond the bounds is an error", arguments: values.indices)
    func judged(index: Int) {
        let item = Self.values[index]
        var validator = Validator()
        let issues = validator.issues(of: telegram(register(item.code, item.value, item.unit)))
        #expect(issues.map(\.summary) == (item.isGood ? [] : ["error implausible \(item.code)"]), "\(item)")
    }

    /// Limits of an installation, the largest believed power in W, and the largest believed current in A.
    static let limits: [(InstallationLimits, power: Int64, current: Int64)] = [
        (InstallationLimits(), 1_000_000, 5000),
        (InstallationLimits(contractedPower: 9000), 27_000, 5000),
        (InstallationLimits(fuse: 25), 51_750, 75),
        (InstallationLimits(fuse: 25, phases: 1), 17_250, 75),
        (InstallationLimits(fuse: 25, phases: 3, nominalVoltage: 240), 54_000, 75),
        // The larger of the two counts.
        (InstallationLimits(contractedPower: 9000, fuse: 25), 51_750, 75),
        (InstallationLimits(contractedPower: 30_000, fuse: 25), 90_000, 75),
        (InstallationLimits(phases: 1, nominalVoltage: 230), 1_000_000, 5000),
    ]

    @Test("three times the largest stated limit is believed, more is not", arguments: limits.indices)
    func installation(index: Int) {
        let (limits, power, current) = Self.limits[index]
        for sign in [Int64(1), -1] {
            for (code, bound, unit) in [("1-0:16.7.0*255", power, Unit.watt), ("1-0:31.7.0*255", current, .ampere)] {
                var validator = Validator(limits: limits)
                let inside = register(code, "\(sign * bound)", unit)
                let outside = register(code, "\(sign * (bound + 1))", unit)
                #expect(validator.issues(of: telegram(inside)).isEmpty, "\(bound) \(unit.symbol)")
                #expect(validator.issues(of: telegram(outside)).map(\.code) == [.implausible], "\(bound + 1)")
            }
        }
    }

    @Test("exceeding the contract or the fuse is no matter of quality")
    func overload() {
        var validator = Validator(limits: InstallationLimits(contractedPower: 9000, fuse: 25))
        let overload = telegram(register("1-0:1.7.0", "20000", .watt), register("1-0:31.7.0", "28.4", .ampere))
        #expect(validator.issues(of: overload).isEmpty)
    }

    @Test("the reason names the value, the unit and the bounds")
    func sentence() {
        var validator = Validator()
        let issues = validator.issues(of: telegram(register("1-0:32.7.0", "2310", .volt)))
        #expect(issues.map(\.text) == ["2310 V is outside of what is possible here (0 to 400 V)"])
        #expect(
            validator.issues(of: telegram(register("1-0:1.7.0", "2000", .kilowatt))).map(\.text)
                == ["2000000 W is outside of what is possible here (-1000000 to 1000000 W)"])
    }
}

@Suite("Bounds that the operator states")
struct PlausibilityBoundsTests {
    /// One bound, a value that it allows and one that it does not.
    static let stated: [(PlausibilityBounds, code: String, unit: Unit?, inside: String, outside: String)] = [
        (PlausibilityBounds(voltage: 0...700), "1-0:32.7.0*255", .volt, "690", "700.1"),
        (PlausibilityBounds(current: 0...63), "1-0:31.7.0*255", .ampere, "63", "-0.1"),
        (PlausibilityBounds(power: -500...30_000), "1-0:16.7.0*255", .watt, "-500", "-501"),
        (PlausibilityBounds(power: -500...30_000), "1-0:9.7.0*255", .kilovoltAmpere, "30", "30.001"),
        (PlausibilityBounds(frequency: 45...55), "1-0:14.7.0*255", .hertz, "55", "55.01"),
        (PlausibilityBounds(powerFactor: 0...1), "1-0:13.7.0*255", nil, "0", "-0.01"),
        (PlausibilityBounds(distortion: 0...20), "1-0:12.7.124*255", .percent, "20", "20.1"),
        (PlausibilityBounds(distortion: 0...20), "1-0:31.7.124*255", .percent, "0", "20.1"),
        // Distortion by default: of a voltage and of a current.
        (PlausibilityBounds(), "1-0:12.7.124*255", .percent, "100", "100.1"),
        (PlausibilityBounds(), "1-0:11.7.124*255", .percent, "1000", "1001"),
        // One bound leaves the others as they are.
        (PlausibilityBounds(current: 0...63), "1-0:32.7.0*255", .volt, "400", "401"),
    ]

    @Test("stand above the others", arguments: stated.indices)
    func judged(index: Int) {
        let (bounds, code, unit, inside, outside) = Self.stated[index]
        var validator = Validator(limits: InstallationLimits(fuse: 25), bounds: bounds)
        #expect(validator.issues(of: telegram(register(code, inside, unit))).isEmpty)
        #expect(validator.issues(of: telegram(register(code, outside, unit))).map(\.code) == [.implausible])
    }

    @Test("the fifth harmonic of a current is no current")
    func harmonic() {
        var validator = Validator()
        #expect(validator.issues(of: telegram(register("1-0:31.7.5*255", "90000", .ampere))).isEmpty)
    }
}
