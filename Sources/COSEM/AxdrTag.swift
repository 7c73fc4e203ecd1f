/// The types of A-XDR encoded data (IEC 62056-6-2, 4.1.5; encoding IEC 61334-6).
public enum AxdrTag: UInt8, Sendable, Hashable, CaseIterable {
    case null = 0x00
    case array = 0x01
    case structure = 0x02
    case boolean = 0x03
    case bitString = 0x04
    case int32 = 0x05
    case uint32 = 0x06
    case octetString = 0x09
    case visibleString = 0x0A
    case utf8String = 0x0C
    case bcd = 0x0D
    case int8 = 0x0F
    case int16 = 0x10
    case uint8 = 0x11
    case uint16 = 0x12
    case compactArray = 0x13
    case int64 = 0x14
    case uint64 = 0x15
    case enumeration = 0x16
    case float32 = 0x17
    case float64 = 0x18
    case dateTime = 0x19
    case date = 0x1A
    case time = 0x1B
    case dontCare = 0xFF

    /// The name in fingerprints of lists and in profiles.
    public var name: String {
        switch self {
        case .null, .dontCare: "null"
        case .array: "array"
        case .structure: "structure"
        case .boolean: "bool"
        case .bitString: "bits"
        case .int32: "i32"
        case .uint32: "u32"
        case .octetString: "octets"
        case .visibleString, .utf8String: "text"
        case .bcd: "bcd"
        case .int8: "i8"
        case .int16: "i16"
        case .uint8: "u8"
        case .uint16: "u16"
        case .compactArray: "compact-array"
        case .int64: "i64"
        case .uint64: "u64"
        case .enumeration: "enum"
        case .float32: "f32"
        case .float64: "f64"
        case .dateTime: "datetime"
        case .date: "date"
        case .time: "time"
        }
    }

    @inline(__always) var isContainer: Bool { self == .array || self == .structure }

    /// The content length of a type that always has the same, in bytes; nil for the others.
    @inline(__always) var fixedLength: Int? {
        switch self {
        case .null, .dontCare: 0
        case .boolean, .bcd, .int8, .uint8, .enumeration: 1
        case .int16, .uint16: 2
        case .int32, .uint32, .float32, .time: 4
        case .date: 5
        case .int64, .uint64, .float64: 8
        case .dateTime: 12
        case .array, .structure, .bitString, .octetString, .visibleString, .utf8String, .compactArray: nil
        }
    }
}
