import OBIS
import Wire

/// Reads out one meter at each poll (IEC 62056-21, 6.4: mode C). Meters of modes A and B tell by their
/// identification that they are, and are read as well.
///
///     reader                               meter
///     /?address! CR LF        300  →
///                             300  ←       /XXXZ… CR LF
///     06 0 Z 0 CR LF          300  →
///                             at Z ←       STX data sets ! CR LF ETX BCC
///
/// Only the readout is asked for. Nothing is ever written to a meter.
public struct ModeCSession: Session {
    /// How to talk to the meter.
    public struct Settings: Sendable, Hashable {
        /// The line at the sign-on; nil where the link has none. Then the rate is never changed.
        public var line: LineSettings?
        /// The fastest rate that is agreed to.
        public var maximumBaud: Int
        /// The device address; empty for whichever meter is there. See `SignOn.isValid(address:)`.
        public var address: String
        /// How often a failed readout is tried again within one poll.
        public var retries: Int
        /// Whether what is sent gets its even parity bit here, for a port that can only do `8N1`.
        /// Received parity bits are always taken away.
        public var addsParity: Bool

        /// - Parameter maximumBaud: by default 19200 with a line, 300 without one, since a gateway at the
        ///   sign-on's rate would not follow.
        public init(
            line: LineSettings? = .signOn, maximumBaud: Int? = nil, address: String = "", retries: Int = 2,
            addsParity: Bool = false
        ) {
            self.line = line
            self.maximumBaud = maximumBaud ?? (line == nil ? 300 : 19200)
            self.address = address
            self.retries = retries
            self.addsParity = addsParity
        }
    }

    private enum State: Equatable {
        case idle
        /// The request is on its way out.
        case requesting
        case identifying
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

    private let settings: Settings
    private var state = State.idle
    private var line: LineSettings?
    private var attempts = 0
    private var failure: WireError?
    /// Characters of a meter that goes on talking after a failed attempt.
    private var settledCount = 0
    private var echo = EchoFilter()
    /// Whether anything but echo came since the last message was sent.
    private var hasHeard = false
    private var inbox = LinkBuffer()
    private var identification: Identification?
    private var decoder = ReadoutDecoder(source: .line)
    private var actions: [SessionAction<Telegram>] = []

    public init(settings: Settings) {
        self.settings = settings
        line = settings.line
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        actions = []
        switch event {
        case .opened: reset()
        case .poll: if state == .idle { start() }
        case .received(let bytes): receive(bytes.map(Parity.stripped))
        case .boundary: break
        case .drained: drained()
        case .timer: timeIsUp()
        case .closed: closed()
        }
        return actions
    }
}

extension LineSettings {
    /// `300 7E1`, where every conversation starts (IEC 62056-21, 5).
    public static let signOn = LineSettings(baud: 300, dataBits: 7, parity: .even)
}

// MARK: - Times

extension ModeCSession {
    /// A meter answers within 1.5 s (IEC 62056-21, 6.3.14); the rest is for heads and gateways.
    static let firstByte = Duration.milliseconds(2000)
    /// The longest pause inside a message.
    static let betweenBytes = Duration.milliseconds(1500)
    /// Before the reader's own message: 200 ms, or 20 ms to a meter that says so, and some margin.
    static let pause = Duration.milliseconds(250)
    static let shortPause = Duration.milliseconds(40)
    /// A meter that is silent for so long has given up its last conversation.
    static let quiet = Duration.milliseconds(2000)
    /// What a port may need beyond the time on the line.
    static let sendingMargin = Duration.seconds(2)
}

// MARK: - Events

extension ModeCSession {
    private mutating func reset() {
        state = .idle
        line = settings.line
    }

    private mutating func start() {
        attempts = 0
        failure = nil
        request()
    }

    private mutating func receive(_ bytes: [UInt8]) {
        switch state {
        case .requesting, .identifying:
            receiveIdentification(echo.remove(from: bytes))
        case .acknowledging, .reading:
            receiveReadout(echo.remove(from: bytes))
        case .settling:
            settle(bytes.count)
        case .idle, .pausing, .breaking:
            let noise = bytes.count { !$0.isFiller }
            if noise > 0 { actions.append(.noise(noise)) }
        }
    }

    private mutating func drained() {
        switch state {
        case .requesting:
            state = .identifying
            actions.append(.arm(hasHeard ? Self.betweenBytes : Self.firstByte))
        case .acknowledging(let baud):
            change(to: baud)
            state = .reading
            actions.append(.arm(hasHeard ? Self.betweenBytes : Self.firstByte))
        case .breaking:
            conclude()
        case .idle, .identifying, .pausing, .reading, .settling:
            break
        }
    }

    private mutating func timeIsUp() {
        switch state {
        case .requesting, .acknowledging:
            fail(WireError(.timeout, "the port did not send what it was given; check the adapter"))
        case .identifying:
            fail(silence)
        case .pausing:
            acknowledge()
        case .reading:
            endReadout()
        case .breaking:
            conclude()
        case .settling:
            request()
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

// MARK: - Sign-on

extension ModeCSession {
    private mutating func request() {
        attempts += 1
        inbox = LinkBuffer()
        identification = nil
        if let line = settings.line {
            self.line = line
            actions.append(.setLine(line))
        }
        send(SignOn.request(address: settings.address))
        state = .requesting
    }

    private mutating func receiveIdentification(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if !hasHeard, bytes.first == Control.nak {
            return fail(WireError(.meterError, "the meter refused the request (NAK)"))
        }
        hasHeard = true
        inbox.append(bytes)
        if let found = searchIdentification() { return identified(found) }
        guard inbox.streamOffset + inbox.count <= Limits.readoutLine else { return fail(silence) }
        if state == .identifying { actions.append(.arm(Self.betweenBytes)) }
    }

    /// What comes before the identification belongs to nothing: a head that is switched on, a longer echo.
    private mutating func searchIdentification() -> Identification? {
        while !inbox.isEmpty {
            switch Identification.match(in: inbox, at: 0) {
            case .complete(let found, let length):
                inbox.consume(length)
                return found
            case .incomplete: return nil
            case .none: inbox.consume(1)
            }
        }
        return nil
    }

    private var silence: WireError {
        if hasHeard {
            let count = inbox.streamOffset + inbox.count
            return WireError(
                .framing,
                "\(count) characters came, but no identification; check the line settings and where the head sits")
        }
        if echo.isComplete {
            return WireError(.timeout, "only the echo of the request came back; check where the head sits on the meter")
        }
        let address = settings.address.isEmpty ? "" : " to address \(settings.address)"
        return WireError(.timeout, "no meter answered the request\(address)")
    }

    private mutating func identified(_ found: Identification) {
        identification = found
        let mode = SignOnMode(rateCharacter: found.rateCharacter)
        switch mode {
        case .c:
            expectReadout(of: found, requiresBlockCheck: true)
            state = .pausing
            actions.append(.arm(found.reactsFast ? Self.shortPause : Self.pause))
        case .b(let baud):
            guard settings.line == nil || baud <= settings.maximumBaud else {
                return fail(
                    WireError(.unsupported, "the meter changes to \(baud) baud by itself, faster than is allowed here"))
            }
            expectReadout(of: found, requiresBlockCheck: false)
            change(to: baud)
            readAtOnce()
        case .a:
            expectReadout(of: found, requiresBlockCheck: false)
            readAtOnce()
        }
    }

    /// Modes A and B wait for no acknowledgement. What came behind the identification is part of the readout.
    private mutating func readAtOnce() {
        state = .reading
        hasHeard = false
        actions.append(.arm(Self.firstByte))
        let rest = (0..<inbox.count).compactMap { inbox[$0] }
        if rest.contains(where: { !$0.isFiller }) { receiveReadout(rest) }
    }

    private mutating func acknowledge() {
        guard let identification, case .c(let offered) = SignOnMode(rateCharacter: identification.rateCharacter) else {
            return
        }
        let rate = SignOnMode.rate(offered: offered, maximum: settings.maximumBaud)
        send(SignOn.acknowledgement(rateCharacter: rate.character))
        state = .acknowledging(baud: rate.baud)
    }
}

// MARK: - Readout

extension ModeCSession {
    /// The decoder gets the identification line first, so that the telegram says whose it is.
    private mutating func expectReadout(of meter: Identification, requiresBlockCheck: Bool) {
        decoder = ReadoutDecoder(source: .line, requiresBlockCheck: requiresBlockCheck)
        decoder.append(meter.line + [Control.carriageReturn, Control.lineFeed])
    }

    private mutating func receiveReadout(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if !hasHeard, bytes.first == Control.nak {
            return fail(WireError(.meterError, "the meter did not understand the acknowledgement (NAK)"))
        }
        hasHeard = true
        decoder.append(bytes)
        readFindings()
        if state == .reading { actions.append(.arm(Self.betweenBytes)) }
    }

    /// The meter fell silent: what came so far is all there is.
    private mutating func endReadout() {
        decoder.finish()
        if hasHeard { readFindings() }
        if state == .reading {
            fail(WireError(.timeout, "the meter identified itself and then sent no readout"))
        }
    }

    private mutating func readFindings() {
        while let output = decoder.next() {
            switch output {
            case .noise(let count): actions.append(.noise(count))
            case .rejected(let error, _): return fail(error)
            case .frame(let telegram): return succeed(telegram)
            }
        }
    }

    private mutating func succeed(_ telegram: Telegram) {
        guard telegram.registers.contains(where: { $0.code != nil }) else {
            return fail(WireError(.unsupported, "the meter answered with something else than a readout"))
        }
        actions.append(.emit(telegram))
        end(with: nil)
    }
}

// MARK: - Failure and end

extension ModeCSession {
    /// Gives up this attempt. A meter that may still wait for something is told to stop.
    private mutating func fail(_ error: WireError) {
        failure = error
        if mayWaitForReader, error.code != .checksum, error.code != .meterError {
            send(SignOn.breakMessage)
            state = .breaking
        } else {
            conclude()
        }
    }

    /// Whether a meter of mode C was acknowledged. Modes A and B end by themselves.
    private var mayWaitForReader: Bool {
        guard state == .reading, let identification else { return false }
        if case .c = SignOnMode(rateCharacter: identification.rateCharacter) { return true }
        return false
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
    private mutating func settle(_ count: Int) {
        actions.append(.noise(count))
        settledCount += count
        if settledCount > Limits.readout {
            request()
        } else {
            actions.append(.arm(Self.quiet))
        }
    }

    private mutating func end(with error: WireError?) {
        state = .idle
        actions.append(.disarm)
        restoreLine()
        actions.append(.finished(error))
    }

    // MARK: Port

    /// Sends, and expects the port to be done in time.
    private mutating func send(_ message: [UInt8]) {
        hasHeard = false
        echo = EchoFilter(sent: message)
        actions.append(.send(settings.addsParity ? message.map(Parity.added) : message))
        let line = line ?? .signOn
        actions.append(.arm(line.duration(ofCharacters: message.count) + Self.sendingMargin))
    }

    private mutating func change(to baud: Int) {
        guard var changed = line, changed.baud != baud else { return }
        changed.baud = baud
        line = changed
        actions.append(.setLine(changed))
    }

    private mutating func restoreLine() {
        guard let initial = settings.line, line != initial else { return }
        line = initial
        actions.append(.setLine(initial))
    }
}
