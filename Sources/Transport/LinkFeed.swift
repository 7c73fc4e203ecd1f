import Wire
import Synchronization

/// The bounded buffer between a port and the reader of its bytes.
///
/// The port reads only on demand, and demand is made only while a whole read fits. So a reader that falls
/// behind makes the port, and with it a TCP sender, wait. What is behind the high-water mark is left for
/// bytes that the kernel hands over at once when a line closes.
public final class LinkFeed: Sendable {
    /// The most that one demand may bring.
    public static let readSize = 4096
    /// What the kernel may still hold when a line closes.
    static let closingReserve = 32 * 1024

    private let limit: Int
    private let state: Mutex<State>

    /// - Parameter limit: the most bytes that wait. A source that brings more loses its link.
    public init(limit: Int = Limits.linkBuffer) {
        self.limit = limit
        state = Mutex(State(highWater: max(Self.readSize, limit - Self.closingReserve)))
    }

    public var inbound: LinkInbound { LinkInbound(feed: self) }

    /// The most bytes that ever waited.
    public var peakBytes: Int { state.withLock { $0.peakBytes } }

    /// Names who brings bytes, and asks for the first.
    ///
    /// - Parameter demand: asks for one read; answered by one `push` or by `finish`. Called from any thread.
    public func start(demand: @escaping @Sendable () -> Void) {
        state.withLock { $0.demand = demand }
        demandIfRoom()
    }

    /// Takes bytes over from the port.
    ///
    /// - Parameter endsBurst: whether a datagram or a connection ends with them. Without bytes it marks the end of
    ///   those before, once.
    public func push(_ bytes: [UInt8], at instant: ContinuousClock.Instant = .now, endsBurst: Bool = false) {
        if !offer(bytes, at: instant, endsBurst: endsBurst) {
            finish(TransportError(.io, "more than \(limit) bytes waited to be read; the link is given up"))
        }
    }

    /// Takes bytes over from a port that cannot be made to wait.
    ///
    /// - Returns: false when they have no room and are dropped.
    func offer(_ bytes: [UInt8], at instant: ContinuousClock.Instant = .now, endsBurst: Bool = false) -> Bool {
        let input = LinkInput(bytes: bytes, arrivedAt: instant, endsBurst: endsBurst)
        let (fits, waiter) = state.withLock { $0.offer(input, limit: limit) }
        waiter?.resume(returning: .success(input))
        if fits { demandIfRoom() }
        return fits
    }

    /// Whether a whole read fits.
    var hasRoom: Bool { state.withLock { $0.hasRoom } }

    /// Ends the stream. Only the first call counts.
    ///
    /// - Parameters:
    ///   - error: why, thrown after what waits was read; nil for an end that was to be expected.
    ///   - discarding: whether what waits is dropped.
    public func finish(_ error: TransportError?, discarding: Bool = false) {
        let waiter = state.withLock { $0.finish(error, discarding: discarding) }
        waiter?.resume(returning: error.map { .failure($0) } ?? .success(nil))
    }

    func knock() {
        let waiter = state.withLock { $0.knock() }
        waiter?.resume(returning: .success(.knock))
    }

    func next() async throws(TransportError) -> LinkInput? {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let ready = state.withLock { $0.next(waiter) }
                if let ready { waiter.resume(returning: ready) }
                // Cancelled before there was a waiter to wake.
                if ready == nil, Task.isCancelled { wake() }
            }
        } onCancel: {
            wake()
        }
        demandIfRoom()
        return try outcome.get()
    }

    /// Ends the wait of a cancelled reader.
    private func wake() {
        let waiter = state.withLock { $0.takeWaiter() }
        waiter?.resume(returning: .success(nil))
    }

    private func demandIfRoom() {
        let demand = state.withLock { $0.takeDemand() }
        demand?()
    }
}

extension LinkInput {
    fileprivate static var knock: LinkInput { LinkInput(bytes: [], arrivedAt: .now) }
}

extension LinkFeed {
    fileprivate typealias Outcome = Result<LinkInput?, TransportError>
    fileprivate typealias Waiter = CheckedContinuation<Outcome, Never>

    fileprivate struct State {
        let highWater: Int
        var waiting: [LinkInput] = []
        var bytes = 0
        var peakBytes = 0
        var demand: (@Sendable () -> Void)?
        var isDemanded = false
        /// Whether bytes were taken that a burst's end may follow.
        var isBurstOpen = false
        /// Whether somebody knocked whom the reader has not heard.
        var isKnocked = false
        var waiter: Waiter?
        var end: Outcome?

        init(highWater: Int) {
            self.highWater = highWater
        }

        var hasRoom: Bool { bytes + LinkFeed.readSize <= highWater && waiting.count < Limits.linkPieces }

        /// - Returns: whether the input fits, and the reader that gets it at once; nil when it was stored.
        mutating func offer(_ input: LinkInput, limit: Int) -> (fits: Bool, waiter: Waiter?) {
            isDemanded = false
            guard end == nil, !input.bytes.isEmpty || input.endsBurst && isBurstOpen else { return (true, nil) }
            if waiter == nil, !store(input, limit: limit) { return (false, nil) }
            isBurstOpen = !input.endsBurst
            peakBytes = max(peakBytes, bytes, input.bytes.count)
            return (true, takeWaiter())
        }

        /// Small pieces of one burst are joined, so that the number of pieces is bounded as well.
        private mutating func store(_ input: LinkInput, limit: Int) -> Bool {
            guard bytes + input.bytes.count <= limit else { return false }
            if let last = waiting.indices.last, !waiting[last].endsBurst,
                waiting[last].bytes.count + input.bytes.count <= LinkFeed.readSize || input.bytes.isEmpty
            {
                waiting[last].bytes += input.bytes
                waiting[last].endsBurst = input.endsBurst
                if !input.bytes.isEmpty { waiting[last].arrivedAt = input.arrivedAt }
            } else {
                guard waiting.count < Limits.linkPieces else { return false }
                waiting.append(input)
            }
            bytes += input.bytes.count
            return true
        }

        mutating func next(_ newWaiter: Waiter) -> Outcome? {
            if !waiting.isEmpty {
                let input = waiting.removeFirst()
                bytes -= input.bytes.count
                return .success(input)
            }
            if isKnocked {
                isKnocked = false
                return .success(.knock)
            }
            if let end { return end }
            guard waiter == nil else { return .failure(TransportError(.io, "the link already has a reader")) }
            waiter = newWaiter
            return nil
        }

        mutating func knock() -> Waiter? {
            isKnocked = waiter == nil
            return takeWaiter()
        }

        mutating func takeWaiter() -> Waiter? {
            defer { waiter = nil }
            return waiter
        }

        mutating func takeDemand() -> (@Sendable () -> Void)? {
            guard !isDemanded, end == nil, hasRoom else { return nil }
            isDemanded = demand != nil
            return demand
        }

        mutating func finish(_ error: TransportError?, discarding: Bool) -> Waiter? {
            if discarding {
                waiting = []
                bytes = 0
            }
            guard end == nil else { return nil }
            end = error.map { .failure($0) } ?? .success(nil)
            demand = nil
            return takeWaiter()
        }
    }
}
