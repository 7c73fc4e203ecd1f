import OBIS

/// The meter itself says that something is wrong: its error register, its status, or a counter of openings.
struct MeterError: Rule {
    static let events: RuleEvents = [.readings]

    static let samples = RuleParameter.samples(1)
    static let clearFor = RuleParameter.clearFor(3600)
    static let cooldown = RuleParameter.cooldown(3600)

    static let description = RuleDescription(
        type: "meter_error", title: "The meter reports an error",
        what: "The error register is not zero, the M-Bus status shows an error, or a count of manipulations rose.",
        why: "The meter may measure wrongly, its battery may be empty, or somebody opened it.",
        action: "Note the code and tell the operator of the meter.",
        parameters: [samples, clearFor, cooldown], make: { MeterError($0) })

    /// Counts of openings and of magnetic fields that are remembered: more than any meter has.
    private static let rememberedCounts = 16

    /// By value group E of 96.20.
    private var counts: [UInt8: FixedDecimal] = [:]
    private let ladder: Ladder

    init(_ context: RuleContext) {
        let samples = context.count(Self.samples)
        ladder = Ladder(
            conditions: [context.level(.medium, samples: samples), context.level(.high, samples: samples)],
            clearFor: context.milliseconds(Self.clearFor), cooldown: context.milliseconds(Self.cooldown))
    }

    /// What the meter says, the worst of it.
    private enum Report {
        case well
        case minor(String)
        case serious(String)

        var rank: Double {
            switch self {
            case .well: 0
            case .minor: 1
            case .serious: 2
            }
        }

        var text: String {
            switch self {
            case .well: ""
            case .minor(let text), .serious(let text): text
            }
        }
    }

    mutating func inspect(_ reading: Reading, _ moment: Moment, _ tracks: inout Tracks) {
        var worst = reading.device.status.map(Self.report(status:))
        let registers = reading.registers.span
        for index in registers.indices {
            // Nearly all registers are about something else: they are not even copied.
            guard Self.isAboutErrors(registers[index].obis) || registers[index].obis == nil,
                let report = report(registers[index])
            else { continue }
            if report.rank >= worst?.rank ?? 0 { worst = report }
        }
        guard let worst else { return }
        tracks.judge(worst.rank, by: ladder) { _ in worst.text + " Note it and tell the operator of the meter." }
    }

    /// EN 13757-3, 5.10: two bits of the application, then power low, permanent and temporary error.
    private static func report(status: UInt8) -> Report {
        if status & 0b1000 != 0 { return .serious("The meter reports a permanent error.") }
        // 01 is busy.
        if status & 0b10 != 0 { return .serious("The meter's application reports an error.") }
        if status & 0b100 != 0 { return .minor("The meter's power is low: its battery is nearly empty.") }
        if status & 0b1_0000 != 0 { return .minor("The meter reports a temporary error.") }
        return .well
    }

    /// F.F and 97.97 are the error registers, 96.20 counts manipulations (IEC 62056-6-1).
    private static func isAboutErrors(_ code: ObisCode?) -> Bool {
        guard let code else { return false }
        return (code.c == 97 && code.d == 97) || (code.a == 0 && code.c == 96 && code.d == 20 && code.f == 255)
    }

    /// - Returns: nil for a register that says nothing about errors.
    private mutating func report(_ register: Register) -> Report? {
        if let code = register.obis {
            guard Self.isAboutErrors(code) else { return nil }
            return code.c == 97 ? Self.report(errors: register.value) : report(count: register.value, of: code.e)
        }
        guard register.record?.quantity == "Error flags" else { return nil }
        return Self.report(errors: register.value)
    }

    private static func report(errors value: RegisterValue) -> Report? {
        switch value {
        case .number(let number):
            number.isZero ? .well : .serious("The meter's error register shows \(number).")
        case .flag(let flag): flag ? .serious("The meter's error flag is set.") : .well
        case .text(let text), .wide(let text): report(errors: text)
        case .time, .unavailable: nil
        }
    }

    /// Digits in hexadecimal; words are not understood.
    private static func report(errors text: String) -> Report? {
        let digits = text.filter { $0 != " " }
        guard !digits.isEmpty, digits.allSatisfy(\.isHexDigit) else { return nil }
        return digits.allSatisfy { $0 == "0" }
            ? .well : .serious("The meter's error register shows \(digits.prefix(40)).")
    }

    /// Counts of opened covers, magnetic fields and other manipulations. A rise is the event.
    private mutating func report(count value: RegisterValue, of kind: UInt8) -> Report? {
        guard let number = value.number else { return nil }
        let known = counts[kind]
        if known != nil || counts.count < Self.rememberedCounts { counts[kind] = number }
        guard let known, number > known else { return .well }
        return .serious(
            "A count of openings or manipulations (96.20.\(kind)) rose from \(known) to \(number).")
    }

    func store(_ writer: inout JSONWriter) {
        writer.member("counts") { writer in
            for (kind, count) in counts.sorted(by: { $0.key < $1.key }) { writer.member(named: "\(kind)", count) }
        }
    }

    mutating func restore(_ memory: StoredValue) {
        guard case .object(let stored)? = memory["counts"] else { return }
        for (kind, count) in stored.sorted(by: { $0.key < $1.key }).prefix(Self.rememberedCounts) {
            if let kind = UInt8(kind), let number = count.number { counts[kind] = number }
        }
    }
}
