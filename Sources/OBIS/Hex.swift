/// Bytes as hexadecimal digits and back.
public enum Hex {
    private static let alphabet = Array("0123456789abcdef".utf8)

    /// Two lower-case digits.
    static func digits(_ byte: UInt8) -> [UInt8] {
        [alphabet[Int(byte >> 4)], alphabet[Int(byte & 15)]]
    }

    /// Lower-case digits without separators.
    public static func string(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes { text.append(contentsOf: digits(byte)) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The same for an array: the way that decoders take for every octet string.
    public static func string(_ bytes: [UInt8]) -> String {
        unsafe string(bytes.span.bytes)
    }

    /// The same for bytes of a telegram.
    public static func string(_ bytes: RawSpan) -> String {
        // The view of the bytes lives for the call only. The text has room for two digits of each.
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe String(unsafeUninitializedCapacity: 2 * bytes.count) { digits in
                for index in 0..<bytes.count {
                    unsafe digits[2 * index] = unsafe digit(bytes[index] >> 4)
                    unsafe digits[2 * index + 1] = unsafe digit(bytes[index] & 15)
                }
                return 2 * bytes.count
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// Reads pairs of digits; blanks and line ends between digits are skipped.
    ///
    /// - Returns: nil for any other character and for an odd number of digits.
    public static func bytes(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var high: UInt8?
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = character - UInt8(ascii: "A") + 10
            case 0x20, 0x09, 0x0A, 0x0D: continue
            default: return nil
            }
            if let first = high {
                result.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? result : nil
    }
}
