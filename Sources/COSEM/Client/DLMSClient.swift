public import OBIS
public import Wire

/// Asks one meter at each poll (IEC 62056-5-3, 62056-46, 62056-47).
///
///     client                                meter
///     SNRM                              →                                     HDLC only
///                                       ←   UA
///     AARQ  password or challenge       →
///                                       ←   AARE  agreed sizes and services, challenge
///     ACTION  answer to the challenge   →                                     HLS only
///                                       ←   the meter's own proof
///     GET …                             →                                     as often as needed
///                                       ←   values
///     RLRQ                              →
///                                       ←   RLRE
///     DISC                              →                                     HDLC only
///
/// Before the first ciphered association, the newest invocation counter is read by the public client. Nothing is sent but
/// GET, and the ACTION that answers a challenge: nothing is ever written to a meter.
public struct DLMSClient: Session {
    private enum Phase {
        case idle, connecting, associating, proving, reading, releasing, disconnecting
    }

    /// What a connection is made for.
    private enum Purpose {
        case counter
        case registers(RegisterReader)
        case profile(ProfileReader)
    }

    private let settings: ClientSettings
    private var actions: [SessionAction<Telegram>] = []

    // Of the meter: outlives polls and links.
    private var registers: RegisterReader
    private var counter: InvocationCounter?
    /// The newest counter of the meter's own: a recorded conversation is not taken for a new one.
    private var newest: SeenCounter?
    /// Whether the meter refused a counter and told no newer one: it is asked.
    private var needsCounter = true
    /// How many attributes it takes at once, where it takes less than agreed.
    private var mostAttributes: Int?

    // Of this poll.
    private var span: ProfileSpan?
    private var attempts = 0
    private var hasCorrectedCounter = false

    // Of this connection.
    /// Counts what makes the link's older steps worthless.
    private var turn = 0
    private var phase = Phase.idle
    private var purpose = Purpose.counter
    private var link: any ClientLink
    private var association: Association
    private var exchange: GetExchange?
    private var proof: ProofExchange?
    private var blocks = AnswerBlocks()
    private var invoke: UInt8 = 0
    private var failure: WireError?
    /// With another counter, without counting as an attempt.
    private var beginsAnew = false
    /// What waits for a reservation of invocation counters, and what becomes of it.
    private var waiting: (apdu: [UInt8], end: UInt32)?

    public init(settings: ClientSettings) {
        self.settings = settings
        registers = RegisterReader(settings.registers)
        association = Association(settings, isPublic: true)
        link = Self.makeLink(settings, client: ClientSettings.publicClient)
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        actions = []
        switch event {
        case .opened: phase = .idle
        case .recalled(let bytes): recall(bytes)
        case .poll: start(nil)
        case .readProfile(let span): start(span)
        case .received(let bytes) where phase != .idle: perform(link.receive(bytes))
        case .received(let bytes): actions.append(.noise(bytes.count))
        case .timer where phase != .idle: perform(link.timeIsUp())
        case .kept(let isSafe): kept(isSafe)
        case .closed: closed()
        case .boundary, .drained, .timer: break
        }
        return actions
    }
}

// MARK: - Beginning

extension DLMSClient {
    private mutating func recall(_ bytes: [UInt8]) {
        guard let kept = InvocationCounter(kept: bytes) else { return }
        // What was kept is known; what a refusal has shown since then is known better.
        if counter == nil { needsCounter = false }
        if kept.next > counter?.next ?? 0 { counter = kept }
    }

    private mutating func start(_ span: ProfileSpan?) {
        guard phase == .idle else { return }
        self.span = span
        attempts = 0
        hasCorrectedCounter = false
        if let line = settings.line { actions.append(.setLine(line)) }
        attempt()
    }

    private mutating func attempt() {
        if usesKeys, needsCounter, settings.counterObject != nil {
            connect(.counter)
        } else if let span, let profile = settings.loadProfile {
            connect(.profile(ProfileReader(profile, span)))
        } else if span != nil {
            finish(WireError(.unsupported, "no load profile is configured"))
        } else {
            registers.begin()
            connect(.registers(registers))
        }
    }

    /// Whether something is numbered.
    private var usesKeys: Bool { settings.ciphering != .none || settings.mechanism == .hlsGMAC }

    private mutating func connect(_ purpose: Purpose) {
        self.purpose = purpose
        let isPublic = if case .counter = purpose { true } else { false }
        newest = association.newest ?? newest
        association = Association(settings, isPublic: isPublic, newest: newest)
        link = Self.makeLink(settings, client: isPublic ? ClientSettings.publicClient : settings.client)
        (exchange, proof, waiting, failure) = (nil, nil, nil, nil)
        beginsAnew = false
        blocks = AnswerBlocks()
        turn += 1
        phase = .connecting
        perform(link.connect())
    }

    private static func makeLink(_ settings: ClientSettings, client: UInt16) -> any ClientLink {
        switch settings.framing {
        case .wrapper:
            WrapperConnection(client: client, server: settings.server.logical, patience: settings.patience)
        case .hdlc:
            HDLCConnection(
                HDLCConnection.Settings(
                    client: client, server: settings.server, maximumInformation: settings.maximumInformation,
                    window: settings.window, patience: settings.patience, line: settings.line,
                    retries: settings.linkRetries))
        }
    }
}

// MARK: - Link

extension DLMSClient {
    private mutating func perform(_ steps: [LinkStep]) {
        let current = turn
        // What a step leads to may end the conversation: the rest was said before that.
        for step in steps where turn == current {
            switch step {
            case .send(let bytes): actions.append(.send(bytes))
            case .arm(let duration): actions.append(.arm(duration))
            case .disarm: actions.append(.disarm)
            case .reject(let error): actions.append(.reject(error))
            case .noise(let count): actions.append(.noise(count))
            case .connected: associate()
            case .delivered(let apdu): delivered(apdu)
            case .disconnected: disconnected()
            case .failed(let error): linkFailed(error)
            }
        }
    }

    private mutating func linkFailed(_ error: WireError) {
        suspectCounter()
        // The end of an association is a courtesy: what was read was read.
        guard phase != .releasing, phase != .disconnecting else { return disconnected() }
        failure = error
        disconnected()
    }

    private mutating func closed() {
        guard phase != .idle else { return }
        suspectCounter()
        phase = .idle
        turn += 1
        actions += [
            .disarm,
            .finished(WireError(.truncated, "the link was closed in the middle of the conversation")),
        ]
    }

    /// Sends a message of the application, ciphered where the association is.
    private mutating func send(_ apdu: [UInt8]) {
        do throws(WireError) {
            guard try reserve(for: apdu) else { return }
            perform(link.send(try association.protect(apdu, &counter)))
        } catch {
            fail(error)
        }
    }

    /// - Returns: false while the numbers for the message are being reserved.
    private mutating func reserve(for apdu: [UInt8]?) throws(WireError) -> Bool {
        guard association.needsCounter(for: apdu) else { return true }
        return try reserveNumber(for: apdu ?? [])
    }

    private mutating func reserveNumber(for apdu: [UInt8]) throws(WireError) -> Bool {
        let current = counter ?? InvocationCounter(next: 1)
        counter = current
        guard let (bytes, end) = try current.reservation() else { return true }
        waiting = (apdu, end)
        actions += [.disarm, .keep(bytes)]
        return false
    }

    private mutating func kept(_ isSafe: Bool) {
        guard let (apdu, end) = waiting else { return }
        waiting = nil
        guard isSafe else {
            return fail(
                WireError(
                    .limit, "the invocation counter cannot be kept, and without that no ciphered message may be sent"))
        }
        counter?.reserve(upTo: end)
        resume(apdu)
    }

    private mutating func resume(_ apdu: [UInt8]) {
        switch phase {
        case .associating: requestAssociation()
        case .proving: prove()
        case .releasing: requestRelease()
        case .reading: send(apdu)
        case .idle, .connecting, .disconnecting: break
        }
    }
}

// MARK: - Association

extension DLMSClient {
    private mutating func associate() {
        phase = .associating
        requestAssociation()
    }

    private mutating func requestAssociation() {
        do throws(WireError) {
            guard try reserve(for: association.initiate) else { return }
            perform(link.send(try association.request(&counter)))
        } catch {
            fail(error)
        }
    }

    private mutating func takeAssociation(_ apdu: [UInt8]) throws(WireError) {
        if let exception = ExceptionResponse(apdu), exception.isCounterError { return try refused(exception) }
        try association.take(apdu)
        guard association.requiresProof else { return read() }
        phase = .proving
        prove()
    }

    private mutating func prove() {
        do throws(WireError) {
            // A GMAC is numbered as well.
            if settings.mechanism == .hlsGMAC, try !reserveNumber(for: []) { return }
            let exchange = ProofExchange(try association.proof(&counter), invoke: nextInvoke())
            proof = exchange
            send(exchange.request)
        } catch {
            fail(error)
        }
    }

    private mutating func nextInvoke() -> UInt8 {
        invoke = invoke % 15 + 1
        return 0xC0 | invoke
    }
}

// MARK: - Answers

extension DLMSClient {
    private mutating func delivered(_ bytes: [UInt8]) {
        do throws(WireError) {
            switch try blocks.take(bytes) {
            case .message(let apdu): try take(apdu)
            case .acknowledge(let block): perform(link.send(block))
            case .pending: perform(link.awaitMore())
            }
        } catch {
            fail(error)
        }
    }

    private mutating func take(_ bytes: [UInt8]) throws(WireError) {
        switch phase {
        case .associating where Association.isLate(bytes): perform(link.awaitMore())
        case .associating: try takeAssociation(bytes)
        case .releasing: disconnect()
        case .proving, .reading: try takeAnswer(bytes)
        case .idle, .connecting, .disconnecting: break
        }
    }

    private mutating func takeAnswer(_ bytes: [UInt8]) throws(WireError) {
        if let exception = ExceptionResponse(bytes) { return try refused(exception) }
        if let error = ConfirmedServiceError(bytes) {
            return try refused(WireError(.meterError, "the meter refuses the request: \(error.name)"))
        }
        // A meter that pushes as well does not wait with it.
        if association.isPush(bytes) { return perform(link.awaitMore()) }
        let apdu = try association.open(bytes)
        if association.isPush(apdu) { return perform(link.awaitMore()) }
        if phase == .proving { return try takeProof(apdu) }
        if let exception = ExceptionResponse(apdu) { return try refused(exception) }
        guard var current = exchange else { return }
        switch try current.take(apdu) {
        case .request(let next):
            exchange = current
            send(next)
        case .done(let results):
            exchange = nil
            try take(results, for: current.attributes)
        case .foreign: perform(link.awaitMore())
        }
    }

    private mutating func takeProof(_ apdu: [UInt8]) throws(WireError) {
        guard let proof else { return }
        try association.check(try proof.take(apdu))
        read()
    }

    private mutating func refused(_ exception: ExceptionResponse) throws(WireError) {
        guard exception.isCounterError else { return try refused(exception.error) }
        // Once: a counter that is refused again is not to blame.
        guard !hasCorrectedCounter else { throw exception.error }
        hasCorrectedCounter = true
        if let newest = exception.counter { try exceed(newest) } else { needsCounter = true }
        beginsAnew = true
        disconnect()
    }

    /// Many attributes at once may be more than the meter takes; one that is refused alone is left out.
    private mutating func refused(_ error: WireError) throws(WireError) {
        guard phase == .reading, error.code != .decryption, let current = exchange else { throw error }
        exchange = nil
        if current.attributes.count > 1 {
            mostAttributes = current.attributes.count / 2
            return read()
        }
        try take([.refused(DataAccessResult(rawValue: 250))], for: current.attributes)
    }
}

// MARK: - Reading

extension DLMSClient {
    private mutating func read() {
        phase = .reading
        let limit = min(mostAttributes ?? .max, association.mostAttributes)
        let question: (attributes: [CosemAttribute], part: RangeDescriptor?)?
        switch purpose {
        case .counter: question = counterQuestion
        case .registers(let reader):
            let attributes = reader.next(limit: limit)
            question = attributes.isEmpty ? nil : (attributes, nil)
        case .profile(let reader): question = reader.next(limit: limit)
        }
        guard let question else { return conclude() }
        let exchange = GetExchange(question.attributes, part: question.part, invoke: nextInvoke())
        self.exchange = exchange
        send(exchange.request)
    }

    private var counterQuestion: (attributes: [CosemAttribute], part: RangeDescriptor?)? {
        settings.counterObject.map {
            ([CosemAttribute(interfaceClass: InterfaceClass.data, name: $0, attribute: 2)], nil)
        }
    }

    private mutating func take(_ results: [AttributeResult], for attributes: [CosemAttribute]) throws(WireError) {
        switch purpose {
        case .counter:
            try takeCounter(results.first)
            return release()
        case .registers(var reader):
            try reader.take(results, for: attributes)
            purpose = .registers(reader)
        case .profile(var reader):
            try reader.take(results, for: attributes)
            purpose = .profile(reader)
        }
        read()
    }

    /// A meter that does not tell it may tell it when it refuses one.
    private mutating func takeCounter(_ result: AttributeResult?) throws(WireError) {
        needsCounter = false
        guard case .data(let bytes)? = result, let number = Answer(bytes)?.reader.integer(at: 0),
            let seen = UInt32(exactly: number)
        else { return }
        try exceed(seen)
    }

    /// Nobody vouches for what the meter says here: a count that is far ahead of what is known would use up the numbers.
    private mutating func exceed(_ seen: UInt32) throws(WireError) {
        guard var known = counter else {
            counter = InvocationCounter(next: 1)
            counter?.exceed(seen)
            return
        }
        guard known.isPlausible(seen) else {
            throw WireError(
                .authentication,
                "the meter tells an invocation counter that is far from what was used (\(seen), \(known.next) is the next): refused"
            )
        }
        known.exceed(seen)
        counter = known
    }

    /// Everything is known.
    private mutating func conclude() {
        do throws(WireError) {
            switch purpose {
            case .counter: break
            case .registers(var reader):
                var telegram = try reader.telegram()
                registers = reader
                telegram.ciphering = association.protection
                actions.append(.emit(telegram))
            case .profile(let reader):
                for entry in reader.entries ?? [] { actions.append(.emit(entry)) }
            }
        } catch {
            // The meter answered, if not what was wanted: the association ends as it should.
            failure = error
        }
        release()
    }
}

// MARK: - End

extension DLMSClient {
    private mutating func release() {
        phase = .releasing
        requestRelease()
    }

    private mutating func requestRelease() {
        do throws(WireError) {
            guard try reserve(for: association.initiateOfRelease) else { return }
            perform(link.send(try association.release(&counter)))
        } catch {
            disconnect()
        }
    }

    /// Nothing more can come of this connection.
    private mutating func fail(_ error: WireError) {
        guard phase != .releasing else { return disconnect() }
        failure = error
        suspectCounter()
        disconnect()
    }

    /// A counter that is too low may look like a wrong key, or like no meter at all.
    private mutating func suspectCounter() {
        if usesKeys, phase == .associating || phase == .proving { needsCounter = true }
    }

    private mutating func disconnect() {
        phase = .disconnecting
        turn += 1
        perform(link.disconnect())
    }

    private mutating func disconnected() {
        if beginsAnew { return attempt() }
        if case .counter = purpose {
            // Where the public client is not let in, the counter is learned from a refusal.
            if let failure { actions.append(.reject(failure)) }
            needsCounter = false
            return attempt()
        }
        guard let failure else { return finish(nil) }
        guard failure.isTransient, attempts < settings.retries else { return finish(failure) }
        attempts += 1
        actions.append(.reject(failure))
        attempt()
    }

    private mutating func finish(_ error: WireError?) {
        phase = .idle
        turn += 1
        actions += [.disarm, .finished(error)]
    }
}

extension WireError {
    /// Whether the same question may be answered at once.
    fileprivate var isTransient: Bool {
        switch code {
        case .timeout, .framing, .checksum, .truncated: true
        case .malformed, .limit, .meterError, .unsupported, .decryption, .authentication, .keyMissing: false
        }
    }
}
