import OBIS
import Wire

/// Reads out one meter at each poll (IEC 62056-21, 6.4), in the mode that the meter tells by its identification:
///
///     reader                               meter
///     /?address! CR LF        300  →
///                             300  ←       /MMMZ… CR LF
///     06 0 Z 0 CR LF          300  →                                             mode C only
///                             at Z ←       STX data sets ! CR LF ETX BCC         mode A: at 300, STX, ETX and BCC
///                                                                                optional in modes A and B
///
/// A battery meter is woken up before each request. A meter of mode C that does not keep the rate that it offers is
/// asked for a lower one, see `RateMemory`. Only the readout is asked for. Nothing is ever written to a meter.
public struct ReadoutSession: Session {
    enum State: Equatable {
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
        case reading
        /// The break is on its way out.
        case breaking
        /// A meter that still talks is left to end, before the next attempt.
        case settling
    }

    let settings: Settings
    var state = State.idle
    private var line: LineSettings?
    private(set) var echo = EchoFilter()
    /// Whether anything but echo came since the last message was sent.
    var hasHeard = false
    var actions: [SessionAction<Telegram>] = []

    // Of this poll.
    private var attempts = 0
    private var failure: WireError?
    /// Characters of a meter that goes on talking after a failed attempt.
    private var settledCount = 0

    // Of this attempt.
    var inbox = CharacterBuffer()
    var identification: Identification?
    var mode: SignOnMode?
    /// The rate of a meter that was acknowledged.
    var agreedBaud: Int?
    var decoder = ReadoutDecoder(source: .line)

    /// Outlives polls and links.
    var rates = RateMemory()

    public init(settings: Settings) {
        self.settings = settings
        line = settings.line
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        actions = []
        switch event {
        case .opened: reset()
        case .poll: if state == .idle { start() }
        case .received(let bytes): receive(bytes)
        case .boundary, .readProfile, .recalled, .kept: break
        case .drained: drained()
        case .timer: timeIsUp()
        case .closed: closed()
        }
        return actions
    }
}

// MARK: - Times

extension ReadoutSession {
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

extension ReadoutSession {
    private mutating func reset() {
        state = .idle
        line = settings.line
    }

    private mutating func start() {
        attempts = 0
        failure = nil
        attempt()
    }

    private mutating func attempt() {
        attempts += 1
        inbox = CharacterBuffer()
        identification = nil
        mode = nil
        agreedBaud = nil
        wakeUp()
    }

    private mutating func receive(_ bytes: [UInt8]) {
        switch state {
        case .requesting, .identifying:
            receiveIdentification(echo.remove(from: bytes))
        case .following(let baud):
            follow(bytes, to: baud)
        case .acknowledging, .reading:
            receiveReadout(echo.remove(from: bytes))
        case .settling:
            settle(bytes)
        case .breaking:
            tellNoise(echo.remove(from: bytes))
        case .idle, .waking, .rising, .pausing:
            tellNoise(bytes)
        }
    }

    private mutating func tellNoise(_ bytes: [UInt8]) {
        let noise = bytes.count { !Parity.stripped($0).isFiller }
        if noise > 0 { actions.append(.noise(noise)) }
    }

    private mutating func drained() {
        switch state {
        case .waking:
            rise()
        case .requesting:
            state = .identifying
            actions.append(.arm(hasHeard ? Self.betweenBytes : Self.firstByte))
        case .acknowledging(let baud):
            change(to: baud)
            state = .reading
            actions.append(.arm(hasHeard ? Self.betweenBytes : Self.firstByte))
        case .breaking:
            conclude()
        case .idle, .rising, .identifying, .following, .pausing, .reading, .settling:
            break
        }
    }

    private mutating func timeIsUp() {
        switch state {
        case .waking, .requesting, .acknowledging:
            fail(WireError(.timeout, "the port did not send what it was given; check the adapter"))
        case .rising:
            request()
        case .identifying:
            fail(silence)
        case .following(let baud):
            follow([], to: baud)
        case .pausing:
            acknowledge()
        case .reading:
            endReadout()
        case .breaking:
            conclude()
        case .settling:
            attempt()
        case .idle:
            break
        }
    }

    private mutating func closed() {
        guard state != .idle else { return }
        actions.append(.disarm)
        actions.append(.finished(WireError(.truncated, "the link was closed in the middle of the conversation")))
        reset()
    }
}

// MARK: - Failure and end

extension ReadoutSession {
    /// Gives up this attempt. A meter that may still wait for something is told to stop.
    mutating func fail(_ error: WireError) {
        failure = error
        guard state == .reading, let agreedBaud else { return conclude() }
        rates.failed(at: agreedBaud, with: error.code)
        guard error.code != .checksum, error.code != .meterError else { return conclude() }
        send(SignOn.breakMessage)
        state = .breaking
    }

    /// The attempt is over: another one after a quiet while, or the end.
    private mutating func conclude() {
        guard attempts <= settings.retries, let failure else { return end(with: failure) }
        actions.append(.reject(failure))
        restoreLine()
        state = .settling
        settledCount = 0
        actions.append(.arm(Self.quiet))
    }

    /// A meter that never falls silent is not waited for longer than for a readout.
    private mutating func settle(_ bytes: [UInt8]) {
        let count = echo.remove(from: bytes).count
        if count > 0 { actions.append(.noise(count)) }
        settledCount += bytes.count
        if settledCount > Limits.readout {
            attempt()
        } else {
            actions.append(.arm(Self.quiet))
        }
    }

    mutating func end(with error: WireError?) {
        state = .idle
        actions.append(.disarm)
        restoreLine()
        actions.append(.finished(error))
    }
}

// MARK: - Port

extension ReadoutSession {
    /// Sends, and expects the port to be done in time.
    mutating func send(_ message: [UInt8]) {
        hasHeard = false
        echo = EchoFilter(sent: message)
        actions.append(.send(settings.addsParity ? message.map(Parity.added) : message))
        let line = line ?? .signOn
        actions.append(.arm(line.duration(ofCharacters: message.count) + Self.sendingMargin))
    }

    /// Sets the line whether it is thought to be so or not: another program may have changed the port.
    mutating func setLine(_ line: LineSettings) {
        self.line = line
        actions.append(.setLine(line))
    }

    mutating func change(to baud: Int) {
        guard var changed = line, changed.baud != baud else { return }
        changed.baud = baud
        setLine(changed)
    }

    /// Back to the line of the sign-on.
    mutating func restoreLine() {
        guard let initial = settings.line, line != initial else { return }
        setLine(initial)
    }
}
