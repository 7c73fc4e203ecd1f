import OBIS

/// What is known of one register, as far as an entity depends on it.
struct RegisterTraits: Sendable, Hashable, Codable {
    enum Content: String, Sendable, Hashable, Codable { case number, text, time }

    /// In `registers` of the state.
    var key: String
    var obis: String?
    var unit: String?
    var content: Content
    /// Whether it is a counter that stands in `register_totals`.
    var isTotal = false
    var quantity: String?
    var function: String?
    var storage: Int?
    var tariff: Int?
    var subunit: Int?
}

/// Everything that a meter delivers, as far as discovery depends on it: what is kept over a restart.
///
/// What comes is taken in with the first reading that has it. What does not come is given up only when the meter was
/// heard for a day without it, or soon after its protocol or profile was changed: one list that is left out, or one night
/// without a line, removes nothing.
public struct Delivery: Sendable, Hashable, Codable {
    /// One thing that the meter delivers.
    struct Item: Sendable, Hashable, Codable {
        /// Nil for a named field.
        var register: RegisterTraits?
        var decimals: Int
        /// Readings without it, and the seconds that they cover.
        var missedReadings = 0
        var missedSeconds: Int64 = 0
        /// Whether the configuration has changed since it came last.
        var isDoubtful = false
    }

    /// By the keys of the entities.
    private(set) var items: [String: Item] = [:]
    public private(set) var serial: String?
    public private(set) var manufacturer: String?
    public private(set) var medium: String?
    /// The settings by which the meter is read.
    private var basis: String?
    /// When it was heard last, by a clock that a restart sets back.
    private var heard: Duration?
    /// The newest state, where it had everything that is known: one like it says nothing new.
    private var complete: StateOutline?

    private enum CodingKeys: String, CodingKey { case items, serial, manufacturer, medium, basis }

    public init() {}

    /// More than any meter delivers: a damaged line must not fill Home Assistant with names.
    static let limit = 150
    /// No more digits than a person reads.
    private static let mostDecimals = 6
    /// A pause counts for no more than this: of what passed meanwhile nobody knows.
    private static let longestPause = Duration.seconds(3600)
    private static let patience = (readings: 24, seconds: Int64(86_400))
    private static let doubtfulPatience = (readings: 20, seconds: Int64(0))

    static let clockKey = "clock_drift"

    /// Whether there is anything to show.
    public var isEmpty: Bool { items.isEmpty }

    /// The meter is read with these settings from now on. With others than before, what it delivers is doubtful.
    public mutating func settle(basis: String) {
        if let before = self.basis, before != basis {
            for key in items.keys { items[key]?.isDoubtful = true }
            complete = nil
        }
        self.basis = basis
    }

    /// What was known before a restart is read later than the first readings came.
    public mutating func goOn(from before: Delivery) {
        items.merge(before.items) { present, _ in present }
        complete = nil
        serial = serial ?? before.serial
        manufacturer = manufacturer ?? before.manufacturer
        medium = medium ?? before.medium
    }

    /// Takes note of what the state shows after a reading.
    ///
    /// - Parameters:
    ///   - totals: the counters that go on, by the keys of their registers.
    ///   - now: monotonic.
    /// - Returns: whether anything is different for discovery.
    public mutating func observe(_ state: Reading, registerTotals: [RegisterTotal], at now: Duration) -> Bool {
        let outline = StateOutline(state, registerTotals)
        if outline == complete {
            heard = now
            return false
        }
        let found = Self.items(of: state, totals: Set(registerTotals.filter { $0.value != nil }.map(\.key)))
        var isChanged = identify(state.device)
        for (key, item) in found where take(key, item) { isChanged = true }
        let pause = heard.map { min(max(now - $0, .zero), Self.longestPause) } ?? .zero
        heard = now
        for key in items.keys where found[key] == nil {
            if miss(key, for: pause.components.seconds) { isChanged = true }
        }
        // Where something is missing, each state is counted.
        complete = items.count == found.count ? outline : nil
        return isChanged
    }

    private mutating func identify(_ device: MeterIdentity) -> Bool {
        let before = (serial, manufacturer, medium)
        serial = device.id ?? serial
        manufacturer = device.manufacturer ?? manufacturer
        medium = device.medium?.rawValue ?? medium
        return before != (serial, manufacturer, medium)
    }

    private mutating func take(_ key: String, _ item: Item) -> Bool {
        guard let known = items[key] else {
            guard items.count < Self.limit else { return false }
            items[key] = item
            return true
        }
        var item = item
        item.decimals = min(max(item.decimals, known.decimals), Self.mostDecimals)
        if item != known { items[key] = item }
        return item.register != known.register || item.decimals != known.decimals
    }

    /// - Returns: whether it is given up.
    private mutating func miss(_ key: String, for seconds: Int64) -> Bool {
        guard var item = items[key] else { return false }
        item.missedReadings += 1
        item.missedSeconds += seconds
        let patience = item.isDoubtful ? Self.doubtfulPatience : Self.patience
        let isGone = item.missedReadings >= patience.readings && item.missedSeconds >= patience.seconds
        items[key] = isGone ? nil : item
        return isGone
    }

    // MARK: What a state holds

    private static func items(of state: Reading, totals: Set<String>) -> [String: Item] {
        var found: [String: Item] = [:]
        for field in NamedField.allCases {
            guard let value = state.values[field] else { continue }
            found[field.entityKey] = Item(decimals: decimals(value))
        }
        if state.meterTime?.utcOffset != nil { found[clockKey] = Item(decimals: 0) }
        let covered = CoveredRegisters(state)
        for (index, (register, key)) in zip(state.registers, state.registerKeys).enumerated() {
            guard !covered.contains(index), let item = Item(register, key: key, isTotal: totals.contains(key)) else {
                continue
            }
            found[EntityKey.of(register, key)] = item
        }
        return found
    }

    static func decimals(_ number: FixedDecimal) -> Int { min(max(0, -Int(number.exponent)), mostDecimals) }
}

/// Everything of a state that discovery depends on, cheap to make and to compare.
private struct StateOutline: Sendable, Hashable {
    /// What stands in a register or a field, and with how many decimals.
    private struct Content: Sendable, Hashable {
        var kind: UInt8
        var exponent: Int8 = 0
        var unit: Unit?
        var record: RecordIdentity?
    }

    private let device: MeterIdentity
    private let hasClock: Bool
    private let keys: [String]
    private let registers: [Content]
    private let fields: [Int8?]
    private let totals: [String]

    init(_ state: Reading, _ totals: [RegisterTotal]) {
        device = MeterIdentity(
            id: state.device.id, manufacturer: state.device.manufacturer, medium: state.device.medium)
        hasClock = state.meterTime?.utcOffset != nil
        keys = state.registerKeys
        registers = state.registers.map { register in
            let kind: UInt8 =
                switch register.value {
                case .number: 0
                case .wide: 1
                case .text, .flag: 2
                case .time: 3
                case .unavailable: 4
                }
            return Content(
                kind: kind, exponent: register.value.number?.exponent ?? 0, unit: register.unit, record: register.record
            )
        }
        fields = NamedField.allCases.map { state.values[$0]?.exponent }
        self.totals = totals.filter { $0.value != nil }.map(\.key)
    }
}

extension Delivery.Item {
    fileprivate init?(_ register: Register, key: String, isTotal: Bool) {
        let content: RegisterTraits.Content
        switch register.value {
        case .number, .wide: content = .number
        case .text, .flag: content = .text
        case .time: content = .time
        case .unavailable: return nil
        }
        // Longer names than any meter prints would only fill the journal.
        guard key.utf8.count <= 64 else { return nil }
        decimals = register.value.number.map(Delivery.decimals) ?? 0
        var traits = RegisterTraits(
            key: key, obis: register.obis?.description, unit: register.unit?.symbol, content: content, isTotal: isTotal)
        if let record = register.record {
            traits.quantity = String(record.quantity.prefix(64))
            traits.function = record.function == .instantaneous ? nil : record.function.rawValue
            traits.storage = record.storage == 0 ? nil : record.storage
            traits.tariff = record.tariff == 0 ? nil : record.tariff
            traits.subunit = record.subunit == 0 ? nil : record.subunit
        }
        self.register = traits
    }
}

/// The keys of the entities that registers have.
enum EntityKey {
    /// `1-0:1.8.1*255` → `r_1_0_1_8_1`; what has no code gets a number made of its name, so that two names that differ
    /// in signs only are two entities.
    static func of(_ register: Register, _ key: String) -> String {
        let words = key.utf8.map { byte -> Character in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                Character(Unicode.Scalar(byte))
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): Character(Unicode.Scalar(byte + 32))
            default: "_"
            }
        }
        if let obis = register.obis, key == obis.description {
            let groups = [obis.a, obis.b, obis.c, obis.d, obis.e] + (obis.f == 255 ? [] : [obis.f])
            return "r_" + groups.map { "\($0)" }.joined(separator: "_")
        }
        return "x_" + String(words).prefix(40) + "_" + digest(key)
    }

    /// FNV-1a, in 32 bits.
    private static func digest(_ text: String) -> String {
        var hash: UInt32 = 2_166_136_261
        for byte in text.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return String(hash, radix: 16)
    }
}

/// Registers that a named field shows already, by their positions.
private struct CoveredRegisters {
    private var positions: Set<Int> = []

    init(_ state: Reading) {
        let codes = state.registers.map(\.obis)
        func has(_ c: UInt8, _ d: UInt8) -> Bool {
            codes.contains { $0.map { $0.a == 1 && $0.f == 255 && $0.c == c && $0.d == d && $0.tariff == 0 } ?? false }
        }
        var shown: Set<NamedField> = []
        for (index, code) in codes.enumerated() {
            guard let code, code.f == 255 else { continue }
            let register = state.registers[index]
            let fields = code.a == 1 ? Self.electric(code, has) : Self.thermal(code)
            // The first with a code is the one that the field is made of.
            for field in fields where !shown.contains(field) && state.values[field] != nil {
                guard let number = register.value.number, Self.fits(number, register.unit, field) else { continue }
                shown.insert(field)
                positions.insert(index)
                break
            }
        }
    }

    func contains(_ position: Int) -> Bool { positions.contains(position) }

    private static func fits(_ number: FixedDecimal, _ unit: Unit?, _ field: NamedField) -> Bool {
        guard let wanted = field.unit else { return true }
        return unit.flatMap { $0.convert(number, to: wanted) } != nil
    }

    private static func electric(_ code: ObisCode, _ has: (UInt8, UInt8) -> Bool) -> [NamedField] {
        switch (code.c, code.d, code.tariff) {
        case (1, 8, 0): [.activeImport]
        case (2, 8, 0): [.activeExport]
        case (3, 8, 0): [.reactiveImport]
        case (4, 8, 0): [.reactiveExport]
        case (16, 7, 0): [.activePower]
        // With both directions apart, power is their difference.
        case (1, 7, 0): has(2, 7) || has(16, 7) ? [] : [.activePower]
        case (3, 7, 0): has(4, 7) ? [] : [.reactivePower]
        case (9, 7, 0): [.apparentPower]
        case (32, 7, 0): [.voltageL1]
        case (52, 7, 0): [.voltageL2]
        case (72, 7, 0): [.voltageL3]
        case (31, 7, 0): [.currentL1]
        case (51, 7, 0): [.currentL2]
        case (71, 7, 0): [.currentL3]
        case (91, 7, 0): [.currentN]
        case (14, 7, 0): [.frequency]
        case (13, 7, 0): [.powerFactor]
        case (12, 7, 124): [.thdVoltage]
        case (11, 7, 124): [.thdCurrent]
        default: []
        }
    }

    private static func thermal(_ code: ObisCode) -> [NamedField] {
        switch (code.a, code.c, code.d, code.e) {
        case (0, 24, 2, 1...4): [.volume, .heatEnergy, .heatEnergyInJoule]
        case (7, 3, 0, 0), (8, 1, 0, 0), (9, 1, 0, 0), (5...6, 2, 0, 0): [.volume]
        case (5...6, 1, 0, 0): [.heatEnergy, .heatEnergyInJoule]
        case (5...6, 8, 0, 0): [.heatPower]
        case (5...6, 9, 0, 0), (8, 2, 0, 0), (9, 2, 0, 0), (7, 43, 0, 0): [.volumeFlow]
        case (5...6, 10, 0, 0): [.flowTemperature]
        case (5...6, 11, 0, 0): [.returnTemperature]
        case (5...6, 12, 0, 0): [.temperatureDifference]
        default: []
        }
    }
}

extension ObisCode {
    /// Some makers write 255 where the standard has 0.
    fileprivate var tariff: UInt8 { e == 255 ? 0 : e }
}
