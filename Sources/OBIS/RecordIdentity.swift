/// Which record of an M-Bus telegram a value is (EN 13757-3: what DIF, DIFE, VIF and VIFE say about it).
public struct RecordIdentity: Hashable, Sendable {
    /// What the value is of its quantity during the measuring period.
    public enum Function: String, Sendable, Hashable, CaseIterable {
        case instantaneous, maximum, minimum
        /// The value while the meter was in an error state.
        case error
    }

    /// The place in the telegram, from 0. Fillers are not counted.
    public var number: Int
    public var function: Function
    /// 0 is the present value, others are kept ones: billing dates, months, ….
    public var storage: Int
    /// 0 is the total.
    public var tariff: Int
    /// The part of the meter: an input, a channel.
    public var subunit: Int
    /// What is measured, for a person: `Energy`, `Flow temperature`, `Voltage, L1`.
    public var quantity: String

    public init(
        number: Int, function: Function = .instantaneous, storage: Int = 0, tariff: Int = 0, subunit: Int = 0,
        quantity: String
    ) {
        self.number = number
        self.function = function
        self.storage = storage
        self.tariff = tariff
        self.subunit = subunit
        self.quantity = quantity
    }
}

extension RecordIdentity {
    /// The name as a key: `energy`, `flow_temperature:maximum:s1:t2:u1`. What is usual is left out.
    public var code: String {
        var code = Self.key(quantity)
        if function != .instantaneous { code += ":\(function.rawValue)" }
        if storage != 0 { code += ":s\(storage)" }
        if tariff != 0 { code += ":t\(tariff)" }
        if subunit != 0 { code += ":u\(subunit)" }
        return code
    }

    /// Small letters and digits, everything else one line below.
    private static func key(_ name: String) -> String {
        var key: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): key.append(byte | 0x20)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): key.append(byte)
            default: if key.last != UInt8(ascii: "_"), !key.isEmpty { key.append(UInt8(ascii: "_")) }
            }
        }
        if key.last == UInt8(ascii: "_") { key.removeLast() }
        return key.isEmpty ? "value" : String(decoding: key, as: UTF8.self)
    }
}
