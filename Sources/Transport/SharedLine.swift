import Logging
import Synchronization
import Wire

/// One connection that several meters share, as the slaves of a bus do.
///
/// Each meter opens a link of its own, and speaks in turns: `beginTurn` waits until all that waited before it have
/// had theirs, and what arrives belongs to whoever has the turn. The connection is opened with the first link, closed
/// with the last, and when it is lost every link loses it.
public final class SharedLine: Sendable {
    fileprivate let endpoint: Endpoint
    private let base: any LinkOpening
    private let state = Mutex(State())

    fileprivate struct State {
        var connection: Task<Connection, any Error>?
        /// Counts connections: what an old one still says is not meant for the members of the next.
        var generation = 0
        /// The end of the connection before, which may hold the port until then.
        var closing: Task<Void, Never>?
        var feeds: [ObjectIdentifier: LinkFeed] = [:]
        /// Who has the turn.
        var holder: ObjectIdentifier?
        /// Who waits for it, the first one first.
        var queue: [Waiter] = []
        /// Nil where nobody knows.
        var line: LineSettings?
    }

    fileprivate struct Waiter {
        let member: ObjectIdentifier
        let wake: CheckedContinuation<Bool, Never>
    }

    /// The real link and the task that reads it.
    fileprivate final class Connection: Sendable {
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

    /// How many have joined or are about to.
    var members: Int { state.withLock { $0.feeds.count } }
    /// How many wait for their turn.
    var waiting: Int { state.withLock { $0.queue.count } }

    /// Joins, and opens the connection if nobody has.
    func open(options: LinkOptions, logger: Logger) async throws(TransportError) -> any Link {
        let member = SharedLink(line: self)
        let id = ObjectIdentifier(member)
        let task = state.withLock { state in
            state.feeds[id] = member.feed
            if let connection = state.connection { return connection }
            state.generation += 1
            let (generation, closing) = (state.generation, state.closing)
            let connection = Task {
                await closing?.value
                return try await self.connect(generation, options: options, logger: logger)
            }
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

    private func connect(_ generation: Int, options: LinkOptions, logger: Logger) async throws -> Connection {
        let link = try await base.open(endpoint, options: options, logger: logger)
        let pump = Task.onLoop { [weak self] in
            var iterator = link.inbound.makeAsyncIterator()
            do throws(TransportError) {
                while let input = try await iterator.next() { self?.deliver(input, generation) }
                self?.lost(generation, nil)
            } catch {
                self?.lost(generation, error)
            }
        }
        return Connection(link: link, pump: pump)
    }

    // MARK: Bytes

    /// What comes while nobody has the turn belongs to nobody: an answer that is too late.
    private func deliver(_ input: LinkInput, _ generation: Int) {
        let feed = state.withLock { state in
            state.generation == generation ? state.holder.flatMap { state.feeds[$0] } : nil
        }
        feed?.push(input.bytes, at: input.arrivedAt, endsBurst: input.endsBurst)
    }

    private func lost(_ generation: Int, _ error: TransportError?) {
        let (feeds, queue) = state.withLock { state -> ([LinkFeed], [Waiter]) in
            guard state.generation == generation, state.connection != nil else { return ([], []) }
            defer {
                state.feeds = [:]
                state.queue = []
                state.holder = nil
                state.closeConnection()
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
        guard endpoint.line != nil, state.withLock({ $0.holder == member && $0.line != line }) else { return }
        // A change that fails leaves the port at one or the other.
        state.withLock { $0.line = nil }
        try await connection().link.setLine(line)
        state.withLock { $0.line = line }
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
        let closing = state.withLock { state -> Task<Void, Never>? in
            state.feeds[member] = nil
            return state.feeds.isEmpty ? state.closeConnection() : nil
        }
        await closing?.value
    }
}

extension SharedLine.State {
    /// - Returns: what ends when the port is free; nil where none was open.
    @discardableResult
    fileprivate mutating func closeConnection() -> Task<Void, Never>? {
        guard let connection else { return nil }
        self.connection = nil
        let closing = Task.onLoop {
            guard let open = try? await connection.value else { return }
            open.pump.cancel()
            await open.link.close()
        }
        self.closing = closing
        return closing
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
            // After a reload the bus may be elsewhere.
            if let line = lines[bus], line.endpoint == endpoint { return line }
            let line = SharedLine(endpoint, base: base)
            lines[bus] = line
            return line
        }
        var options = options
        options.name = bus
        return try await line.open(options: options, logger: logger)
    }
}
