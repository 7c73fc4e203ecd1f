import OBIS

/// What a utility's list means where the wire does not say it: units, scales, and the names of values
/// that come without any. Data, read from YAML.
public struct Profile: Sendable, Hashable {
    public var name: String
    /// One sentence: which meter, whose list.
    public var summary: String
    /// Three letters each of the makers whose meters it is for; empty where it does not say.
    public var makers: [String]
    /// Units by code; the first that matches counts.
    public var units: [UnitRule]
    /// Lists that carry no codes, recognised by the types of their values.
    public var lists: [ListRule]

    public init(
        name: String, summary: String = "", makers: [String] = [], units: [UnitRule] = [], lists: [ListRule] = []
    ) {
        self.name = name
        self.summary = summary
        self.makers = makers
        self.units = units
        self.lists = lists
    }

    /// "A register whose C.D.E is this has that unit": `31.7.0: 0.01 A` is power −2, unit ampere.
    public struct UnitRule: Sendable, Hashable {
        /// Value groups C, D and E; nil matches any.
        public var c: UInt8?
        public var d: UInt8?
        public var e: UInt8?
        public var power: Int
        /// Nil for a number without a unit, such as a power factor.
        public var unit: Unit?

        public init(c: UInt8?, d: UInt8?, e: UInt8?, power: Int, unit: Unit?) {
            self.c = c
            self.d = d
            self.e = e
            self.power = power
            self.unit = unit
        }

        public func matches(_ code: ObisCode) -> Bool {
            (c ?? code.c) == code.c && (d ?? code.d) == code.d && (e ?? code.e) == code.e
        }
    }

    /// A list without codes.
    public struct ListRule: Sendable, Hashable {
        /// The types of the values in order: `u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 bool enum octets text bits bcd
        /// time date datetime null`, as in the fingerprint that a decoder reports.
        public var types: [String]
        /// What each value is; nil for one that is to be left unnamed.
        public var codes: [ObisCode?]

        public init(types: [String], codes: [ObisCode?]) {
            self.types = types
            self.codes = codes
        }
    }
}
