import OBIS
import Wire

/// A message that a meter sends by itself (IEC 62056-5-3, 9.3.10).
///
///     0F | long invoke id and priority 4 | date-time | body: one A-XDR value
///
/// The date-time is an octet-string without its tag: `00`, or `0C` and twelve octets. Some makers send
/// the tag `09` as well.
struct DataNotification {
    static let tag: UInt8 = 0x0F

    let invokeID: UInt32
    let time: MeterTime?
    let body: PushBody

    /// - Parameter bytes: what `reader` reads.
    init(_ reader: inout WireReader, of bytes: [UInt8]) throws(WireError) {
        try reader.skip(1)
        invokeID = try reader.uint32()
        time = try Self.dateTime(&reader)
        let start = reader.offset
        do throws(WireError) {
            body = try Self.body(&reader, of: bytes)
        } catch {
            // A rare layout cannot be told from its first bytes: it is tried when the usual one fails.
            reader = reader.rewound(to: start)
            guard let body = DescriptorList.read(&reader, of: bytes) else { throw error }
            self.body = body
        }
    }

    private static func body(_ reader: inout WireReader, of bytes: [UInt8]) throws(WireError) -> PushBody {
        if let objects = ObjectList(&reader) {
            let body = try PushBody(objects, &reader, of: bytes)
            try requireEnd(reader)
            return body
        }
        let tape = try AxdrTape(&reader)
        try requireEnd(reader)
        return try PushBody(tape, of: bytes)
    }

    /// Another message may follow in the same frame, and nothing else.
    private static func requireEnd(_ reader: borrowing WireReader) throws(WireError) {
        guard reader.isAtEnd || LLC.isHeader(reader) else {
            throw WireError(.malformed, "\(reader.remaining) bytes behind the body", offset: reader.offset)
        }
    }

    private static func dateTime(_ reader: inout WireReader) throws(WireError) -> MeterTime? {
        if reader.peek() == AxdrTag.octetString.rawValue { try reader.skip(1) }
        let offset = reader.offset
        switch try reader.uint8() {
        case 0: return nil
        case UInt8(truncatingIfNeeded: DateTime.length): return DateTime.parse(try reader.take(DateTime.length))
        case let length: throw WireError(.malformed, "a date-time of \(length) bytes", offset: offset)
        }
    }

    /// Bytes that are one whole message and nothing else: the check of a decrypted text without a tag.
    init?(whole bytes: [UInt8]) {
        guard bytes.first == Self.tag else { return nil }
        var reader = WireReader(bytes.rawSpan)
        guard let notification = try? DataNotification(&reader, of: bytes), reader.isAtEnd else { return nil }
        self = notification
    }
}

/// The body of some Sagemcom meters: attribute descriptors without tags before each value.
///
///     02 02 | 16 enum | 01 n | 02 02 · class 2 · code 6 · attribute 1 · value | …
enum DescriptorList {
    /// - Returns: nil where the bytes have another layout.
    static func read(_ reader: inout WireReader, of bytes: [UInt8]) -> PushBody? {
        try? entries(&reader, of: bytes)
    }

    private static func entries(_ reader: inout WireReader, of bytes: [UInt8]) throws(WireError) -> PushBody {
        try expect([AxdrTag.structure.rawValue, 2, AxdrTag.enumeration.rawValue], &reader)
        try reader.skip(1)
        try expect([AxdrTag.array.rawValue], &reader)
        let count = try reader.axdrLength()
        guard count <= reader.remaining else {
            throw WireError(.truncated, "list of descriptors", offset: reader.offset)
        }
        var body = PushBody()
        for _ in 0..<count {
            try expect([AxdrTag.structure.rawValue, 2], &reader)
            try reader.skip(2)
            let code = ObisCode(
                try reader.uint8(), try reader.uint8(), try reader.uint8(), try reader.uint8(), try reader.uint8(),
                try reader.uint8())
            try reader.skip(1)
            body.append(code, try AxdrTape(&reader), of: bytes)
        }
        guard reader.isAtEnd else { throw WireError(.malformed, "bytes behind the list", offset: reader.offset) }
        return body
    }

    private static func expect(_ expected: [UInt8], _ reader: inout WireReader) throws(WireError) {
        for byte in expected where try reader.uint8() != byte {
            throw WireError(.malformed, "no list of attribute descriptors", offset: reader.offset)
        }
    }
}
