import OBIS
import Wire

/// One record of a telegram.
struct Record: Hashable, Sendable {
    var register: Register
    /// The point in time that the record holds, where it holds one.
    var time: TimePoint?
    /// What is measured; nil for the maker's own data.
    var information: ValueInformation?
    var warning: String?

    /// - Parameters:
    ///   - first: the DIF.
    ///   - number: the place in the telegram.
    ///   - isReversed: the most significant byte comes first.
    init(first: UInt8, number: Int, isReversed: Bool, _ reader: inout WireReader) throws(WireError) {
        let data = try DataInformation(first: first, &reader)
        let value = try ValueInformation(&reader)
        let field = try DataField(data.coding, isReversed: isReversed, &reader)
        self.init(
            field, as: value,
            RecordIdentity(
                number: number, function: data.function, storage: data.storage, tariff: data.tariff,
                subunit: data.subunit, quantity: value.name))
    }

    init(_ field: DataField, as value: ValueInformation, _ identity: RecordIdentity) {
        register = Register(
            obis: nil, printedCode: identity.code, value: .unavailable, unit: value.unit, record: identity)
        information = value
        if let reason = value.recordError {
            warning = "\(identity.code): the meter reports \(reason)"
        } else {
            take(field, as: value)
        }
    }

    /// The maker's own data, from DIF 0F or 1F to the end.
    init(manufacturerData: [UInt8], number: Int) {
        let identity = RecordIdentity(number: number, quantity: Quantity.manufacturerSpecific)
        register = Register(
            obis: nil, printedCode: identity.code, value: .text(Hex.string(manufacturerData)), record: identity)
    }

    private mutating func take(_ field: DataField, as value: ValueInformation) {
        if value.kind == .time, field.coding == .integer {
            time = TimePoint(field.bytes)
            register.value = time?.registerValue ?? .unavailable
            return
        }
        if value.kind == .flags, let bits = field.unsigned {
            register.value = bits
            register.wireValue = bits
            return
        }
        guard let number = field.number else {
            register.value = .text(field.text)
            return
        }
        takeNumber(number, of: field, as: value)
    }

    private mutating func takeNumber(_ number: DataField.Number, of field: DataField, as value: ValueInformation) {
        switch number {
        case .number(let sent):
            register.wireValue = .number(sent)
            if let scaled = Self.scaled(sent, value) {
                register.value = .number(scaled)
            } else {
                warning = "\(register.code ?? ""): \(sent) does not fit 64 bits with its scale"
            }
        case .unavailable: break
        case .damaged: warning = "\(register.code ?? ""): \(Hex.string(field.bytes.reversed())) are no decimal digits"
        }
    }

    private static func scaled(_ sent: FixedDecimal, _ value: ValueInformation) -> FixedDecimal? {
        guard let scaled = sent.scaled(byPowerOfTen: value.power) else { return nil }
        return value.addend.map { scaled.adding($0) } ?? scaled
    }
}

extension RecordIdentity {
    /// The name as a key: `energy`, `flow_temperature:maximum:s1:t2:u1`. What is usual is left out.
    var code: String {
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
