import COSEM
public import OBIS
public import Wire

/// How sure something is.
public enum Confidence: String, Sendable, Hashable, CaseIterable {
    case certain, likely, guess
}

/// A meter that was found on a port.
public struct ProbeFinding: Sendable {
    public let meterProtocol: MeterProtocol
    /// Nil where the link has none.
    public let line: LineSettings?
    /// How it was asked; nil for a meter that talks by itself.
    public let question: Question?
    /// The newest telegram of each kind that it sends.
    public let telegrams: [Telegram]
    /// Of those that came, also encrypted ones.
    public let messages: Int
    /// Why its messages could not be opened; nil where they could.
    public let sealed: WireError?
    /// Other protocols that make as much of its messages as long as these cannot be opened.
    public let others: [String]
    /// Several meters answered at once, so that none was understood.
    public let isSeveral: Bool
    public let confidence: Confidence

    /// Who it is, as far as it says so.
    ///
    /// - Parameter telegrams: of the finding, with or without what a profile adds.
    public func meter(of telegrams: [Telegram]) -> MeterIdentity {
        var meter = MeterIdentity()
        for other in telegrams.map(\.meter) {
            meter.id = meter.id ?? other.id
            meter.manufacturer = meter.manufacturer ?? other.manufacturer
            meter.medium = meter.medium ?? other.medium
            meter.version = meter.version ?? other.version
            meter.accessNumber = other.accessNumber ?? meter.accessNumber
            meter.status = other.status ?? meter.status
        }
        if meter.manufacturer == nil, let title = systemTitle {
            meter.manufacturer = PushIdentity.identity(of: [], systemTitle: title).manufacturer
        }
        return meter
    }

    /// Of the device that encrypts.
    public var systemTitle: [UInt8]? {
        sealed?.protection?.systemTitle ?? telegrams.compactMap(\.ciphering).last?.systemTitle
    }

    /// Keys of its stanza beside protocol, transport, profile and keys.
    public var stanza: [StanzaEntry] {
        guard let telegram = telegrams.first else { return [] }
        return question?.answered(telegram) ?? meterProtocol.recognition.heard(telegram)
    }
}

extension ProbeFinding {
    /// What was heard; nil where nothing was understood.
    init?(_ listening: Listening) {
        guard let best = listening.best else { return nil }
        meterProtocol = best.meterProtocol
        line = listening.line?.corrected(by: listening.evidence)
        question = nil
        telegrams = best.telegrams.newest
        messages = best.messages
        let isClosed = best.telegrams.count == 0
        sealed = isClosed ? best.sealed.last : nil
        others =
            isClosed
            ? listening.ears.filter {
                $0.hasRecognised && $0.meterProtocol.name != best.meterProtocol.name && $0.noise <= best.noise
            }.map(\.meterProtocol.name) : []
        isSeveral = false
        confidence = isClosed ? (others.isEmpty ? .likely : .guess) : best.telegrams.count >= 2 ? .certain : .likely
    }

    /// What was answered.
    ///
    /// - Parameter isSeveral: an answer that nobody understood, where several may give one.
    init(
        _ question: Question, of meterProtocol: MeterProtocol, on line: LineSettings?, telegrams: [Telegram],
        sealed: WireError?, isSeveral: Bool = false
    ) {
        self.meterProtocol = meterProtocol
        self.line = line
        self.question = question
        self.telegrams = telegrams
        self.sealed = telegrams.isEmpty ? sealed : nil
        self.isSeveral = isSeveral
        messages = isSeveral ? 0 : max(1, telegrams.count)
        others = []
        confidence = isSeveral ? .guess : .certain
    }
}
