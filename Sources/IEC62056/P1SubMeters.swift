import OBIS

/// The meters behind a P1 port's own: gas, water, heat and others that tell an electricity meter their values over
/// M-Bus (DSMR 5.0.2, 6.12). Each has a channel `0-n:` of codes. It is this protocol's own way to write several meters
/// into one telegram, so it stands beside its decoder.
public enum SubMeters {
    /// The telegrams of the channels that have a measured value, by channel.
    ///
    /// Registers are those of the channel without the time stamps that a value carries itself; the time is that of
    /// the first measured value. The medium follows the device type `0-n:24.1.0`.
    public static func telegrams(of telegram: Telegram) -> [(channel: UInt8, telegram: Telegram)] {
        let channels = Dictionary(grouping: telegram.registers.filter { $0.channel != nil }) { $0.channel ?? 0 }
        return channels.sorted { $0.key < $1.key }.compactMap { channel, registers in
            guard let measured = registers.first(where: \.isMeasured) else { return nil }
            let meter = MeterIdentity(id: identity(in: registers), medium: medium(in: registers))
            return (
                channel,
                Telegram(
                    meter: meter, meterTime: measured.time, registers: registers.filter { !$0.isTimeOfNext },
                    ciphering: telegram.ciphering)
            )
        }
    }

    /// 96.1.0, in Belgium 96.1.1.
    private static func identity(in registers: [Register]) -> String? {
        for e in [UInt8(0), 1] {
            for register in registers {
                guard let code = register.obis else { continue }
                if let id = register.identity(under: ObisCode(code.a, code.b, 96, 1, e)) { return id }
            }
        }
        return nil
    }

    private static func medium(in registers: [Register]) -> Medium {
        let type = registers.first { $0.obis?.c == 24 && $0.obis?.d == 1 }?.value.number
        guard let type, type.exponent == 0, let number = UInt8(exactly: type.mantissa) else { return .other }
        return DeviceType(number)?.medium ?? .other
    }
}

extension Register {
    fileprivate var channel: UInt8? {
        guard let obis, obis.a == 0, obis.b > 0 else { return nil }
        return obis.b
    }

    /// A number with its unit; types, states and numbers of things have none.
    fileprivate var isMeasured: Bool {
        guard unit != nil else { return false }
        switch value {
        case .number, .wide: return true
        case .text, .flag, .time, .unavailable: return false
        }
    }
}
