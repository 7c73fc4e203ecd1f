/// CRC-32 as in IEEE 802.3: finds damaged rows, is no protection against intent.
struct CRC32 {
    private var register: UInt32 = .max

    var value: UInt32 { ~register }

    /// Eight bytes at a time: table k says what a byte leaves behind when k bytes follow it.
    mutating func update(_ bytes: [UInt8]) {
        let bytes = unsafe bytes.span.bytes
        let table = Self.table.span
        var index = 0
        while index <= bytes.byteCount - 8 {
            // In bounds: checked in the line above. Every bit pattern of an integer is valid.
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            update(word, table)
            index += 8
        }
        while index < bytes.byteCount {
            // In bounds: checked in the line above.
            update(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt8.self))
            index += 1
        }
    }

    mutating func update(_ byte: UInt8) {
        register = register >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: register) ^ byte)]
    }

    /// Eight bytes, least significant first.
    mutating func update(_ number: Int64) { update(UInt64(bitPattern: number), Self.table.span) }

    private mutating func update(_ word: UInt64, _ table: Span<UInt32>) {
        let mixed = word ^ UInt64(register)
        var crc: UInt32 = 0
        for position in 0..<8 {
            crc ^= table[(7 - position) << 8 | Int(UInt8(truncatingIfNeeded: mixed >> UInt64(8 * position)))]
        }
        register = crc
    }

    /// Eight tables of 256, one behind the other.
    private static let table: [UInt32] = {
        var table: [UInt32] = (0..<256).map { index in
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            return value
        }
        for index in 256..<(8 * 256) {
            let before = table[index - 256]
            table.append(before >> 8 ^ table[Int(before & 0xFF)])
        }
        return table
    }()
}
