import OBIS
import Wire

/// A conversation that begins with a sign-on (IEC 62056-21, 6.3): wake-up, request, identification, acknowledgement, and
/// the repetitions of all that. What follows the acknowledgement is the conforming session's.
protocol SignOnSession: Session where Message == Telegram {
    var signOn: SignOnState { get set }
    /// What the meter is asked to do by the acknowledgement.
    var option: SignOn.Option { get }

    /// An attempt begins: what the last one brought is forgotten.
    mutating func beginAttempt()
    /// The meter identified itself.
    mutating func identified(_ meter: Identification, mode: SignOnMode)
    /// The acknowledgement is out, and this rate holds.
    mutating func acknowledged(at baud: Int)
    /// What came behind the acknowledgement, without its echo.
    mutating func receiveAnswer(_ bytes: [UInt8])
    /// What was sent behind the acknowledgement is out.
    mutating func answerDrained()
    /// The timer is due behind the acknowledgement.
    mutating func answerIsDue()
    /// Whether the meter may still wait for something, so that it has to be told to stop.
    func owesBreak(after error: WireError) -> Bool
}

/// What such a conversation keeps.
struct SignOnState: Sendable {
    enum Phase: Equatable {
        case idle
        /// The wake-up is on its way out.
        case waking
        /// The meter gets time to wake up; the request follows.
        case rising
        /// The request is on its way out.
        case requesting
        case identifying
        /// The last character of the identification is awaited; then this rate holds (mode B).
        case following(baud: Int)
        /// The meter gets time to turn to receiving; the acknowledgement follows.
        case pausing
        /// The acknowledgement is on its way out; then this rate holds.
        case acknowledging(baud: Int)
        /// What was asked for by the acknowledgement.
        case reading
        /// The break is on its way out.
        case breaking
        /// A meter that still talks is left to end, before the next attempt.
        case settling
    }

    let settings: ReadoutSession.Settings
    var phase = Phase.idle
    var line: LineSettings?
    var echo = EchoFilter()
    /// Whether anything but echo came since the last message was sent.
    var hasHeard = false
    var actions: [SessionAction<Telegram>] = []

    // Of this poll.
    var attempts = 0
    var failure: WireError?
    /// Characters of a meter that goes on talking after a failed attempt.
    var settledCount = 0

    // Of this attempt.
    var inbox = CharacterBuffer()
    var identification: Identification?
    var mode: SignOnMode?
    /// The rate of a meter that was acknowledged.
    var agreedBaud: Int?

    /// Outlives polls and links.
    var rates = RateMemory()

    init(_ settings: ReadoutSession.Settings) {
        self.settings = settings
        line = settings.line
    }
}

// MARK: - Times

enum SignOnTimes {
    /// A meter answers within 1.5 s (IEC 62056-21, 6.3.14); the rest is for heads and gateways.
    static let firstByte = Duration.milliseconds(2000)
    /// The longest pause inside a message.
    static let betweenBytes = Duration.milliseconds(1500)
    /// Before the reader's own message: 200 ms, or 20 ms to a meter that says so, and some margin.
    static let pause = Duration.milliseconds(250)
    static let shortPause = Duration.milliseconds(40)
    /// From the CR of an identification to its LF, at 300 baud and through an adapter.
    static let lineFeed = Duration.milliseconds(70)
    /// A meter that is silent for so long has given up its last conversation.
    static let quiet = Duration.milliseconds(2000)
    /// What a port may need beyond the time on the line.
    static let sendingMargin = Duration.seconds(2)
}

// MARK: - Events

extension SignOnSession {
    mutating func take(_ event: SessionEvent) {
        switch event {
        case .opened: reset()
        case .poll: if signOn.phase == .idle { start() }
        case .received(let bytes): receive(bytes)
        case .boundary, .readProfile, .recalled, .kept: break
        case .drained: drained()
        case .timer: timeIsUp()
        case .closed: closed()
        }
    }

    mutating func reset() {
        signOn.phase = .idle
        signOn.line = signOn.settings.line
    }

    mutating func start() {
        signOn.attempts = 0
        signOn.failure = nil
        attempt()
    }

    private mutating func attempt() {
        signOn.attempts += 1
        signOn.inbox = CharacterBuffer()
        signOn.identification = nil
        signOn.mode = nil
        signOn.agreedBaud = nil
        beginAttempt()
        wakeUp()
    }

    private mutating func receive(_ bytes: [UInt8]) {
        switch signOn.phase {
        case .requesting, .identifying:
            receiveIdentification(signOn.echo.remove(from: bytes))
        case .following(let baud):
            follow(bytes, to: baud)
        case .acknowledging, .reading:
            receiveAnswer(signOn.echo.remove(from: bytes))
        case .settling:
            settle(bytes)
        case .breaking:
            tellNoise(signOn.echo.remove(from: bytes))
        case .idle, .waking, .rising, .pausing:
            tellNoise(bytes)
        }
    }

    mutating func tellNoise(_ bytes: some Sequence<UInt8>) {
        let noise = bytes.count { !Parity.stripped($0).isFiller }
        if noise > 0 { signOn.actions.append(.noise(noise)) }
    }

    private mutating func drained() {
        switch signOn.phase {
        case .waking:
            rise()
        case .requesting:
            signOn.phase = .identifying
            listen()
        case .acknowledging(let baud):
            signOn.phase = .reading
            acknowledged(at: baud)
        case .reading:
            answerDrained()
        case .breaking:
            conclude()
        case .idle, .rising, .identifying, .following, .pausing, .settling:
            break
        }
    }

    private mutating func timeIsUp() {
        switch signOn.phase {
        case .waking, .requesting, .acknowledging:
            fail(portIsStuck)
        case .rising:
            request()
        case .identifying:
            fail(silence)
        case .following(let baud):
            follow([], to: baud)
        case .pausing:
            acknowledge()
        case .reading:
            answerIsDue()
        case .breaking:
            conclude()
        case .settling:
            attempt()
        case .idle:
            break
        }
    }

    private mutating func closed() {
        guard signOn.phase != .idle else { return }
        signOn.actions.append(.disarm)
        signOn.actions.append(
            .finished(WireError(.truncated, "the link was closed in the middle of the conversation")))
        reset()
    }

    var portIsStuck: WireError {
        WireError(.timeout, "the port did not send what it was given; check the adapter")
    }
}

// MARK: - Failure and end

extension SignOnSession {
    /// Gives up this attempt.
    mutating func fail(_ error: WireError) {
        signOn.failure = error
        if signOn.phase == .reading, let baud = signOn.agreedBaud { signOn.rates.failed(at: baud, with: error.code) }
        guard owesBreak(after: error) else { return conclude() }
        sendBreak()
    }

    mutating func sendBreak() {
        send(SignOn.breakMessage)
        signOn.phase = .breaking
    }

    /// The attempt is over: another one after a quiet while, or the end.
    private mutating func conclude() {
        guard signOn.attempts <= signOn.settings.retries, let failure = signOn.failure else {
            return end(with: signOn.failure)
        }
        signOn.actions.append(.reject(failure))
        restoreLine()
        signOn.phase = .settling
        signOn.settledCount = 0
        signOn.actions.append(.arm(SignOnTimes.quiet))
    }

    /// A meter that never falls silent is not waited for longer than for a readout.
    private mutating func settle(_ bytes: [UInt8]) {
        let count = signOn.echo.remove(from: bytes).count
        if count > 0 { signOn.actions.append(.noise(count)) }
        signOn.settledCount += bytes.count
        if signOn.settledCount > Limits.readout {
            attempt()
        } else {
            signOn.actions.append(.arm(SignOnTimes.quiet))
        }
    }

    mutating func end(with error: WireError?) {
        signOn.phase = .idle
        signOn.actions.append(.disarm)
        restoreLine()
        signOn.actions.append(.finished(error))
    }
}

// MARK: - Port

extension SignOnSession {
    /// Sends, and expects the port to be done in time.
    mutating func send(_ message: [UInt8]) {
        signOn.hasHeard = false
        signOn.echo = EchoFilter(sent: message)
        signOn.actions.append(.send(signOn.settings.addsParity ? message.map(Parity.added) : message))
        let line = signOn.line ?? .signOn
        signOn.actions.append(.arm(line.duration(ofCharacters: message.count) + SignOnTimes.sendingMargin))
    }

    /// What was sent is out: the meter's time begins, unless it answers already.
    mutating func listen() {
        signOn.actions.append(.arm(signOn.hasHeard ? SignOnTimes.betweenBytes : SignOnTimes.firstByte))
    }

    /// Sets the line whether it is thought to be so or not: another program may have changed the port.
    mutating func setLine(_ line: LineSettings) {
        signOn.line = line
        signOn.actions.append(.setLine(line))
    }

    mutating func change(to baud: Int) {
        guard var changed = signOn.line, changed.baud != baud else { return }
        changed.baud = baud
        setLine(changed)
    }

    /// Back to the line of the sign-on.
    mutating func restoreLine() {
        guard let initial = signOn.settings.line, signOn.line != initial else { return }
        setLine(initial)
    }
}
