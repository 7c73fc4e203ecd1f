/// Where bytes that belong together stand in a recording: frames, blocks and escapes cut them.
public struct BytePlaces: Sendable, Hashable {
    /// In the order of the bytes.
    public let ranges: [Range<Int>]
    /// Whether each byte is a character of seven bits with even parity.
    public let hasParityBits: Bool

    public init(_ ranges: [Range<Int>], hasParityBits: Bool = false) {
        self.ranges = ranges.filter { !$0.isEmpty }
        self.hasParityBits = hasParityBits
    }

    public init(_ range: Range<Int>, hasParityBits: Bool = false) {
        self.init([range], hasParityBits: hasParityBits)
    }

    public var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// What stands there, without parity bits. Places that the recording does not have give nothing.
    public func bytes(in recording: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for range in ranges { result += recording[range.clamped(to: recording.indices)] }
        return hasParityBits ? result.map { $0 & 0x7F } : result
    }

    /// Puts as many other bytes there; what is too much is left out. A parity bit that was wrong is wrong again.
    public func write(_ bytes: [UInt8], to recording: inout [UInt8]) {
        var rest = bytes[...]
        for range in ranges {
            for index in range.clamped(to: recording.indices) {
                guard let byte = rest.popFirst() else { return }
                recording[index] = hasParityBits ? Self.with(byte, parityOf: recording[index]) : byte
            }
        }
    }

    private static func with(_ character: UInt8, parityOf old: UInt8) -> UInt8 {
        let bits = character & 0x7F
        return (bits.nonzeroBitCount ^ old.nonzeroBitCount).isMultiple(of: 2) ? bits : bits | 0x80
    }

    /// A part, counted in bytes from the start.
    public subscript(part: Range<Int>) -> BytePlaces {
        var result: [Range<Int>] = []
        var position = 0
        for range in ranges {
            let inside = part.clamped(to: position..<(position + range.count))
            let shift = range.lowerBound - position
            if !inside.isEmpty { result.append((inside.lowerBound + shift)..<(inside.upperBound + shift)) }
            position += range.count
        }
        return BytePlaces(result, hasParityBits: hasParityBits)
    }

    /// These and others, one behind the other.
    public static func + (left: BytePlaces, right: BytePlaces) -> BytePlaces {
        BytePlaces(left.ranges + right.ranges, hasParityBits: left.hasParityBits)
    }
}

/// What a protocol knows about recorded bytes: where a meter's identity stands, and by which checks frames are protected.
///
/// So identities can be replaced in place by others of the same length, and the frames still decode: a check is computed
/// anew where it was right before, and damage stays damage.
public struct FrameSurvey: Sendable {
    /// One check that was right.
    public struct Check: Sendable {
        /// What is checked.
        public let content: BytePlaces
        /// Makes the check right again after bytes of its content were replaced by as many others.
        public let renew: @Sendable (_ recording: inout [UInt8]) -> Void

        public init(over content: BytePlaces, renew: @escaping @Sendable (_ recording: inout [UInt8]) -> Void) {
            self.content = content
            self.renew = renew
        }

        /// - Parameter value: the check of a content, as it stands on the wire.
        public init(
            over content: BytePlaces, at place: BytePlaces, value: @escaping @Sendable ([UInt8]) -> [UInt8]
        ) {
            self.init(over: content) { place.write(value(content.bytes(in: $0)), to: &$0) }
        }

        /// CRC-16/X-25, low byte first.
        public static func x25(over content: Range<Int>, at place: Int) -> Check {
            Check(over: BytePlaces(content), at: BytePlaces(place..<(place + 2))) {
                let crc = Checksum.x25($0.rawSpan)
                return [UInt8(truncatingIfNeeded: crc), UInt8(truncatingIfNeeded: crc >> 8)]
            }
        }

        /// The sum modulo 256.
        public static func sum(over content: Range<Int>, at place: Int) -> Check {
            Check(over: BytePlaces(content), at: BytePlaces(place..<(place + 1))) { [Checksum.sum($0.rawSpan)] }
        }
    }

    /// Something that says which meter or whose installation it is.
    public struct Identity: Sendable, Hashable {
        public enum Form: Sendable, Hashable {
            case text
            /// The last character first.
            case reversedText
            /// Hexadecimal digits of characters.
            case hexadecimalText
            /// Two digits in each byte.
            case digits
            /// The same, the last two first.
            case reversedDigits
            /// A binary number of so many decimal digits, with zeros in front; 0: without.
            case number(digits: Int)
            /// The same, the least significant byte first.
            case reversedNumber
            case octets
            /// A password or a key: nothing of it is kept.
            case secret
        }

        public let place: BytePlaces
        public let form: Form
        /// Characters at its start that name the maker or the type, and that decoding may depend on.
        public let keeps: Int
        /// It looks like one, and nothing says that it is: it counts where the bytes around it could not be read.
        public let isSuspected: Bool

        public init(_ place: BytePlaces, as form: Form, keeps: Int = 0, isSuspected: Bool = false) {
            self.place = place
            self.form = form
            self.keeps = keeps
            self.isSuspected = isSuspected
        }
    }

    /// Inner checks stand before those that cover them.
    public var checks: [Check] = []
    public var identities: [Identity] = []
    /// What belongs together although it does not stand together, or does not stand as plain bytes.
    public var contents: [BytePlaces] = []
    /// Numbers that are known to be measured: no identity, even where they happen to have its digits.
    public var readings: [BytePlaces] = []
    /// Frames that are whole and passed their check, or have none.
    public var whole: [Range<Int>] = []
    /// Whether whole frames hide nothing, even where they could not be decoded: what is only suspected in them is none.
    public var readsWhole = false

    public init() {}

    /// Adds what another layer knows about the same bytes. Its checks are outer ones.
    public mutating func append(_ other: FrameSurvey) {
        checks += other.checks
        identities += other.identities
        contents += other.contents
        readings += other.readings
        whole += other.whole
        readsWhole = readsWhole || other.readsWhole
    }

    /// Makes every check right again after bytes were replaced by as many others.
    public func renewChecks(of recording: inout [UInt8]) {
        for check in checks { check.renew(&recording) }
    }
}

/// A piece of a message inside of another link layer's frame.
public struct CarriedPiece: Sendable, Hashable {
    /// Where the frame stands.
    public var frame: Range<Int>
    public var payload: Range<Int>
    public var startsMessage: Bool

    public init(frame: Range<Int>, payload: Range<Int>, startsMessage: Bool) {
        self.frame = frame
        self.payload = payload
        self.startsMessage = startsMessage
    }
}
