import Wire

/// A long frame of the M-Bus link layer (EN 13757-2, FT 1.2 of IEC 60870-5-1).
///
///     68 | L | L | 68 | C | A | CI | data … | checksum | 16
///
/// L counts from C to the end of the data. The checksum is their sum modulo 256. L has eight bits; meters that send
/// more (Sagemcom T210-D) let it overflow, so an L too small for C, A and CI stands for 256 more.
public struct LongFrame: Sendable, Hashable {
    public var control: UInt8
    public var address: UInt8
    public var controlInformation: UInt8
    public var data: [UInt8]

    public init(control: UInt8, address: UInt8, controlInformation: UInt8, data: [UInt8]) {
        self.control = control
        self.address = address
        self.controlInformation = controlInformation
        self.data = data
    }

    public static let start: UInt8 = 0x68
    public static let stop: UInt8 = 0x16
    /// The longest frame, with the one overflow of its length.
    static let longest = 4 + 258 + 2
    /// Start, both lengths, start.
    static let headerLength = 4
    /// C, A and CI.
    static let minimumContent = 3

    /// The frame as bytes.
    ///
    /// - Returns: nil when the data are longer than the length field and its one overflow can say.
    public func encoded() -> [UInt8]? {
        let content = [control, address, controlInformation] + data
        guard content.count < 256 || content.count - 256 < Self.minimumContent else { return nil }
        let length = UInt8(truncatingIfNeeded: content.count)
        return [Self.start, length, length, Self.start] + content + [Checksum.sum(content.rawSpan), Self.stop]
    }
}

/// What stands at one place of a buffer, judged as a long frame.
public enum LongFrameCandidate: Sendable {
    /// A whole frame of `length` bytes with a right checksum.
    case frame(LongFrame, length: Int)
    /// A beginning that more bytes will decide. `isHeader`: both lengths and both start bytes are there and agree.
    case incomplete(isHeader: Bool)
    /// A header whose frame is damaged. `length` is what the header claims.
    case damaged(WireError, length: Int)
    case none

    /// Judges the bytes from `offset` on.
    public init(at offset: Int, in bytes: RawSpan) {
        let available = bytes.byteCount - offset
        guard offset >= 0, available >= 1, bytes[byte: offset] == LongFrame.start else { self = .none; return }
        guard available >= LongFrame.headerLength else {
            let isPossible = available < 3 || bytes[byte: offset + 1] == bytes[byte: offset + 2]
            self = isPossible ? .incomplete(isHeader: false) : .none
            return
        }
        guard bytes[byte: offset + 1] == bytes[byte: offset + 2], bytes[byte: offset + 3] == LongFrame.start else {
            self = .none
            return
        }
        let sent = Int(bytes[byte: offset + 1])
        let content = sent < LongFrame.minimumContent ? sent + 256 : sent
        let length = LongFrame.headerLength + content + 2
        guard available >= length else { self = .incomplete(isHeader: true); return }
        self = Self.judge(bytes.extracting(offset..<(offset + length)))
    }

    private static func judge(_ frame: RawSpan) -> LongFrameCandidate {
        let length = frame.byteCount
        let content = frame.extracting(LongFrame.headerLength..<(length - 2))
        guard frame[byte: length - 1] == LongFrame.stop else {
            return .damaged(WireError(.framing, "the stop byte of an M-Bus frame is missing"), length: length)
        }
        guard Checksum.sum(content) == frame[byte: length - 2] else {
            return .damaged(WireError(.checksum, "the checksum of an M-Bus frame is wrong"), length: length)
        }
        let data = content.extracting(LongFrame.minimumContent..<content.byteCount).array
        return .frame(
            LongFrame(
                control: content[byte: 0], address: content[byte: 1], controlInformation: content[byte: 2],
                data: data), length: length)
    }
}
