import CMosquitto
import Glibc

/// One connection from the first attempt to its end, on the connection's thread.
package final class BrokerSession {
    /// From the beginning to the broker's answer.
    static let answerLimit = Duration.seconds(15)
    /// From sending a message to its acknowledgement, and for data that the other host does not confirm.
    static let silenceLimit = Duration.seconds(30)
    static let farewellLimit = Duration.seconds(1)
    /// What a broker may send without anything whole in it: the library puts a packet together in memory, however long
    /// it is said to be (256 MiB at most).
    static let packetLimit: Int64 = 1 << 20

    private enum Stage { case connecting, handshake, open }

    private let settings: BrokerSettings
    private let mailbox: Mailbox
    private let wakeUp: WakeUp
    private let log: ConnectionLog
    private let library: LibraryConnection
    private let events: AsyncStream<MQTTClient.Event>.Continuation
    private let messages: AsyncStream<MQTTMessage>.Continuation
    private let clock = ContinuousClock()
    private let begun = ContinuousClock().now

    private var stage = Stage.connecting
    private var window = PublishWindow()
    private var properties = BrokerProperties()
    private var subscribing: [Int32: String] = [:]
    private var lastKeepAlive = ContinuousClock().now
    /// How much had been read when what is not whole yet began.
    private var takenWhole: Int64?
    private var end: Disconnection?

    /// When the broker accepted the connection.
    private(set) var opened: ContinuousClock.Instant?
    /// Whether the address never answered.
    var neverReached: Bool { stage == .connecting }

    package init(
        settings: BrokerSettings, mailbox: Mailbox, wakeUp: WakeUp, log: ConnectionLog,
        events: AsyncStream<MQTTClient.Event>.Continuation, messages: AsyncStream<MQTTMessage>.Continuation
    ) throws(Disconnection) {
        self.settings = settings
        self.mailbox = mailbox
        self.wakeUp = wakeUp
        self.log = log
        self.events = events
        self.messages = messages
        library = try LibraryConnection(settings: settings)
    }

    /// Returns when the connection has ended and every message has its outcome.
    package func run(onlyIPv4: Bool) -> Disconnection {
        do {
            try library.connect(onlyIPv4: onlyIPv4)
            library.limitSilence(to: Self.silenceLimit)
        } catch {
            return close(error)
        }
        while true {
            let work = mailbox.take()
            window.append(contentsOf: work.messages)
            if work.isStopping { return close(sayGoodbye(.stopped)) }
            if work.isChanging { return close(sayGoodbye(.changed)) }
            if stage == .open {
                subscribe(work.subscriptions)
                unsubscribe(work.unsubscriptions)
            }
            sendAndHear()
            turn(atMost: patience)
            if let end { return close(end) }
        }
    }

    // MARK: One turn

    /// Waits for the socket, the wake-up or the time, and lets the library do what is due.
    private func turn(atMost limit: Duration) {
        guard end == nil else { return }
        let ready = poll(atMost: limit)
        if ready != 0 {
            switch stage {
            case .connecting: finishConnecting()
            case .handshake, .open: transfer(ready)
            }
        }
        sendAndHear()
        checkTimes()
        sendAndHear()
    }

    /// - Returns: what the socket is ready for.
    private func poll(atMost limit: Duration) -> Int32 {
        let wantsToWrite = stage == .connecting || library.wantsToWrite
        var descriptors = [
            pollfd(
                fd: library.socket,
                events: Int16(stage == .connecting ? 0 : POLLIN) | Int16(wantsToWrite ? POLLOUT : 0), revents: 0),
            pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        // As many as the array has.
        let count = unsafe Glibc.poll(&descriptors, nfds_t(descriptors.count), limit.pollTimeout)
        guard count > 0 else { return 0 }
        if descriptors[1].revents != 0 { wakeUp.clear() }
        return Int32(descriptors[0].revents)
    }

    private func finishConnecting() {
        if let reason = library.connectError() {
            end = .connectFailed(settings, errno: reason)
        } else {
            stage = .handshake
        }
    }

    private func transfer(_ ready: Int32) {
        do {
            if ready & (POLLIN | POLLHUP | POLLERR) != 0 {
                try library.read()
                checkSize()
            }
            if library.socket >= 0, ready & POLLOUT != 0 { try library.write() }
        } catch {
            fail(error)
        }
        guard end == nil, library.socket >= 0 else { return }
        // While TLS is being negotiated the library takes an end for a pause, and would be woken for ever.
        if stage == .handshake, ready & (POLLIN | POLLHUP) != 0, library.isAtEnd {
            hear()
            if end == nil {
                end =
                    library.record.hasTLSError
                    ? .tls(settings, log: library.record.errors) : .closedBeforeAnswer(settings)
            }
        } else if ready & POLLNVAL != 0 || ready & (POLLHUP | POLLERR) != 0 && ready & POLLIN == 0 {
            end = .lost(settings, why: nil)
        }
    }

    /// A broker that sends on and on without a whole packet is left.
    private func checkSize() {
        guard library.socket >= 0, library.record.isEmpty, let taken = library.bytesTaken else {
            takenWhole = nil
            return
        }
        let begun = takenWhole ?? taken
        takenWhole = begun
        if taken - begun > Self.packetLimit { end = end ?? .oversized(settings, limit: Self.packetLimit) }
    }

    /// Until something is due by the time alone. A turn that comes for another reason sees to what is due as well.
    private var patience: Duration {
        guard stage == .open else { return .seconds(1) }
        let now = clock.now
        let keepAlive = keepAliveInterval - (now - lastKeepAlive)
        let silence = window.oldestSending.map { Self.silenceLimit - (now - $0) }
        return max(.zero, min(keepAlive, silence ?? keepAlive))
    }

    /// The library pings when it is asked to and the keepalive has passed: a quarter of it later at most. A broker may
    /// want none.
    private var keepAliveInterval: Duration {
        let keepalive = properties.serverKeepalive ?? .seconds(Int(settings.keepaliveSeconds))
        return min(max(keepalive / 4, .seconds(1)), .seconds(5))
    }

    private func checkTimes() {
        guard end == nil else { return }
        let now = clock.now
        if stage != .open {
            if now - begun >= Self.answerLimit { end = .noAnswer(settings, after: Self.answerLimit) }
        } else if let oldest = window.oldestSending, now - oldest >= Self.silenceLimit {
            end = .silent(settings)
        } else if now - lastKeepAlive >= keepAliveInterval {
            lastKeepAlive = now
            do { try library.keepAlive() } catch { fail(error) }
        }
    }

    // MARK: Sending

    /// Sends while there is room and hears what that brought, until nothing changes any more.
    private func sendAndHear() {
        repeat { send() } while hear() && end == nil
        if end == nil, library.socket < 0 { fail(.noConnection) }
    }

    private func send() {
        while end == nil, stage == .open, let outgoing = window.next() {
            if let obstacle = obstacle(outgoing.message) {
                answer(outgoing, .failure(obstacle))
                continue
            }
            do {
                let messageID = try library.publish(outgoing.message)
                window.sent(outgoing, messageID: messageID, at: clock.now)
            } catch {
                refuse(outgoing, error)
            }
        }
    }

    /// What the broker said that it does not take. The library checks only part of it.
    private func obstacle(_ message: MQTTMessage) -> PublishError? {
        let size = message.packetSize(version: settings.version, properties: settings.properties)
        if let limit = properties.maximumPacketSize, size > limit { return .tooLarge(size: size, limit: limit) }
        if !(0...2).contains(message.qos) { return .invalid }
        if message.qos > properties.maximumQoS { return .refused(reason: ReasonCode.qosNotSupported) }
        if message.retain, !properties.retainAvailable { return .refused(reason: ReasonCode.retainNotSupported) }
        return nil
    }

    private func refuse(_ outgoing: Outgoing, _ error: LibraryError) {
        switch error.code {
        case MOSQ_ERR_INVAL.rawValue, MOSQ_ERR_MALFORMED_UTF8.rawValue: answer(outgoing, .failure(.invalid))
        case MOSQ_ERR_QOS_NOT_SUPPORTED.rawValue:
            answer(outgoing, .failure(.refused(reason: ReasonCode.qosNotSupported)))
        case MOSQ_ERR_RETAIN_NOT_SUPPORTED.rawValue:
            answer(outgoing, .failure(.refused(reason: ReasonCode.retainNotSupported)))
        case MOSQ_ERR_PAYLOAD_SIZE.rawValue, MOSQ_ERR_OVERSIZE_PACKET.rawValue:
            let limit = properties.maximumPacketSize ?? Int(MQTT_MAX_PAYLOAD)
            let size = outgoing.message.packetSize(version: settings.version, properties: settings.properties)
            answer(outgoing, .failure(.tooLarge(size: size, limit: limit)))
        default:
            // Part of it may be on the wire.
            fail(error)
            answer(outgoing, .failure(.connectionLost))
        }
    }

    private func subscribe(_ subscriptions: [(filter: String, qos: Int)]) {
        for (filter, qos) in subscriptions where end == nil {
            do {
                subscribing[try library.subscribe(filter, qos: qos)] = filter
            } catch  where error.code == MOSQ_ERR_INVAL.rawValue || error.code == MOSQ_ERR_MALFORMED_UTF8.rawValue {
                log.subscriptionRefused(filter, reason: 143)
                events.yield(.subscriptionRefused(filter: filter, reason: 143))
            } catch {
                fail(error)
            }
        }
    }

    private func unsubscribe(_ filters: [String]) {
        for filter in filters where end == nil {
            do { try library.unsubscribe(filter) } catch { fail(error) }
        }
    }

    // MARK: Hearing

    /// Acts on what the callbacks saw. - Returns: whether there was something.
    @discardableResult
    private func hear() -> Bool {
        let events = library.record.take()
        for event in events { handle(event) }
        return !events.isEmpty
    }

    private func handle(_ event: LibraryEvent) {
        switch event {
        case .connected(0, let properties): open(properties)
        case .connected(let reason, _): end = end ?? .refused(settings, reason: reason)
        case .disconnected(let code):
            if let reason = UInt8(exactly: code), reason >= 128 { end = end ?? .closed(settings, reason: reason) }
        case .published(let messageID, let reason):
            guard let outgoing = window.acknowledged(messageID: messageID) else { return }
            answer(outgoing, reason < 128 ? .success(reason) : .failure(.refused(reason: reason)))
        case .subscribed(let messageID, let granted):
            guard let filter = subscribing.removeValue(forKey: messageID) else { return }
            let reason = granted.first ?? 128
            if reason >= 128 { log.subscriptionRefused(filter, reason: reason) }
            events.yield(
                reason < 128
                    ? .subscribed(filter: filter, qos: Int(reason))
                    : .subscriptionRefused(filter: filter, reason: reason))
        case .message(let message): receive(message)
        }
    }

    private func receive(_ message: MQTTMessage) {
        guard message.payload.count <= MQTTClient.largestIncomingPayload else {
            log.dropped(message, why: "it is larger than \(MQTTClient.largestIncomingPayload) bytes")
            return
        }
        if case .dropped = messages.yield(message) { log.dropped(message, why: "too many wait already") }
    }

    private func open(_ properties: BrokerProperties) {
        stage = .open
        library.connected()
        opened = clock.now
        self.properties = properties
        self.properties.window = min(max(settings.window, 1), properties.receiveMaximum)
        window.capacity = self.properties.window
        let subscriptions = mailbox.connected()
        log.connected(self.properties)
        events.yield(.connected(self.properties))
        subscribe(subscriptions)
    }

    private func answer(_ outgoing: Outgoing, _ result: Result<UInt8, PublishError>) {
        mailbox.answered()
        outgoing.completion(result)
    }

    // MARK: The end

    /// Publishes the farewell, waits for what is under way and disconnects, all within a limit.
    private func sayGoodbye(_ why: Disconnection) -> Disconnection {
        for outgoing in window.takeWaiting() { answer(outgoing, .failure(.notConnected)) }
        guard stage == .open else { return why }
        if let farewell = mailbox.takeFarewell() {
            window.prepend(Outgoing(message: farewell) { _ in })
        }
        let deadline = clock.now + Self.farewellLimit
        sendAndHear()
        while end == nil, !window.isIdle, case let left = deadline - clock.now, left > .zero {
            turn(atMost: left)
        }
        if end == nil { disconnect(until: clock.now + .milliseconds(200)) }
        return why
    }

    private func disconnect(until deadline: ContinuousClock.Instant) {
        do {
            try library.disconnect()
            // The library closes the socket once the packet is written.
            while library.socket >= 0, case let left = deadline - clock.now, left > .zero {
                if poll(atMost: left) & POLLOUT != 0 { try library.write() }
            }
        } catch {
            // The connection has ended by itself.
        }
        hear()
    }

    /// The library gave up: puts what it knows into a sentence.
    private func fail(_ error: LibraryError) {
        // A reason that the broker gave is better than any of ours.
        hear()
        guard end == nil else { return }
        let isTLS = library.record.hasTLSError || settings.tls != nil && error.errno == EPROTO
        if isTLS || error.code == MOSQ_ERR_TLS.rawValue {
            end = .tls(settings, log: library.record.errors)
        } else if error.code == MOSQ_ERR_MALFORMED_PACKET.rawValue || error.code == MOSQ_ERR_PROTOCOL.rawValue {
            end = .malformed(settings)
        } else if error.code == MOSQ_ERR_KEEPALIVE.rawValue || error.errno == ETIMEDOUT {
            end = .silent(settings)
        } else if stage != .open {
            end = .closedBeforeAnswer(settings)
        } else {
            end = .lost(settings, why: error.code == MOSQ_ERR_ERRNO.rawValue ? systemError(error.errno) : nil)
        }
    }

    private func close(_ why: Disconnection) -> Disconnection {
        let untaken = mailbox.disconnected()
        for outgoing in window.takeUnderWay() { answer(outgoing, .failure(.connectionLost)) }
        for outgoing in window.takeWaiting() + untaken { answer(outgoing, .failure(.notConnected)) }
        return why
    }
}

extension LibraryRecord {
    var hasTLSError: Bool {
        errors.contains { $0.contains("OpenSSL Error") || $0.contains("host name verification") }
    }
}

extension Duration {
    /// For `poll`: milliseconds, rounded up.
    var pollTimeout: Int32 {
        let (seconds, attoseconds) = components
        guard seconds < 3600 else { return 3_600_000 }
        return Int32(clamping: max(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000, 0))
    }
}
