import Metering
import OBIS
import Transport
import Wire

/// All bytes of a capture that went in one direction, with what their protocol knows about them.
struct CapturedStream {
    /// Which bytes are those of which piece.
    struct Part {
        let piece: Int
        let range: Range<Int>
    }

    /// Bytes that belong together, and where each of them stands.
    struct View {
        let places: BytePlaces
        let indices: [Int]

        init(_ places: BytePlaces, count: Int) {
            let ranges = places.ranges.map { $0.clamped(to: 0..<count) }
            self.places = BytePlaces(ranges, hasParityBits: places.hasParityBits)
            indices = ranges.flatMap { Array($0) }
        }
    }

    let bytes: [UInt8]
    let parts: [Part]
    let survey: FrameSurvey
    /// Of the telegrams in it.
    let identifiers: Set<TelegramIdentifier>
    private let hasFaults: Bool
    private var marks: [Mark]

    private struct Mark: OptionSet {
        let rawValue: UInt8
        static let whole = Mark(rawValue: 1)
        static let measured = Mark(rawValue: 2)
    }

    static func streams(of capture: Capture, _ meterProtocol: MeterProtocol) -> [CapturedStream] {
        guard let survey = meterProtocol.survey else { return [] }
        return [false, true].map { CapturedStream(capture, isSent: $0, meterProtocol, survey) }
    }

    private init(
        _ capture: Capture, isSent: Bool, _ meterProtocol: MeterProtocol, _ survey: ([UInt8]) -> FrameSurvey
    ) {
        var bytes: [UInt8] = []
        var parts: [Part] = []
        for (index, piece) in capture.pieces.enumerated() where piece.isSent == isSent {
            parts.append(Part(piece: index, range: bytes.count..<(bytes.count + piece.bytes.count)))
            bytes += piece.bytes
        }
        self.bytes = bytes
        self.parts = parts
        self.survey = survey(bytes)
        let heard = isSent ? Heard() : Heard(capture, meterProtocol)
        identifiers = heard.identifiers
        hasFaults = heard.rejected > 0
        marks = [Mark](repeating: [], count: bytes.count)
        // What is decoded to the last byte is whole, whatever carries it.
        mark(isSent || heard.isFaulty ? self.survey.whole : [bytes.indices], .whole)
        mark(self.survey.readings.flatMap(\.ranges), .measured)
    }

    private mutating func mark(_ ranges: [Range<Int>], _ mark: Mark) {
        for range in ranges {
            for index in range.clamped(to: marks.indices) { marks[index].insert(mark) }
        }
    }

    func isWhole(_ index: Int) -> Bool { marks[index].contains(.whole) }

    /// Whether a number that was measured stands there.
    func isMeasured(_ index: Int) -> Bool { marks[index].contains(.measured) }

    var views: [View] {
        ([BytePlaces(bytes.indices)] + survey.contents).map { View($0, count: bytes.count) }
    }

    /// What could not be read may hold an identity that nothing but its look tells.
    var identities: [FrameSurvey.Identity] {
        survey.identities.filter { identity in
            guard identity.isSuspected, !hasFaults || survey.readsWhole else { return true }
            return identity.place.ranges.contains { range in
                range.clamped(to: bytes.indices).contains { !isWhole($0) }
            }
        }
    }
}

/// What the decoder makes of a capture without any key.
private struct Heard {
    private(set) var identifiers: Set<TelegramIdentifier> = []
    private(set) var rejected = 0
    private var noise = 0

    /// No meter pauses so long inside of a message.
    private static let silence: Int64 = 3000

    init() {}

    init(_ capture: Capture, _ meterProtocol: MeterProtocol) {
        var decoder = meterProtocol.makeDecoder(ProtocolSettings())
        var last: Timestamp?
        for piece in capture.pieces where !piece.isSent {
            if let last, Timestamp.milliseconds(from: last, to: piece.time) > Self.silence { decoder.finish() }
            last = piece.time
            take(from: &decoder, meterProtocol)
            decoder.append(piece.bytes)
            take(from: &decoder, meterProtocol)
            if piece.endsBurst { decoder.endBurst() }
        }
        decoder.finish()
        take(from: &decoder, meterProtocol)
    }

    /// Whether there are bytes that are no part of a telegram.
    var isFaulty: Bool { rejected > 0 || noise > 0 }

    private mutating func take(from decoder: inout any Framer<Telegram>, _ meterProtocol: MeterProtocol) {
        while let output = decoder.next() {
            switch output {
            case .frame(let telegram): identifiers.formUnion(meterProtocol.identifiers(in: telegram))
            case .rejected: rejected += 1
            case .noise(let count): noise += count
            }
        }
    }
}
