import OBIS
import Wire

/// A message under general-glo-ciphering that stands on a line by itself, without a link layer around it: how
/// encrypted P1 telegrams arrive (Luxembourg, Styria).
///
///     DB | 08 | system title 8 | length | SC | IC 4 | content … | tag 12
public struct CipheredFrame: Sendable {
    private let message: GeneralCiphering

    fileprivate init(_ message: GeneralCiphering) {
        self.message = message
    }

    /// Decrypts, and checks the tag where the message has one and the keys for it are there.
    ///
    /// - Parameter isMessage: whether bytes are a whole plain message; it tells a wrong key from a damaged message.
    /// - Throws: `keyMissing`, `decryption`, `authentication`, `malformed`.
    public func open(
        with keys: CipheringKeys, isMessage: ([UInt8]) -> Bool
    ) throws(WireError) -> (plaintext: [UInt8], ciphering: Ciphering) {
        let opened = try message.open(with: keys, isMessage: isMessage)
        return (opened.plaintext, message.description(isAuthenticated: opened.isAuthenticated))
    }
}

/// Cuts ciphered messages out of a stream, and hands on what stands between them.
///
/// The messages have no check of their own but the tag. So a header must look like one in every part, and a second
/// header inside of a message means that the first one's length is wrong or its end was lost.
public struct CipheredFramer: Framer {
    /// A message, or bytes that belong to none.
    public enum Frame: Sendable {
        case ciphered(CipheredFrame)
        case other([UInt8])
    }

    private var buffer = LinkBuffer()
    /// Where the search for a second header goes on.
    private var searched = 1
    private var isFinishing = false
    /// Bytes of the newest message, which may still be refused.
    private var given = 0

    public init() {}

    public var isIdle: Bool { buffer.count == given }

    public mutating func append(_ bytes: [UInt8]) {
        buffer.append(bytes)
    }

    public mutating func finish() {
        isFinishing = !buffer.isEmpty
    }

    /// The newest message could not be opened: its end may be the beginning of another one. The search goes on there.
    public mutating func refuse() {
        guard given > 0 else { return }
        let end = given
        given = 0
        _ = take(nextHeader(before: end))
    }

    public mutating func next() -> FramerOutput<Frame>? {
        if given > 0 {
            _ = take(given)
            given = 0
        }
        guard !buffer.isEmpty else {
            isFinishing = false
            return nil
        }
        switch header(at: 0) {
        case .whole(let length): return message(of: length)
        case .incomplete where !isFinishing: return nil
        case .incomplete, .none: return other()
        }
    }

    // MARK: Between messages

    /// Everything up to the next byte that a header could begin with.
    private mutating func other() -> FramerOutput<Frame> {
        .frame(.other(take(nextHeader(before: buffer.count))))
    }

    /// The first place behind the front where a header stands or may begin; `end` where none does.
    private func nextHeader(before end: Int) -> Int {
        let bytes = buffer.bytes
        let end = min(end, bytes.byteCount)
        var index = 1
        while index < end {
            if bytes[byte: index] == GeneralCiphering.tag, isHeaderOrBeginning(at: index) { return index }
            index += 1
        }
        return end
    }

    private func isHeaderOrBeginning(at index: Int) -> Bool {
        switch header(at: index) {
        case .whole: true
        case .incomplete: !isFinishing
        case .none: false
        }
    }

    // MARK: A message

    private mutating func message(of length: Int) -> FramerOutput<Frame>? {
        let available = min(length, buffer.count)
        while searched < available {
            if buffer[searched] == GeneralCiphering.tag {
                switch header(at: searched) {
                case .whole: return cut(at: searched, "another message begins inside of a ciphered message")
                // The last bytes at hand may become a header: the message is decided when they do.
                case .incomplete where available < length && !isFinishing: return nil
                case .incomplete, .none: break
                }
            }
            searched += 1
        }
        guard buffer.count >= length else {
            return isFinishing
                ? cut(at: buffer.count, "a ciphered message of \(length) bytes, \(buffer.count) are there") : nil
        }
        given = length
        var reader = WireReader(buffer.bytes.extracting(0..<length))
        do throws(WireError) {
            return .frame(.ciphered(CipheredFrame(try GeneralCiphering(&reader))))
        } catch {
            return .rejected(error.shifted(by: buffer.streamOffset), discarded: length)
        }
    }

    private mutating func cut(at count: Int, _ text: String) -> FramerOutput<Frame> {
        let error = WireError(.truncated, text, offset: buffer.streamOffset)
        _ = take(count)
        return .rejected(error, discarded: count)
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        let bytes = buffer.bytes.extracting(0..<min(count, buffer.count)).array
        buffer.consume(count)
        searched = 1
        return bytes
    }

    // MARK: The header

    private enum Header {
        /// `length` of the whole message.
        case whole(length: Int)
        case incomplete
        case none
    }

    /// Tag and title, the length, and behind it a security control that can be read.
    private func header(at start: Int) -> Header {
        for index in 0..<Self.fixedLength {
            guard let byte = buffer[start + index] else { return .incomplete }
            guard Self.isRight(byte, at: index) else { return .none }
        }
        let lengthOffset = start + 10
        guard let first = buffer[lengthOffset] else { return .incomplete }
        let octets = first < 0x80 ? 0 : Int(first & 0x7F)
        guard octets <= 2, first != 0x80 else { return .none }
        var content = first < 0x80 ? Int(first) : 0
        for index in 0..<octets {
            guard let byte = buffer[lengthOffset + 1 + index] else { return .incomplete }
            content = content << 8 | Int(byte)
        }
        let behindLength = lengthOffset + 1 + octets
        guard let control = buffer[behindLength] else { return .incomplete }
        guard (Self.minimumContent...Limits.apdu).contains(content), control & 0x30 != 0, control & 0xCE == 0 else {
            return .none
        }
        return .whole(length: behindLength - start + content)
    }

    /// Security control and invocation counter.
    private static let minimumContent = 5

    private static let fixedLength = 5

    /// `DB 08` and the three letters of the maker; the number behind them may be anything.
    private static func isRight(_ byte: UInt8, at index: Int) -> Bool {
        switch index {
        case 0: byte == GeneralCiphering.tag
        case 1: byte == GeneralCiphering.titleLength
        default: (0x41...0x5A).contains(byte)
        }
    }
}
