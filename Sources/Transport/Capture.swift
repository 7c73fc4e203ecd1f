public import OBIS

/// What passed on one meter's line, byte for byte and with the time of each piece: text that can be read, cut and
/// sent by mail.
///
///     # obisd capture 1
///     2026-01-15T11:34:56.120Z < 7EA07BCEFF031386F8E6E700…
///     2026-01-15T11:34:56.310Z > 2F3F210D0A
///     2026-01-15T11:34:57.004Z <. 0001000100670020…
///
/// `<` was received, `>` was sent, and a point behind the sign means that a datagram or a connection ended there. Lines
/// that begin with `#` and empty ones say nothing.
public struct Capture: Sendable, Hashable {
    public struct Piece: Sendable, Hashable {
        public var time: Timestamp
        public var bytes: [UInt8]
        public var isSent: Bool
        /// Whether a datagram or a connection ends with it.
        public var endsBurst: Bool

        public init(time: Timestamp, bytes: [UInt8], isSent: Bool = false, endsBurst: Bool = false) {
            self.time = time
            self.bytes = bytes
            self.isSent = isSent
            self.endsBurst = endsBurst
        }

        /// The line with its end.
        public var line: String {
            "\(time) \(isSent ? ">" : "<")\(endsBurst ? "." : "") \(Hex.string(bytes).uppercased())\n"
        }
    }

    public static let header = "# obisd capture 1\n"

    public var pieces: [Piece]

    public init(pieces: [Piece]) {
        self.pieces = pieces
    }

    /// A line that is none.
    public struct Malformed: Error, Sendable, Hashable {
        /// From 1.
        public let line: Int
    }

    /// Whether bytes begin as a capture does: with its header, or with a line of one.
    public static func isCapture(_ content: [UInt8]) -> Bool {
        let first = content.prefix { $0 != UInt8(ascii: "\n") }
        return first.starts(with: Array("# obisd capture".utf8)) || piece(first) != nil
    }

    /// - Throws: the first line that is none.
    public init(content: [UInt8]) throws(Malformed) {
        pieces = []
        for (index, line) in content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if text.first == UInt8(ascii: "#") || text.allSatisfy({ $0 == UInt8(ascii: " ") }) { continue }
            guard let piece = Self.piece(text) else { throw Malformed(line: index + 1) }
            pieces.append(piece)
        }
    }

    private static func piece(_ line: ArraySlice<UInt8>) -> Piece? {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard fields.count >= 2, let time = Timestamp(String(decoding: fields[0], as: UTF8.self)),
            let sign = fields[1].first, sign == UInt8(ascii: "<") || sign == UInt8(ascii: ">"),
            fields[1].count == 1 || Array(fields[1].dropFirst()) == [UInt8(ascii: ".")],
            let bytes = fields.count == 3 ? Hex.bytes(fields[2]) : []
        else { return nil }
        return Piece(time: time, bytes: bytes, isSent: sign == UInt8(ascii: ">"), endsBurst: fields[1].count == 2)
    }
}
