import OBIS
import Wire

/// Reads the content of a GetList response, tag 0701 (SML 1.04, SML_GetList.Res), into a telegram.
///
///     77 | client id | server id | list name | sensor time | list of entries | signature | gateway time
///     entry: 77 | name, 6 octets | status | time | unit | scaler | value | signature
///
/// Everything but the server id, the names and the entries themselves may be left out (`01`).
struct ListResponse: ~Copyable {
    private(set) var telegram = Telegram()
    private(set) var quirks = Quirks()
    /// By the status of the imported energy; nil where it has none.
    private var flow: EnergyFlow?

    init(_ reader: inout WireReader) throws(WireError) {
        try Element.list(of: 7, &reader)
        try Element.skip(&reader)
        if let octets = try Element.octets(&reader) { identify(ServerID(octets)) }
        telegram.list = try Element.octets(&reader).map { Hex.string($0) }
        telegram.meterTime = try SensorTime(&reader, omitsChoice: quirks.omitsTimeChoice).instant
        try readEntries(&reader)
        try Element.skip(&reader)
        try Element.skip(&reader)
        completeIdentity()
        if telegram.meter.manufacturer == "EMH" { noteFlow() }
    }

    private mutating func identify(_ server: ServerID) {
        quirks = Quirks(server)
        telegram.meter = MeterIdentity(
            id: server.identification, manufacturer: server.manufacturer, medium: server.medium)
    }

    private mutating func readEntries(_ reader: inout WireReader) throws(WireError) {
        let start = reader.offset
        let list = try Element.next(&reader)
        guard list.kind == .list else { throw WireError(.malformed, "no list of values", offset: start) }
        guard list.count <= Limits.registers else {
            throw WireError(.limit, "more than \(Limits.registers) values", offset: start)
        }
        telegram.registers.reserveCapacity(list.count)
        for _ in 0..<list.count { try readEntry(&reader) }
    }

    private mutating func readEntry(_ reader: inout WireReader) throws(WireError) {
        try Element.list(of: 7, &reader)
        let name = try Self.name(&reader)
        let status = try Self.status(&reader)
        if name.code == Self.imported, let status { flow = status & 0x20 == 0 ? .importing : .exporting }
        let time = try SensorTime(&reader, omitsChoice: quirks.omitsTimeChoice).instant
        let unit = try Element.unsigned(&reader).flatMap { UInt8(exactly: $0) }.flatMap { Unit(code: $0) }
        let scaler = try Element.signed(&reader) ?? 0
        let sent = try readValue(name.code, &reader)
        try Element.skip(&reader)
        let power = power(scaler, of: name)
        telegram.registers.append(
            Register(
                obis: name.code, printedCode: name.digits, value: power.map { sent.scaled(byPowerOfTen: $0) } ?? sent,
                unit: power.flatMap { _ in unit }, wireValue: sent.isNumber ? sent : nil, time: time))
    }

    /// - Returns: nil for a scaler that belongs to no meter.
    private mutating func power(_ scaler: Int64, of name: Name) -> Int? {
        if let power = Int(exactly: scaler), (-Limits.scaler...Limits.scaler).contains(power) { return power }
        telegram.warnings.append(
            "\(name.digits ?? name.code?.description ?? "a value") has the impossible scaler \(scaler): left as sent")
        return nil
    }

    /// - Returns: nil where it is left out, or no number.
    private static func status(_ reader: inout WireReader) throws(WireError) -> UInt64? {
        let element = try Element.next(&reader)
        guard element.kind == .unsigned, (1...8).contains(element.count) else {
            try element.skipContent(&reader)
            return nil
        }
        return try element.bits(&reader)
    }

    private static let imported = ObisCode(1, 0, 1, 8, 0)
    private static let powers = [ObisCode(1, 0, 15, 7, 0), ObisCode(1, 0, 16, 7, 0)]

    /// EMH (eHZ, ED300L) send the power as an amount; bit 5 of the status of the imported energy says where it goes.
    private mutating func noteFlow() {
        for index in telegram.registers.indices {
            guard let code = telegram.registers[index].obis, Self.powers.contains(code) else { continue }
            telegram.registers[index].flow = flow
        }
    }

    private typealias Name = (code: ObisCode?, digits: String?)

    /// A name of other than six octets is no OBIS code; it stays as its hexadecimal digits.
    private static func name(_ reader: inout WireReader) throws(WireError) -> Name {
        let start = reader.offset
        let element = try Element.next(&reader)
        guard element.kind == .octets else { throw WireError(.malformed, "a value without a name", offset: start) }
        guard element.count == 6 else {
            return (nil, element.isOmitted ? nil : Hex.string(try reader.take(element.count)))
        }
        return (ObisCode(packed: try reader.bigEndian(6)), nil)
    }

    // MARK: Values

    private mutating func readValue(
        _ code: ObisCode?, _ reader: inout WireReader
    ) throws(WireError) -> RegisterValue {
        let element = try Element.next(&reader)
        switch element.kind {
        case .octets: return element.isOmitted ? .unavailable : .text(Octets.text(try reader.take(element.count)))
        case .boolean:
            guard element.count == 1 else {
                throw WireError(.malformed, "a boolean of \(element.count) bytes", offset: reader.offset)
            }
            return .flag(try reader.uint8() != 0)
        case .unsigned: return Self.number(try element.bits(&reader))
        case .signed:
            let bits = try element.bits(&reader)
            let isUnsigned = quirks.marksPowerAsSigned && code == Quirks.power && element.count < 4
            return isUnsigned ? Self.number(bits) : .number(FixedDecimal(element.signExtended(bits)))
        case .list: return try chosenValue(code, element, &reader)
        }
    }

    private static func number(_ bits: UInt64) -> RegisterValue {
        Int64(exactly: bits).map { .number(FixedDecimal($0)) } ?? .wide("\(bits)")
    }

    /// `72 62 01 | time`: a value may itself be a time (SML 1.04, SML_ListType). Nothing else is known to be sent.
    private mutating func chosenValue(
        _ code: ObisCode?, _ list: Element, _ reader: inout WireReader
    ) throws(WireError) -> RegisterValue {
        let content = reader.offset
        if list.count == 2, let choice = try? Element.unsigned(&reader), choice == 1,
            let time = try? SensorTime(&reader, omitsChoice: quirks.omitsTimeChoice)
        {
            switch time {
            case .none: return .unavailable
            case .counter(let seconds): return Self.number(seconds)
            case .instant(let time): return .time(time)
            }
        }
        reader = reader.rewound(to: content)
        try list.skipContent(&reader)
        telegram.warnings.append("\(code?.description ?? "a value") has a value of an unknown kind: left out")
        return .unavailable
    }

    // MARK: Identity

    /// What the server id does not say, from the registers: the maker's letters, and the medium that codes belong to.
    private mutating func completeIdentity() {
        if telegram.meter.manufacturer == nil {
            let maker = telegram.registers.firstIndex { $0.obis == Self.maker || $0.obis == Self.olderMaker }
            if let maker, case .text(let letters) = telegram.registers[maker].value, letters.utf8.count == 3,
                letters.utf8.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) })
            {
                telegram.meter.manufacturer = letters
            }
        }
        if telegram.meter.medium == nil, telegram.registers.contains(where: { $0.obis?.a == 1 }) {
            telegram.meter.medium = .electricity
        }
    }

    /// The maker's letters, of newer and of older meters.
    private static let maker = ObisCode(1, 0, 96, 50, 1, 1)
    private static let olderMaker = ObisCode(129, 129, 199, 130, 3)
}

extension RegisterValue {
    /// Whether it is a number, of any size.
    fileprivate var isNumber: Bool {
        switch self {
        case .number, .wide: true
        case .text, .flag, .time, .unavailable: false
        }
    }
}
