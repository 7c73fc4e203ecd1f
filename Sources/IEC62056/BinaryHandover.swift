import OBIS
import Wire

/// Leads a meter from its sign-on into mode E, where the line belongs to HDLC (IEC 62056-21, 6.4.5 and annex E):
///
///     reader                               meter
///     /?address! CR LF        300 7E1  →
///                             300 7E1  ←   /MMMZ\2… CR LF
///     06 2 Z 2 CR LF          300 7E1  →
///                             at Z     ←   06 2 Z 2 CR LF          not all meters confirm
///     what HDLC sends         at Z 8N1 →
///
/// It makes no telegrams and reads nothing.
public struct BinaryHandover: Sendable {
    public struct Settings: Sendable, Hashable {
        /// Its `mode` must be `automatic`.
        public var signOn: ReadoutSession.Settings
        /// Whether a meter is acknowledged that does not announce mode E by `\2`.
        public var asksAnyway: Bool

        public init(signOn: ReadoutSession.Settings, asksAnyway: Bool = false) {
            self.signOn = signOn
            self.asksAnyway = asksAnyway
        }
    }

    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        /// The line is `baud 8N1` now, or as it was where the link has none; the meter waits for HDLC.
        case ready(MeterIdentity, LineSettings?)
        case failed(WireError)
    }

    private var caller: BinaryCaller

    public init(settings: Settings) {
        caller = BinaryCaller(settings)
    }

    /// - Parameter event: `poll` begins.
    /// - Returns: what is to be done, without `finished`, and how it ended once it did.
    public mutating func handle(_ event: SessionEvent) -> (actions: [SessionAction<Telegram>], outcome: Outcome?) {
        var outcome: Outcome?
        let actions = caller.handle(event).filter { action in
            guard case .finished(let error) = action else { return true }
            outcome = .failed(error ?? WireError(.truncated, "the conversation ended"))
            return false
        }
        return (actions, outcome ?? caller.takeReady())
    }

    /// HDLC is done: back to the line of the sign-on, for the next `poll`.
    public mutating func release() -> [SessionAction<Telegram>] {
        caller.release()
    }
}

private struct BinaryCaller: SignOnSession {
    var signOn: SignOnState
    private let asksAnyway: Bool
    /// Characters since the acknowledgement.
    private var confirmation = 0
    private var ready: BinaryHandover.Outcome?

    var option: SignOn.Option { .binary }

    init(_ settings: BinaryHandover.Settings) {
        signOn = SignOnState(settings.signOn)
        asksAnyway = settings.asksAnyway
    }

    mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        signOn.actions = []
        take(event)
        return signOn.actions
    }

    mutating func takeReady() -> BinaryHandover.Outcome? {
        defer { ready = nil }
        return ready
    }

    mutating func release() -> [SessionAction<Telegram>] {
        signOn.actions = []
        restoreLine()
        return signOn.actions
    }

    // MARK: Sign-on

    mutating func beginAttempt() { confirmation = 0 }

    mutating func identified(_ meter: Identification, mode: SignOnMode) {
        guard case .c = mode, asksAnyway || meter.escapes.contains(UInt8(ascii: "2")) else {
            signOn.attempts = signOn.settings.retries + 1
            return fail(
                WireError(
                    .unsupported,
                    "the meter does not offer HDLC through its sign-on (mode E, \\2 in its identification)"))
        }
        pauseBeforeAcknowledgement()
    }

    // MARK: Handover

    /// So long a meter may take before it confirms. Many do not.
    private static let confirmationTime = Duration.milliseconds(500)
    /// No confirmation is longer, with noise of the line that changes.
    private static let longestConfirmation = 64

    mutating func acknowledged(at baud: Int) {
        if signOn.line != nil { setLine(LineSettings(baud: baud)) }
        signOn.actions.append(.arm(Self.confirmationTime))
    }

    /// What comes before HDLC begins is the confirmation, in part as garbage since it is sent with another parity.
    mutating func receiveAnswer(_ bytes: [UInt8]) {
        if confirmation == 0, let first = bytes.first, Parity.stripped(first) == Control.nak {
            return fail(WireError(.meterError, "the meter refused HDLC through its sign-on (NAK)"))
        }
        confirmation += bytes.count
        guard confirmation <= Self.longestConfirmation else {
            return fail(WireError(.framing, "the meter goes on talking where HDLC was to begin"))
        }
        if signOn.phase == .reading { signOn.actions.append(.arm(pause)) }
    }

    mutating func answerDrained() {}

    mutating func answerIsDue() {
        signOn.phase = .idle
        signOn.actions.append(.disarm)
        ready = .ready(signOn.identification?.meter ?? MeterIdentity(), signOn.line)
    }

    /// A break is a message of programming mode; a meter that waits for HDLC gives up by itself.
    func owesBreak(after error: WireError) -> Bool { false }
}
