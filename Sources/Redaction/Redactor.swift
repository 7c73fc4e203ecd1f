import Metering
import OBIS
import Transport
import Wire

/// Makes captures, log lines and configurations safe to be shown to others.
///
/// What identifies a meter, an installation or a person gets a stand-in of the same kind and length, the same one wherever it
/// occurs; a capture still decodes, with all its measured values. Secrets are taken away. Identifiers are learned from
/// what is redacted: the configuration first, then `learn(from:of:)` with every capture, then the rest.
public struct Redactor: Sendable {
    private let standIns: StandIns
    /// By the text, without blanks around it.
    private var identifiers: [[UInt8]: [UInt8]] = [:]
    private var patterns = PatternTable()
    private var printed = PatternTable()
    private var fragments = FragmentTable()
    private var words = Words()

    /// - Parameters:
    ///   - identifiers: what is known from elsewhere to identify: serial numbers, secondary addresses, names.
    ///   - salt: random bytes, other ones for each bundle: they make the stand-ins, and whoever knows them can find out
    ///     what these stand for.
    public init(identifiers: [String] = [], salt: [UInt8]) {
        standIns = StandIns(salt: salt)
        for identifier in identifiers { learn(identifier) }
    }

    // MARK: Learning

    /// A serial number, a secondary address of M-Bus, or any other text that must not be seen.
    public mutating func learn(_ identifier: String) {
        // Of `12345678/LGZ/02/04` only the number is the meter's own.
        let number = identifier.split(separator: "/", omittingEmptySubsequences: false).first ?? ""
        let isAddress = identifier.contains("/") && number.utf8.count == 8 && number.utf8.allSatisfy(\.isHexDigit)
        let text = isAddress ? String(number) : identifier
        learn(Array(text.utf8))
        if Identifier.significantCount(Array(text.utf8)) < Identifier.shortest { learn(word: text) }
    }

    /// A word that a person chose, such as a name, a host or a user: it is replaced where it stands by itself.
    ///
    /// - Parameter kind: what its stand-in begins with.
    public mutating func learn(word: String, kind: String = "name") {
        words.learn(word, kind: kind, standIns)
    }

    /// What a capture says of the meters in it.
    public mutating func learn(from capture: Capture, of meterProtocol: MeterProtocol) {
        for stream in CapturedStream.streams(of: capture, meterProtocol) { learn(from: stream) }
    }

    private mutating func learn(from stream: CapturedStream) {
        for identity in stream.identities {
            let bytes = identity.place.bytes(in: stream.bytes)
            if let text = identity.form.text(of: bytes) { learn(text, keeps: identity.keeps) }
        }
        // Short ones may be parts of long ones.
        let identifiers = stream.identifiers.sorted { ($0.text.utf8.count, $0.text) < ($1.text.utf8.count, $1.text) }
        for identifier in identifiers {
            learn(Array(identifier.text.utf8), isBinaryNumber: identifier.isBinaryNumber)
        }
    }

    /// - Parameter isBinaryNumber: it is sent as measured values are.
    @discardableResult
    private mutating func learn(_ text: [UInt8], keeps: Int = 0, isBinaryNumber: Bool = false) -> [UInt8] {
        let trimmed = text.trimmed
        if let known = identifiers[trimmed], !isBinaryNumber { return known }
        guard trimmed.contains(where: { $0.isDigit && $0 != UInt8(ascii: "0") || $0.isLetter || $0 >= 0x80 }) else {
            return trimmed
        }
        let standIn = identifiers[trimmed] ?? self.standIn(for: trimmed, keeps: keeps)
        identifiers[trimmed] = standIn
        let identifier = Identifier(text: trimmed, standIn: standIn)
        for pattern in identifier.patterns {
            patterns.insert(
                Identifier.Pattern(
                    bytes: pattern.bytes, replacement: pattern.replacement,
                    isNumeric: pattern.isNumeric && !isBinaryNumber))
            if pattern.hasParts { fragments.insert(pattern) }
        }
        for pattern in identifier.printedPatterns { printed.insert(pattern) }
        return standIn
    }

    /// Where a known identifier is a part of this one, its stand-in is a part of this one's.
    private func standIn(for text: [UInt8], keeps: Int) -> [UInt8] {
        var result = standIns.standIn(for: text, keeping: max(keeps, Identifier.makerPrefix(of: text)))
        for match in patterns.matches(in: text, where: { !$0.isNumeric }) {
            result.replaceSubrange(match.range, with: match.replacement)
        }
        guard let octets = Hex.bytes(text), text.allSatisfy(\.isHexDigit), octets.count >= Identifier.shortest else {
            return result
        }
        let isUpper = text.contains(where: \.isCapital)
        for match in patterns.matches(in: octets) {
            let digits = Hex.string(match.replacement)
            result.replaceSubrange(
                (2 * match.range.lowerBound)..<(2 * match.range.upperBound),
                with: Array((isUpper ? digits.uppercased() : digits).utf8))
        }
        return result
    }

    // MARK: Captures

    public struct RedactedCapture: Sendable, Hashable {
        public let capture: Capture
        /// Pieces that were left out because they could not be made safe.
        public let droppedPieces: Int
    }

    /// - Returns: the capture with the same times, directions and lengths. Pieces of a protocol without a survey are all
    ///   left out.
    public mutating func redact(_ capture: Capture, of meterProtocol: MeterProtocol) -> RedactedCapture {
        guard meterProtocol.survey != nil else {
            return RedactedCapture(capture: Capture(pieces: []), droppedPieces: capture.pieces.count)
        }
        let streams = CapturedStream.streams(of: capture, meterProtocol)
        for stream in streams { learn(from: stream) }
        var pieces: [Capture.Piece?] = capture.pieces
        for stream in streams {
            let (bytes, leaks) = redacted(stream)
            for part in stream.parts {
                pieces[part.piece]?.bytes = Array(bytes[part.range])
                if leaks.contains(where: { $0.overlaps(part.range) }) { pieces[part.piece] = nil }
            }
        }
        let kept = pieces.compactMap { $0 }
        return RedactedCapture(capture: Capture(pieces: kept), droppedPieces: pieces.count - kept.count)
    }

    /// - Returns: what is left of identifiers after all, as well.
    private func redacted(_ stream: CapturedStream) -> ([UInt8], leaks: [Range<Int>]) {
        var bytes = stream.bytes
        for identity in stream.identities {
            let original = identity.place.bytes(in: stream.bytes)
            let text = identity.form.text(of: original)
            guard identity.form == .secret || text != nil else { continue }
            let standIn = text.map { written($0) } ?? []
            let encoded = identity.form.encoded(standIn, like: original) ?? [UInt8](repeating: 0, count: original.count)
            identity.place.write(encoded, to: &bytes)
        }
        let views = stream.views
        for view in views {
            for match in matches(in: bytes, view, stream) {
                view.places[match.range].write(match.replacement, to: &bytes)
            }
            let parts = fragments.matches(in: view.places.bytes(in: bytes)) { part in
                part.allSatisfy { !stream.isWhole(view.indices[$0]) }
            }
            for part in parts { view.places[part.range].write(part.replacement, to: &bytes) }
        }
        for view in views { replaceNumberLikeTexts(in: &bytes, view, stream) }
        stream.survey.renewChecks(of: &bytes)
        let leaks = views.flatMap { view in
            matches(in: bytes, view, stream).flatMap { view.places[$0.range].ranges }
        }
        return (bytes, leaks)
    }

    /// Outside of whole frames: nothing says what they are, since the name in front of a number may be damaged.
    private func replaceNumberLikeTexts(in bytes: inout [UInt8], _ view: CapturedStream.View, _ stream: CapturedStream)
    {
        let now = view.places.bytes(in: bytes)
        let before = view.places.bytes(in: stream.bytes)
        var start = 0
        for index in 0...now.count {
            // What has a stand-in already keeps it.
            let isPart =
                index < now.count && (now[index].isDigit || now[index].isLetter) && now[index] == before[index]
                && !stream.isWhole(view.indices[index])
            guard !isPart else { continue }
            let run = Array(now[start..<index])
            if run.count >= Self.numberLike.length, run.count(where: \.isDigit) >= Self.numberLike.digits {
                view.places[start..<index].write(standIns.standIn(for: run), to: &bytes)
            }
            start = index + 1
        }
    }

    private static let numberLike = (length: 8, digits: 6)

    /// The stand-in of a text that may have blanks around it.
    private func written(_ text: [UInt8]) -> [UInt8] {
        let trimmed = text.trimmed
        guard let standIn = identifiers[trimmed], standIn.count == trimmed.count else {
            return text.map { $0.isDigit || $0.isLetter ? UInt8(ascii: "0") : $0 }
        }
        let blanks = text.prefix { $0 <= 0x20 }
        return blanks + standIn + text.suffix(text.count - blanks.count - trimmed.count)
    }

    /// A number that was measured is none, though it may have the same bytes.
    private func matches(
        in bytes: [UInt8], _ view: CapturedStream.View, _ stream: CapturedStream
    ) -> [PatternTable.Match] {
        patterns.matches(in: view.places.bytes(in: bytes)) { match in
            !match.isNumeric || !match.range.allSatisfy { stream.isMeasured(view.indices[$0]) }
        }
    }

    // MARK: Texts

    /// A log line, a report or JSON: identifiers and words that were learned, addresses of networks and machines.
    public func redact(text: String) -> String {
        let known = printed.replaced(in: Array(text.utf8))
        return Addresses(standIns).redacted(words.redacted(String(decoding: known, as: UTF8.self)))
    }

    /// The text of a YAML file, from which identifiers, names and hosts are learned.
    ///
    /// Comments are left out, values of secrets and of keys that are not known are not shown; keys stay in their lines. A
    /// text that is no YAML is left out whole.
    public mutating func redact(configuration yaml: String) -> String {
        guard let document = ConfigurationDocument(yaml) else { return ConfigurationDocument.unreadable }
        for finding in document.findings {
            switch finding {
            case .identifier(let text): learn(text)
            case .word(let word, let kind): learn(word: word, kind: kind)
            }
        }
        let redactor = self
        return document.text { redactor.redact(text: $0) }
    }
}

extension [UInt8] {
    /// Without blanks around it.
    var trimmed: [UInt8] {
        guard let first = firstIndex(where: { $0 > 0x20 }), let last = lastIndex(where: { $0 > 0x20 }) else {
            return []
        }
        return Array(self[first...last])
    }
}
