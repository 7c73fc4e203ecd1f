import OBIS
import Wire

/// Reads the messages of one file, whose own checksum was right.
///
///     76 | transaction id | group | on error | 72 tag content | checksum | 00
///
/// The checksum is a number whose first byte is the low one of a CRC-16/X-25 over everything in front of it, from `76`
/// on (SML 1.04, SML_Message). Zero bytes between and behind messages fill the file up.
struct Messages {
    /// Telegrams and refused messages, in order.
    private(set) var findings: [FramerOutput<Telegram>] = []
    /// Whether every list response, of at least one, came from a meter that may use CRC-16/Kermit.
    private(set) var mayUseKermit = false

    private static let listResponse: UInt64 = 0x0701
    /// Where messages without a server id began whose checksum is a Kermit one. Who sent them is known at the end.
    private var kermitChecked: [(offset: Int, length: Int)] = []
    /// Where the body begins in the stream, for errors.
    private let origin: Int

    init(_ body: RawSpan, origin: Int) {
        self.origin = origin
        read(body)
        guard !mayUseKermit else { return }
        for message in kermitChecked { reject(Self.wrongChecksum, at: message.offset, length: message.length) }
    }

    private static let wrongChecksum = WireError(.checksum, "the checksum of a message is wrong")

    private mutating func read(_ body: RawSpan) {
        var reader = WireReader(body)
        var responses = 0
        var kermitResponses = 0
        while let byte = reader.peek() {
            if byte == 0 {
                reader = reader.rewound(to: reader.offset + 1)
                continue
            }
            let start = reader.offset
            do throws(WireError) {
                if let quirks = try readMessage(&reader, body) {
                    responses += 1
                    kermitResponses += quirks.usesKermit ? 1 : 0
                }
            } catch {
                guard let end = Self.end(of: reader.rewound(to: start), body) else {
                    reject(error, at: start, length: body.byteCount - start)
                    break
                }
                reject(end.isChecked ? error : Self.wrongChecksum, at: start, length: end.offset - start)
                reader = reader.rewound(to: end.offset)
            }
        }
        mayUseKermit = responses > 0 && kermitResponses == responses
    }

    /// - Returns: the quirks of the sender of a list response that was accepted; nil for any other message.
    private mutating func readMessage(_ reader: inout WireReader, _ body: RawSpan) throws(WireError) -> Quirks? {
        let start = reader.offset
        try Element.list(of: 6, &reader)
        for _ in 0..<3 { try Element.skip(&reader) }
        try Element.list(of: 2, &reader)
        guard try Element.unsigned(&reader) == Self.listResponse else {
            try Element.skip(&reader)
            let checksum = try Self.checksum(&reader, body, from: start)
            guard checksum != .wrong else { throw Self.wrongChecksum }
            if checksum == .kermit { kermitChecked.append((start, reader.offset - start)) }
            return nil
        }
        let response = try ListResponse(&reader)
        let checksum = try Self.checksum(&reader, body, from: start)
        guard checksum == .x25 || checksum == .kermit && response.quirks.usesKermit else { throw Self.wrongChecksum }
        findings.append(.frame(response.telegram))
        return response.quirks
    }

    private mutating func reject(_ error: WireError, at offset: Int, length: Int) {
        let offset = origin + (error.offset ?? offset)
        findings.append(.rejected(WireError(error.code, error.message, offset: offset), discarded: length))
    }

    // MARK: Checksum

    private enum Check { case x25, kermit, wrong }

    /// Reads the checksum and the end of the message that began at `start`.
    private static func checksum(
        _ reader: inout WireReader, _ body: RawSpan, from start: Int
    ) throws(WireError) -> Check {
        let content = body.extracting(start..<reader.offset)
        let sent = try Element.unsigned(&reader)
        guard try reader.uint8() == 0 else {
            throw WireError(.malformed, "a message does not end behind its checksum", offset: reader.offset - 1)
        }
        if sent == UInt64(Checksum.x25(content).byteSwapped) { return .x25 }
        return sent == UInt64(Checksum.kermit(content).byteSwapped) ? .kermit : .wrong
    }

    /// Finds the end of a message that could not be read, whatever it contains.
    ///
    /// - Returns: nil where its elements do not say where it ends.
    private static func end(of reader: WireReader, _ body: RawSpan) -> (offset: Int, isChecked: Bool)? {
        var reader = reader
        let start = reader.offset
        do throws(WireError) {
            try Element.list(of: 6, &reader)
            for _ in 0..<4 { try Element.skip(&reader) }
            let check = try checksum(&reader, body, from: start)
            return (reader.offset, check == .x25)
        } catch {
            return nil
        }
    }
}
