import OBIS
import Rules

/// A register as a decoder makes it.
func register(_ code: String, _ value: String, _ unit: Unit?) -> Register {
    Register(obis: ObisCode(code), value: FixedDecimal(value).map { .number($0) } ?? .text(value), unit: unit)
}

/// A message of one meter.
func telegram(_ registers: Register..., id: String? = nil, time: MeterTime? = nil) -> Telegram {
    Telegram(meter: MeterIdentity(id: id), meterTime: time, registers: registers)
}

extension Validator {
    /// The issues with the keys that the daemon uses.
    mutating func issues(of telegram: Telegram) -> [QualityIssue] {
        let instant = Timestamp(milliseconds: 0)
        let reading = Reading(
            device: telegram.meter, time: instant, capturedAt: instant, isClockSynchronized: true,
            registers: telegram.registers)
        return issues(of: telegram, keys: reading.registerKeys)
    }

    /// What is wrong with one energy counter that shows this, in Wh.
    mutating func judge(counter value: Int64, id: String? = "1") -> QualityIssue.Code? {
        let energy = Register(obis: ObisCode(1, 1, 1, 8, 0), value: .number(FixedDecimal(value)), unit: .wattHour)
        return issues(of: telegram(energy, id: id)).first { $0.register != nil }?.code
    }
}

extension QualityIssue {
    /// Level, code and register in short.
    var summary: String { "\(level.rawValue) \(code.rawValue) \(register ?? "-")" }
}
