import Synchronization
public import Wire

/// One poll of a session over an open link, from `poll` to `finished`: what a command needs that asks once.
public struct SinglePoll<Message: Sendable>: Sendable {
    public private(set) var messages: [Message] = []
    /// Attempts that failed and were repeated.
    public private(set) var rejected: [WireError] = []
    public private(set) var noise = 0
    /// Why the poll failed; nil where it did not.
    public private(set) var failure: WireError?

    /// - Parameter inbound: of the link; one iterator lives through several polls.
    /// - Throws: what the link throws.
    public static func run(
        _ session: inout any Session<Message>, over link: any Link, reading inbound: PolledInbound
    ) async throws(TransportError) -> SinglePoll {
        var poll = SinglePoll()
        var timer: Task<Void, Never>?
        // An old timer that fires late is told by its number.
        var number = inbound.newTimer()
        defer { timer?.cancel() }
        var pending: [SessionEvent] = [.opened, .poll]
        while true {
            while !pending.isEmpty {
                for action in session.handle(pending.removeFirst()) {
                    switch action {
                    case .send(let bytes):
                        try await link.send(bytes)
                        pending.append(.drained)
                    case .setLine(let line): try await link.setLine(line)
                    case .arm(let duration):
                        timer?.cancel()
                        number = inbound.newTimer()
                        timer = inbound.timer(number, after: duration)
                    case .disarm:
                        timer?.cancel()
                        number = inbound.newTimer()
                    case .emit(let message): poll.messages.append(message)
                    case .reject(let error): poll.rejected.append(error)
                    case .noise(let count): poll.noise += count
                    // One poll has nothing to remember for the next.
                    case .keep: pending.append(.kept(true))
                    case .finished(let error):
                        poll.failure = error
                        return poll
                    }
                }
            }
            switch await inbound.next() {
            case .received(let bytes): pending.append(.received(bytes))
            case .timer(number): pending.append(.timer)
            case .timer: break
            case .ended(let error): throw error ?? TransportError(.closed, "the line is closed")
            }
        }
    }
}

/// What arrives on a link and the timers of the sessions that use it, as one sequence.
public actor PolledInbound {
    package enum Event: Sendable {
        case received([UInt8])
        case timer(Int)
        case ended(TransportError?)
    }

    private let sink: AsyncStream<Event>.Continuation
    private let events: AsyncStream<Event>
    private let pump: Task<Void, Never>
    private let timers = Mutex(0)

    public init(_ link: any Link) {
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        self.sink = sink
        let inbound = link.inbound
        pump = Task {
            do throws(TransportError) {
                var iterator = inbound.makeAsyncIterator()
                while let input = try await iterator.next() { sink.yield(.received(input.bytes)) }
                sink.yield(.ended(nil))
            } catch {
                sink.yield(.ended(error))
            }
        }
    }

    deinit {
        pump.cancel()
    }

    package func next() async -> Event {
        for await event in events { return event }
        return .ended(.cancelled)
    }

    package nonisolated func newTimer() -> Int {
        timers.withLock { count in
            count += 1
            return count
        }
    }

    package nonisolated func timer(_ number: Int, after duration: Duration) -> Task<Void, Never> {
        Task { [sink] in
            guard (try? await Task.sleep(for: duration)) != nil else { return }
            sink.yield(.timer(number))
        }
    }
}
