import Logging
import Synchronization
import Wire

/// One connection that several meters share, as the slaves of a bus do.
///
/// Each meter opens a link of its own, and speaks in turns: `beginTurn` waits until all that waited before it have
/// had theirs, and what arrives belongs to whoever has the turn. The connection is opened with the first link, closed
/// with the last, and when it is lost every link loses it.
public final class SharedLine: Sendable {
    private let endpoint: Endpoint
    private let base: any LinkOpening
    private let state = Mutex(State())

    private struct State {
        var connection: Task<Connection, any Error>?
        var members: Set<ObjectIdentifier> = []
        var feeds: [ObjectIdentifier: LinkFeed] = [:]
        /// Who has the turn.
        var holder: ObjectIdentifier?
        /// Who waits for it, the first one first.
        var queue: [Waiter] = []
        var line: LineSettings?
    }

    private struct Waiter {
        let member: ObjectIdentifier
        let wake: CheckedContinuation<Bool, Never>
    }

    /// The real link and the task that reads it.
    private final class Connection: Sendable {
        let link: any Link
        let pump: Task<Void, Never>

        init(link: any Link, pump: Task<Void, Never>) {
            self.link = link
            self.pump = pump
        }
    }

    public init(_ endpoint: Endpoint, base: any LinkOpening) {
        self.endpoint = endpoint
        self.base = base
    }

    /// Joins, and opens the connection if nobody has.
    func open(options: LinkOptions, logger: Logger) async throws(TransportError) -> any Link {
        let member = SharedLink(line: self)
        let id = ObjectIdentifier(member)
        let task = state.withLock { state in
            state.feeds[id] = member.feed
            if let connection = state.connection { return connection }
            let connection = Task { try await self.connect(options: options, logger: logger) }
            state.connection = connection
            state.line = endpoint.line
            return connection
        }
        do {
            _ = try await task.value
        } catch {
            state.withLock { state in
                state.feeds[id] = nil
                if state.connection == task { state.connection = nil }
            }
            throw error as? TransportError ?? .cancelled
        }
        return member
    }

    private func connect(options: LinkOptions, logger: Logger) async throws -> Connection {
        let link = try await base.open(endpoint, options: options, logger: logger)
        let pump = Task { [weak self] in
            var iterator = link.inbound.makeAsyncIterator()
            do throws(TransportError) {
                while let input = try await iterator.next() { self?.deliver(input) }
                self?.lost(nil)
            } catch {
                self?.lost(error)
            }
        }
        return Connection(link: link, pump: pump)
    }

    // MARK: Bytes

    /// What comes while nobody has the turn belongs to nobody: an answer that is too late.
    private func deliver(_ input: LinkInput) {
        let feed = state.withLock { state in state.holder.flatMap { state.feeds[$0] } }
        feed?.push(input.bytes, at: input.arrivedAt, endsBurst: input.endsBurst)
    }

    private func lost(_ error: TransportError?) {
        let (feeds, queue) = state.withLock { state in
            defer {
                state.feeds = [:]
                state.queue = []
                state.holder = nil
                state.connection = nil
            }
            return (Array(state.feeds.values), state.queue)
        }
        for waiter in queue { waiter.wake.resume(returning: false) }
        for feed in feeds { feed.finish(error ?? TransportError(.closed, "\(endpoint) closed the connection")) }
    }

    fileprivate func send(_ bytes: [UInt8], from member: ObjectIdentifier) async throws(TransportError) {
        guard state.withLock({ $0.holder == member }) else {
            throw TransportError(.closed, "the line of the bus is not this meter's at the moment")
        }
        try await connection().link.send(bytes)
    }

    fileprivate func setLine(_ line: LineSettings, from member: ObjectIdentifier) async throws(TransportError) {
        let isNew = state.withLock { state in
            guard state.holder == member, state.line != nil, state.line != line else { return false }
            state.line = line
            return true
        }
        if isNew { try await connection().link.setLine(line) }
    }

    private func connection() async throws(TransportError) -> Connection {
        do {
            if let task = state.withLock({ $0.connection }) { return try await task.value }
        } catch {
            throw error as? TransportError ?? .cancelled
        }
        throw TransportError(.closed, "\(endpoint) is closed")
    }

    // MARK: Turns

    /// - Returns: false when the line is gone or the task is cancelled.
    fileprivate func beginTurn(_ member: ObjectIdentifier) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { wake in
                let answer: Bool? = state.withLock { state in
                    guard state.feeds[member] != nil, !Task.isCancelled else { return false }
                    guard state.holder != nil, state.holder != member else {
                        state.holder = member
                        return true
                    }
                    state.queue.append(Waiter(member: member, wake: wake))
                    return nil
                }
                if let answer { wake.resume(returning: answer) }
            }
        } onCancel: {
            leaveQueue(member)
        }
    }

    fileprivate func endTurn(_ member: ObjectIdentifier) {
        let next = state.withLock { state -> Waiter? in
            guard state.holder == member else { return nil }
            let next = state.queue.isEmpty ? nil : state.queue.removeFirst()
            state.holder = next?.member
            return next
        }
        next?.wake.resume(returning: true)
    }

    private func leaveQueue(_ member: ObjectIdentifier) {
        let waiter = state.withLock { state -> Waiter? in
            state.queue.firstIndex { $0.member == member }.map { state.queue.remove(at: $0) }
        }
        waiter?.wake.resume(returning: false)
    }

    /// The last one closes the connection.
    fileprivate func leave(_ member: ObjectIdentifier) async {
        leaveQueue(member)
        endTurn(member)
        let connection = state.withLock { state -> Task<Connection, any Error>? in
            state.feeds[member] = nil
            guard state.feeds.isEmpty else { return nil }
            defer { state.connection = nil }
            return state.connection
        }
        guard let connection, let open = try? await connection.value else { return }
        open.pump.cancel()
        await open.link.close()
    }
}

/// One meter's share of a line.
private final class SharedLink: Link {
    let feed = LinkFeed()
    private let line: SharedLine

    init(line: SharedLine) {
        self.line = line
    }

    private var id: ObjectIdentifier { ObjectIdentifier(self) }

    var inbound: LinkInbound { feed.inbound }

    func send(_ bytes: [UInt8]) async throws(TransportError) {
        try await line.send(bytes, from: id)
    }

    func setLine(_ settings: LineSettings) async throws(TransportError) {
        try await line.setLine(settings, from: id)
    }

    func beginTurn() async throws(TransportError) {
        guard await line.beginTurn(id) else {
            throw Task.isCancelled ? .cancelled : TransportError(.closed, "the line of the bus is gone")
        }
    }

    func endTurn() {
        line.endTurn(id)
    }

    func close() async {
        feed.finish(nil, discarding: true)
        await line.leave(id)
    }
}

/// Opens links as another opener does, and those of a bus as shares of one connection.
public final class BusOpener: LinkOpening {
    private let base: any LinkOpening
    private let lines = Mutex<[String: SharedLine]>([:])

    public init(_ base: any LinkOpening) {
        self.base = base
    }

    public func open(
        _ endpoint: Endpoint, options: LinkOptions, logger: Logger
    ) async throws(TransportError) -> any Link {
        guard let bus = options.bus else { return try await base.open(endpoint, options: options, logger: logger) }
        let line = lines.withLock { lines in
            if let line = lines[bus] { return line }
            let line = SharedLine(endpoint, base: base)
            lines[bus] = line
            return line
        }
        var options = options
        options.name = bus
        return try await line.open(options: options, logger: logger)
    }
}
