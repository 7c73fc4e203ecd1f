import Wire

/// A frame of type 3 (IEC 62056-46, 6.4).
///
///     7E | A|S|length 11 bits | destination 1–4 | source 1–4 | control | HCS | information | FCS | 7E
///
/// Length counts everything between the flags. HCS is there only with an information field. Nothing is
/// stuffed: the information may contain 7E. Both check sequences are X-25, low byte first.
public struct HDLCFrame: Sendable, Hashable {
    /// The address bytes as sent, the last of each with its lowest bit set.
    public var destination: [UInt8]
    public var source: [UInt8]
    public var control: UInt8
    /// Whether more frames of the same message follow (format bit 11).
    public var isSegmented: Bool
    public var information: [UInt8]

    public init(destination: [UInt8], source: [UInt8], control: UInt8, isSegmented: Bool = false, information: [UInt8])
    {
        self.destination = destination
        self.source = source
        self.control = control
        self.isSegmented = isSegmented
        self.information = information
    }

    public static let flag: UInt8 = 0x7E

    /// The frame as bytes, with both flags.
    ///
    /// - Returns: nil when the information is too long for the length field.
    public func encoded() -> [UInt8]? {
        let header = destination.count + source.count + 1
        let length = 2 + header + (information.isEmpty ? 0 : 2 + information.count) + 2
        guard length <= Limits.hdlcFrame else { return nil }
        var bytes: [UInt8] = [
            0xA0 | (isSegmented ? 0x08 : 0) | UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length),
        ]
        bytes += destination + source + [control]
        if !information.isEmpty {
            bytes += Self.check(bytes)
            bytes += information
        }
        bytes += Self.check(bytes)
        return [Self.flag] + bytes + [Self.flag]
    }

    private static func check(_ bytes: [UInt8]) -> [UInt8] {
        let value = Checksum.x25(bytes.rawSpan)
        return [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
    }
}

// MARK: - Looking at buffered bytes

/// Where the parts of a frame stand in the bytes that were looked at.
struct HDLCLayout {
    let destination: Range<Int>
    let source: Range<Int>
    let control: Int
    let isSegmented: Bool
    /// Empty where there is none.
    let information: Range<Int>
}

extension HDLCFrame {
    init(_ layout: HDLCLayout, in bytes: RawSpan) {
        self.init(
            destination: bytes.extracting(layout.destination).array, source: bytes.extracting(layout.source).array,
            control: bytes[byte: layout.control], isSegmented: layout.isSegmented,
            information: bytes.extracting(layout.information).array)
    }
}

/// What stands at one place of a buffer, judged as a frame.
enum HDLCCandidate {
    /// A whole frame with right check sequences; `length` counts the opening flag but not the closing one.
    case frame(HDLCLayout, length: Int)
    /// A plausible beginning that more bytes will decide. `isHeaderRight`: its header check is there and right.
    case incomplete(isHeaderRight: Bool)
    /// A right header whose frame is damaged. `length` is what the header claims.
    case damaged(WireError, length: Int)
    /// Not the beginning of a frame. `isHeader`: it looked like one, but for the header check.
    case none(isHeader: Bool)

    /// Judges the bytes from `offset` on, where a flag must stand.
    init(at offset: Int, in bytes: RawSpan) {
        let available = bytes.byteCount - offset
        guard available >= 1, bytes[byte: offset] == HDLCFrame.flag else { self = .none(isHeader: false); return }
        guard available >= 3 else {
            self =
                available == 2 && bytes[byte: offset + 1] & 0xF0 != 0xA0
                ? .none(isHeader: false) : .incomplete(isHeaderRight: false)
            return
        }
        let format = bytes[byte: offset + 1]
        guard format & 0xF0 == 0xA0 else { self = .none(isHeader: false); return }
        let length = Int(format & 0x07) << 8 | Int(bytes[byte: offset + 2])
        guard let header = Header(at: offset + 1, length: length, in: bytes) else {
            let isCut = available < 1 + Header.maximumLength && available < 1 + length
            self = isCut && length >= Header.minimumFrame ? .incomplete(isHeaderRight: false) : .none(isHeader: false)
            return
        }
        self = header.judge(frameAt: offset + 1, isSegmented: format & 0x08 != 0, in: bytes)
    }

    private struct Header {
        static let minimumFrame = 7
        /// Format, two addresses of four bytes, control, HCS.
        static let maximumLength = 13

        let length: Int
        let destination: Range<Int>
        let source: Range<Int>
        let control: Int

        /// - Returns: nil when the addresses do not end within the frame or the bytes at hand.
        init?(at start: Int, length: Int, in bytes: RawSpan) {
            guard length >= Self.minimumFrame,
                let destination = Self.address(at: start + 2, in: bytes),
                let source = Self.address(at: destination.upperBound, in: bytes),
                source.upperBound < bytes.byteCount, source.upperBound + 1 + 2 <= start + length
            else { return nil }
            self.length = length
            self.destination = destination
            self.source = source
            control = source.upperBound
        }

        private static func address(at start: Int, in bytes: RawSpan) -> Range<Int>? {
            var count = 1
            while count <= 4, start + count <= bytes.byteCount {
                if bytes[byte: start + count - 1] & 1 == 1 { return start..<(start + count) }
                count *= 2
            }
            return nil
        }

        func judge(frameAt start: Int, isSegmented: Bool, in bytes: RawSpan) -> HDLCCandidate {
            let end = start + length
            let behindControl = control + 1
            let hasInformation = behindControl + 2 < end
            if hasInformation {
                // Between a frame of one check sequence and one of two, no length is one of a frame.
                guard behindControl + 4 <= end else { return .none(isHeader: false) }
                guard behindControl + 2 <= bytes.byteCount else { return .incomplete(isHeaderRight: false) }
                guard Self.isRight(bytes, start..<behindControl) else { return .none(isHeader: true) }
            }
            guard end <= bytes.byteCount else { return .incomplete(isHeaderRight: hasInformation) }
            guard Self.isRight(bytes, start..<(end - 2)) else {
                let error = WireError(.checksum, "the frame check sequence is wrong")
                return hasInformation ? .damaged(error, length: length + 1) : .none(isHeader: true)
            }
            return .frame(
                HDLCLayout(
                    destination: destination, source: source, control: control, isSegmented: isSegmented,
                    information: hasInformation ? (behindControl + 2)..<(end - 2) : (end - 2)..<(end - 2)),
                length: length + 1)
        }

        /// Whether the two bytes behind `range` are its check sequence.
        private static func isRight(_ bytes: RawSpan, _ range: Range<Int>) -> Bool {
            let sent = UInt16(bytes[byte: range.upperBound]) | UInt16(bytes[byte: range.upperBound + 1]) << 8
            return Checksum.x25(bytes.extracting(range)) == sent
        }
    }
}
