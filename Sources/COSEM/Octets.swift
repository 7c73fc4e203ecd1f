extension FixedWidthInteger {
    /// The bytes of the number, most significant first.
    var octets: [UInt8] {
        (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> (Self.bitWidth - 8 - 8 * $0)) }
    }
}

extension [UInt8] {
    /// The bytes behind their length: one byte below 128, else `8n` and n bytes (IEC 61334-6; the same in BER).
    var withLength: [UInt8] {
        switch count {
        case ..<0x80: [UInt8(truncatingIfNeeded: count)] + self
        case ..<0x100: [0x81, UInt8(truncatingIfNeeded: count)] + self
        default: [0x82] + UInt16(truncatingIfNeeded: count).octets + self
        }
    }
}

extension Collection<UInt8> {
    /// The number that at most four bytes are, most significant first.
    var bigEndian: UInt32 { reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
}
