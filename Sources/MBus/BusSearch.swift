/// Finds the slaves of a bus by asking for one address after the other (EN 13757-2: search for slaves).
///
/// Primary addresses are asked in a row. Secondary ones are a tree: a selection with wildcards reaches all slaves that
/// match. Nobody answers: nobody is there. One answers and can be read: it is found. Several answer at once, which is a
/// collision: the next digit is tried with each of its values. Two equal answers can look like one; that the reading
/// behind it fails tells them apart.
///
/// The search asks and is told; it owns no bus. It can be kept and gone on with later.
public struct BusSearch: Sendable, Hashable, Codable {
    public enum Probe: Sendable, Hashable {
        case primary(UInt8)
        /// Digits from the left; what is behind them is open.
        case secondary(SecondaryAddress)
    }

    /// What came of a probe.
    public enum Outcome: Sendable, Hashable {
        case nobody
        /// A slave was read.
        case meter(Found)
        /// Somebody is there and cannot be read by itself.
        case collision
    }

    /// A slave that answered.
    public struct Found: Sendable, Hashable, Codable {
        /// The address that its answer carries.
        public var primary: UInt8?
        /// As text, `12345678/LGZ/02/04`; for a fixed structure only its identification, and nil where it was found by its
        /// primary address.
        public var secondary: String?
        public var identification: String?
        public var medium: String?

        /// Whether it is the one that was found by its other address: a fixed structure tells no more than its
        /// identification.
        fileprivate func isSame(as other: Found) -> Bool {
            if let secondary, secondary == other.secondary { return true }
            guard let identification, identification == other.identification else { return false }
            return (primary == nil) != (other.primary == nil) && (isIncomplete || other.isIncomplete)
        }

        private var isIncomplete: Bool { secondary?.contains("/") != true }

        public init(primary: UInt8?, secondary: String?, identification: String?, medium: String?) {
            self.primary = primary
            self.secondary = secondary
            self.identification = identification
            self.medium = medium
        }
    }

    private var primaries: [UInt8]
    /// The beginnings of identifications that are still to be tried, each digit 0 to 14.
    private var beginnings: [[UInt8]]
    /// Digits that an identification may have: the standard's ten, and A to E, which some makers use.
    private let digits: ClosedRange<UInt8>
    public private(set) var found: [Found] = []
    /// Primary addresses and beginnings of identifications under which several slaves cannot be told apart.
    public private(set) var unresolved: [String] = []
    public private(set) var asked = 0

    /// Half of the slaves that a bus can have: so many beginnings of one length are shared by two of them at most. More
    /// mean one that answers whatever is asked.
    private static let mostCollisions = 125
    /// How many beginnings of each length were shared.
    private var collisions = Array(repeating: 0, count: BusSearch.length + 1)
    /// The search of secondary addresses was given up.
    public private(set) var isGivenUp = false

    public init(primary: ClosedRange<UInt8>? = 0...250, secondary: Bool = true, hexadecimal: Bool = true) {
        primaries = primary.map { Array($0) } ?? []
        beginnings = secondary ? [[]] : []
        digits = 0...(hexadecimal ? 0xE : 9)
    }

    /// Reads a search that was kept.
    ///
    /// - Throws: `DecodingError` for what no search can have come to.
    public init(from decoder: any Decoder) throws {
        let kept = try decoder.container(keyedBy: CodingKeys.self)
        primaries = try kept.decode([UInt8].self, forKey: .primaries)
        beginnings = try kept.decode([[UInt8]].self, forKey: .beginnings)
        digits = try kept.decode(ClosedRange<UInt8>.self, forKey: .digits)
        found = try kept.decode([Found].self, forKey: .found)
        unresolved = try kept.decode([String].self, forKey: .unresolved)
        asked = try kept.decode(Int.self, forKey: .asked)
        collisions = try kept.decode([Int].self, forKey: .collisions)
        isGivenUp = try kept.decode(Bool.self, forKey: .isGivenUp)
        guard isPossible else {
            throw DecodingError.dataCorruptedError(
                forKey: .beginnings, in: kept, debugDescription: "the search has what no search can have come to")
        }
    }

    private var isPossible: Bool {
        digits.lowerBound == 0 && digits.upperBound <= 0xE && (0..<(1 << 32)).contains(asked)
            && beginnings.allSatisfy { $0.count <= Self.length && $0.allSatisfy(digits.contains) }
            && collisions.count == Self.length + 1
            && collisions.allSatisfy { (0...(Self.mostCollisions + 1)).contains($0) }
    }

    /// The next one to ask for; nil at the end.
    public var next: Probe? {
        if let address = primaries.first { return .primary(address) }
        return beginnings.first.map { .secondary(Self.pattern($0)) }
    }

    /// At least so many probes are left.
    public var remaining: Int { primaries.count + beginnings.count }

    // MARK: Outcomes

    /// Takes what came of the probe that `next` named.
    public mutating func take(_ outcome: Outcome) {
        asked += 1
        if let address = primaries.first {
            primaries.removeFirst()
            takePrimary(address, outcome)
        } else if !beginnings.isEmpty {
            takeSecondary(beginnings.removeFirst(), outcome)
        }
    }

    private mutating func takePrimary(_ address: UInt8, _ outcome: Outcome) {
        switch outcome {
        case .nobody: break
        case .meter(let meter): note(meter)
        case .collision: unresolved.append("address \(address)")
        }
    }

    private mutating func takeSecondary(_ beginning: [UInt8], _ outcome: Outcome) {
        switch outcome {
        case .nobody: break
        // One that answers to what it was not asked for answers to everything; that it could be read says that it is alone.
        case .meter(let meter): note(meter)
        case .collision: split(beginning)
        }
    }

    /// The same slave may be found by both of its addresses.
    private mutating func note(_ meter: Found) {
        guard let same = found.firstIndex(where: { $0.isSame(as: meter) }) else { return found.append(meter) }
        found[same].primary = found[same].primary ?? meter.primary
        found[same].secondary = found[same].secondary ?? meter.secondary
    }

    private mutating func split(_ beginning: [UInt8]) {
        collisions[beginning.count] += 1
        guard collisions[beginning.count] <= Self.mostCollisions else {
            isGivenUp = true
            beginnings = []
            return
        }
        guard beginning.count < Self.length else {
            unresolved.append(Self.text(beginning))
            return
        }
        beginnings.insert(contentsOf: digits.map { beginning + [$0] }, at: 0)
    }

    // MARK: Patterns

    private static let length = 8

    private static func pattern(_ digits: [UInt8]) -> SecondaryAddress {
        let padded = digits + Array(repeating: 0xF, count: max(0, length - digits.count))
        return SecondaryAddress(identification: padded.prefix(length).reduce(0) { $0 << 4 | UInt32($1 & 0xF) })
    }

    private static func text(_ digits: [UInt8]) -> String {
        String(pattern(digits).description.prefix(length))
    }
}
