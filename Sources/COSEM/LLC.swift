import Wire

/// The logical link control header in front of a message in HDLC (IEC 62056-46, 5.3): `E6 E7 00` from the
/// meter, `E6 E6 00` to it.
enum LLC {
    static let length = 3
    /// In front of a message to the meter.
    static let request: [UInt8] = [0xE6, 0xE6, 0x00]

    static func isHeader(_ reader: borrowing WireReader) -> Bool {
        reader.peek() == 0xE6 && (reader.peek(ahead: 1) == 0xE7 || reader.peek(ahead: 1) == 0xE6)
            && reader.peek(ahead: 2) == 0
    }

    static func isHeader(_ bytes: [UInt8]) -> Bool {
        isHeader(WireReader(bytes.rawSpan))
    }
}
