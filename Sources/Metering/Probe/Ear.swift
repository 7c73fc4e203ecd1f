import OBIS
import Wire

/// One protocol that listens to a line, and what it made of it.
struct Ear: Sendable {
    let meterProtocol: MeterProtocol
    private var session: any Session<Telegram>
    /// When the session's timer is due; nil while it waits for nothing.
    private(set) var deadline: Duration?
    private(set) var telegrams = TelegramKinds()
    /// Messages that are encrypted and could not be opened.
    private(set) var sealed: [WireError] = []
    private(set) var rejected: [WireError] = []
    private(set) var noise = 0

    init(_ meterProtocol: MeterProtocol, _ settings: ProtocolSettings) {
        self.meterProtocol = meterProtocol
        session = meterProtocol.makeListener(meterProtocol.recognition.listening(settings))
        _ = session.handle(.opened)
    }

    mutating func handle(_ event: SessionEvent, at now: Duration) {
        for action in session.handle(event) {
            switch action {
            case .emit(let telegram): telegrams.add(telegram)
            case .reject(let error) where error.isSealed:
                // One is enough to tell; the newest has the newest counter.
                sealed = sealed.suffix(Self.most) + [error]
            case .reject(let error): rejected = rejected.suffix(Self.most) + [error]
            case .noise(let count): noise += count
            case .arm(let duration): deadline = now + duration
            case .disarm: deadline = nil
            // A listener neither sends nor ends.
            case .send, .setLine, .keep, .finished: break
            }
        }
    }

    mutating func timePassed(at now: Duration) {
        guard let due = deadline, due <= now else { return }
        deadline = nil
        handle(.timer, at: now)
    }

    private static let most = 15

    /// Messages that were understood, or that would be with a key.
    var messages: Int { telegrams.count + sealed.count }
    /// Bytes and messages of which nothing could be made.
    var complaints: Int { noise + rejected.count }
    var hasRecognised: Bool { messages > 0 }
}

extension WireError {
    /// Whether it is a whole message to which only the right key is missing.
    var isSealed: Bool { code == .keyMissing || code == .decryption || code == .authentication }
}

/// The newest telegram of each kind that a meter sends in turn.
public struct TelegramKinds: Sendable, Hashable {
    public private(set) var newest: [Telegram] = []
    /// Of all kinds together.
    public private(set) var count = 0

    private static let most = 8

    public init() {}

    public mutating func add(_ telegram: Telegram) {
        count += 1
        if let same = newest.firstIndex(where: { Self.kind($0) == Self.kind(telegram) }) {
            newest[same] = telegram
        } else if newest.count < Self.most {
            newest.append(telegram)
        }
    }

    private static func kind(_ telegram: Telegram) -> [String] {
        [telegram.list ?? ""] + telegram.registers.map { $0.code ?? "" }
    }
}
