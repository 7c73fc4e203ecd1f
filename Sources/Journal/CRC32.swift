/// CRC-32 as in IEEE 802.3: finds damaged rows, is no protection against intent.
struct CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    private var register: UInt32 = .max

    var value: UInt32 { ~register }

    mutating func update(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { register = register >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: register) ^ byte)] }
    }

    /// Eight bytes, least significant first.
    mutating func update(_ number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            update(CollectionOfOne(UInt8(truncatingIfNeeded: number >> Int64(shift))))
        }
    }
}
