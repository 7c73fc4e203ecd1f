import OBIS
import Rules
import Testing

@Suite("Messages that came over a network")
struct ProtectionTests {
    private static func telegram(_ ciphering: Ciphering?) -> Telegram {
        Telegram(
            registers: [Register(obis: ObisCode(1, 0, 1, 8, 0), value: .number(1), unit: .wattHour)],
            ciphering: ciphering)
    }

    private static func ciphering(isAuthenticated: Bool) -> Ciphering {
        Ciphering(
            systemTitle: [UInt8](repeating: 1, count: 8), securityControl: 0x30, invocationCounter: 1,
            isAuthenticated: isAuthenticated)
    }

    @Test(
        "are an error without the protection that is demanded",
        arguments: [
            (.none, nil, true), (.none, true, true), (.encrypted, nil, false), (.encrypted, false, true),
            (.authenticated, nil, false), (.authenticated, false, false), (.authenticated, true, true),
        ] as [(DemandedProtection, Bool?, Bool)])
    func demanded(_ protection: DemandedProtection, _ isAuthenticated: Bool?, _ isGood: Bool) {
        var validator = Validator(protection: protection)
        let issues = validator.issues(
            of: Self.telegram(isAuthenticated.map { Self.ciphering(isAuthenticated: $0) }), keys: ["1-0:1.8.0*255"])
        #expect(issues.isEmpty == isGood)
        if !isGood {
            #expect(issues.map(\.code) == [.unprotected] && issues.map(\.level) == [.error])
            #expect(issues.first?.register == nil)
        }
    }

    @Test("leave no trace without it: neither in counters nor in who the meter is")
    func noTrace() {
        var bench = MeterBench(Validator(protection: .authenticated))
        func message(_ id: String, _ energy: Int64, isAuthenticated: Bool) -> Telegram {
            Telegram(
                meter: MeterIdentity(id: id), registers: [register("1-0:1.8.0", "\(energy)", .wattHour)],
                ciphering: Self.ciphering(isAuthenticated: isAuthenticated))
        }
        #expect(bench.codes(message("1", 100, isAuthenticated: true)) == [])
        let state = bench.validator.state
        for step in Int64(0)..<50 {
            #expect(bench.codes(message("2", 5_000_000 + step, isAuthenticated: false)) == [.unprotected])
            #expect(bench.codes(message("1", 50, isAuthenticated: false)) == [.unprotected])
        }
        #expect(bench.validator.state == state)
    }

    @Test(
        "counters of volume and heat that go back are an error, in whatever unit",
        arguments: [
            (ObisCode(7, 0, 3, 0, 0), Unit.cubicMetre, Unit.litre), (ObisCode(8, 0, 1, 0, 0), .cubicMetre, .litre),
            (ObisCode(6, 0, 1, 0, 0), .kilowattHour, .wattHour), (ObisCode(6, 0, 1, 0, 0), .gigajoule, .megajoule),
        ])
    func volumes(code: ObisCode, large: Unit, small: Unit) {
        var validator = Validator()
        func codes(_ value: FixedDecimal, _ unit: Unit) -> [QualityIssue.Code] {
            validator.issues(
                of: Telegram(registers: [Register(obis: code, value: .number(value), unit: unit)]), keys: ["k"]
            ).map(\.code)
        }
        #expect(codes(12, large) == [])
        #expect(codes(12_001, small) == [])
        #expect(codes(11_999, small) == [.counterDecreased])
        #expect(codes(12_002, small) == [])
    }
}
