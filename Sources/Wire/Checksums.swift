/// The check values of the metering protocols. Each is fed bytes in order and asked for `value`.
///
/// Check values of the ASCII text `123456789`: X-25 906E, Kermit 2189, ARC BB3D.
public enum Checksum {
    /// CRC-16/X-25: HDLC frames (IEC 62056-46, 6.4.2.5) and SML.
    public static func x25(_ bytes: RawSpan) -> UInt16 {
        ~reflected(bytes, initial: 0xFFFF, table: ccittTable)
    }

    /// CRC-16/Kermit: what some SML meters send instead of X-25.
    public static func kermit(_ bytes: RawSpan) -> UInt16 {
        reflected(bytes, initial: 0, table: ccittTable)
    }

    /// CRC-16/ARC: DSMR P1 telegrams.
    public static func arc(_ bytes: RawSpan) -> UInt16 {
        reflected(bytes, initial: 0, table: arcTable)
    }

    /// Block check character: exclusive or of all bytes (IEC 62056-21, 6.1).
    public static func bcc(_ bytes: RawSpan) -> UInt8 {
        var result: UInt8 = 0
        for i in 0..<bytes.byteCount { result ^= bytes[byte: i] }
        return result
    }

    /// Arithmetic sum modulo 256: M-Bus (EN 13757-2).
    public static func sum(_ bytes: RawSpan) -> UInt8 {
        var lanes = SIMD16<UInt8>()
        var index = 0
        while index <= bytes.byteCount - 16 {
            // In bounds: checked in the line above. Every bit pattern of an integer is valid.
            lanes &+= unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self)
            index += 16
        }
        var result = lanes.wrappedSum()
        while index < bytes.byteCount {
            result &+= bytes[byte: index]
            index += 1
        }
        return result
    }

    /// Eight bytes at a time: table k says what a byte leaves behind when k bytes follow it.
    private static func reflected(_ bytes: RawSpan, initial: UInt16, table: [UInt16]) -> UInt16 {
        var crc = initial
        let table = table.span
        // Said once, so that no index of the loop is checked: each is below.
        precondition(table.count == 8 * 256)
        var index = 0
        while index <= bytes.byteCount - 8 {
            // In bounds: checked in the line above. Every bit pattern of an integer is valid.
            var word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            word ^= UInt64(crc)
            crc = 0
            for position in 0..<8 {
                crc ^= table[(7 - position) << 8 | Int(UInt8(truncatingIfNeeded: word >> UInt64(8 * position)))]
            }
            index += 8
        }
        while index < bytes.byteCount {
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[byte: index])]
            index += 1
        }
        return crc
    }

    private static let ccittTable = table(polynomial: 0x8408)
    private static let arcTable = table(polynomial: 0xA001)

    /// Eight tables of 256, one behind the other.
    private static func table(polynomial: UInt16) -> [UInt16] {
        var table = (0..<256).map { byte in
            (0..<8).reduce(UInt16(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ polynomial : crc >> 1 }
        }
        for index in 256..<(8 * 256) {
            let before = table[index - 256]
            table.append(before >> 8 ^ table[Int(before & 0xFF)])
        }
        return table
    }
}

extension RawSpan {
    /// One byte; an index out of bounds is a programming error and stops the program.
    @inlinable
    public subscript(byte index: Int) -> UInt8 {
        precondition(index >= 0 && index < byteCount)
        // In bounds: checked in the line above.
        return unsafe unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self)
    }
}
