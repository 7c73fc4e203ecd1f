import Logging
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite("A line that meters share", .timeLimit(.minutes(1)))
struct SharedLineTests {
    /// A link in memory.
    private final class FakeLink: Link {
        let feed = LinkFeed()
        private let log = Mutex<(sent: [[UInt8]], lines: [LineSettings], isClosed: Bool)>(([], [], false))
        /// How the next change of the line ends.
        let failure = Mutex<TransportError?>(nil)

        var inbound: LinkInbound { feed.inbound }
        var sent: [[UInt8]] { log.withLock { $0.sent } }
        var lines: [LineSettings] { log.withLock { $0.lines } }
        var isClosed: Bool { log.withLock { $0.isClosed } }

        func send(_ bytes: [UInt8]) async throws(TransportError) { log.withLock { $0.sent.append(bytes) } }

        func setLine(_ line: LineSettings) async throws(TransportError) {
            log.withLock { $0.lines.append(line) }
            let failure = failure.withLock { failure in
                defer { failure = nil }
                return failure
            }
            if let failure { throw failure }
        }

        func close() async {
            log.withLock { $0.isClosed = true }
            feed.finish(nil, discarding: true)
        }
    }

    /// Opens links in memory, and fails as often as it is told to.
    private final class FakeOpener: LinkOpening {
        private let state = Mutex<(links: [FakeLink], failures: Int, names: [String?])>(([], 0, []))
        /// Each opening waits for one element, where there is a gate.
        private let gate: AsyncStream<Void>?

        init(failures: Int = 0, gate: AsyncStream<Void>? = nil) {
            self.gate = gate
            state.withLock { $0.failures = failures }
        }

        var links: [FakeLink] { state.withLock { $0.links } }
        var names: [String?] { state.withLock { $0.names } }

        func open(
            _ endpoint: Endpoint, options: LinkOptions, logger: Logger
        ) async throws(TransportError) -> any Link {
            if let gate { for await _ in gate { break } }
            let link = state.withLock { state -> FakeLink? in
                state.names.append(options.name)
                guard state.failures == 0 else {
                    state.failures -= 1
                    return nil
                }
                state.links.append(FakeLink())
                return state.links.last
            }
            guard let link else { throw TransportError(.refused, "nobody is there") }
            return link
        }
    }

    private static let line = LineSettings(baud: 2400, parity: .even)
    private static let port = Endpoint.serial(path: "/dev/bus", line: line)

    private func shared(_ opener: FakeOpener, _ endpoint: Endpoint = Self.port) -> SharedLine {
        SharedLine(endpoint, base: opener)
    }

    private func join(_ line: SharedLine) async throws -> any Link {
        try await line.open(options: LinkOptions(bus: "house"), logger: logger)
    }

    /// Until so many wait for their turn.
    private func queued(_ count: Int, on line: SharedLine) async {
        while line.waiting != count { await Task.yield() }
    }

    // MARK: Turns

    @Test("turns are first come, first served")
    func order() async throws {
        let line = shared(FakeOpener())
        let holder = try await join(line)
        try await holder.beginTurn()
        let (turns, sink) = AsyncStream.makeStream(of: Int.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                let link = try await join(line)
                group.addTask {
                    try await link.beginTurn()
                    sink.yield(number)
                    link.endTurn()
                }
                await queued(number + 1, on: line)
            }
            holder.endTurn()
            try await group.waitForAll()
        }
        sink.finish()
        let order = await turns.reduce(into: []) { $0.append($1) }
        #expect(order == Array(0..<20) && line.waiting == 0)
    }

    @Test("a turn that is begun twice is one, and one that is not had is not ended")
    func twice() async throws {
        let line = shared(FakeOpener())
        let (first, second) = (try await join(line), try await join(line))
        try await first.beginTurn()
        try await first.beginTurn()
        second.endTurn()
        let waiting = Task { try await second.beginTurn() }
        await queued(1, on: line)
        first.endTurn()
        try await waiting.value
    }

    @Test("one that is cancelled while it waits leaves, and the next one gets the turn")
    func cancelled() async throws {
        let line = shared(FakeOpener())
        let (holder, second, third) = (try await join(line), try await join(line), try await join(line))
        try await holder.beginTurn()
        let leaving = Task { try await second.beginTurn() }
        await queued(1, on: line)
        let staying = Task { try await third.beginTurn() }
        await queued(2, on: line)
        leaving.cancel()
        await #expect(throws: TransportError.cancelled) { try await leaving.value }
        #expect(line.waiting == 1)
        holder.endTurn()
        try await staying.value
        // One that was cancelled before it asked does not wait at all.
        let early = Task {
            while !Task.isCancelled { await Task.yield() }
            try await second.beginTurn()
        }
        early.cancel()
        await #expect(throws: TransportError.cancelled) { try await early.value }
        #expect(line.waiting == 0)
    }

    @Test("closing with the turn passes it on")
    func closing() async throws {
        let opener = FakeOpener()
        let line = shared(opener)
        let (first, second) = (try await join(line), try await join(line))
        try await first.beginTurn()
        let waiting = Task { try await second.beginTurn() }
        await queued(1, on: line)
        await first.close()
        try await waiting.value
        #expect(opener.links.first?.isClosed == false)
    }

    // MARK: Bytes

    @Test("bytes go to the one that has the turn and to nobody else")
    func bytes() async throws {
        let opener = FakeOpener()
        let line = shared(opener)
        let (first, second) = (try await join(line), try await join(line))
        let base = try #require(opener.links.first)
        try await first.beginTurn()
        base.feed.push([1, 2])
        #expect(try await first.inbound.bytes(2) == [1, 2])
        try await first.send([9])
        await #expect(throws: TransportError(.closed, "")) { try await second.send([8]) }
        first.endTurn()
        try await second.beginTurn()
        base.feed.push([3])
        #expect(try await second.inbound.bytes(1) == [3])
        #expect(base.sent == [[9]] && opener.links.count == 1)
        // What waits for the first one is the end only.
        base.feed.finish(nil)
        await #expect(throws: TransportError(.closed, "")) { try await first.inbound.bytes(1) }
    }

    @Test("the line is set when it differs, and again after a change that failed")
    func setLine() async throws {
        let opener = FakeOpener()
        let line = shared(opener)
        let (first, second) = (try await join(line), try await join(line))
        let base = try #require(opener.links.first)
        let slow = LineSettings(baud: 300, parity: .even)
        try await first.beginTurn()
        try await first.setLine(Self.line)
        try await second.setLine(slow)
        #expect(base.lines == [])
        try await first.setLine(slow)
        try await first.setLine(slow)
        first.endTurn()
        try await second.beginTurn()
        try await second.setLine(slow)
        try await second.setLine(Self.line)
        #expect(base.lines == [slow, Self.line])
        base.failure.withLock { $0 = TransportError(.timeout, "no answer") }
        await #expect(throws: TransportError(.timeout, "")) { try await second.setLine(slow) }
        // Nobody knows which of both the port has now.
        try await second.setLine(slow)
        try await second.setLine(slow)
        #expect(base.lines == [slow, Self.line, slow, slow])
    }

    @Test("a connection without a line is not set")
    func noLine() async throws {
        let opener = FakeOpener()
        let link = try await join(shared(opener, .tcp(host: "gateway", port: 10001)))
        try await link.beginTurn()
        try await link.setLine(Self.line)
        #expect(opener.links.first?.lines == [])
    }

    // MARK: The connection

    @Test("a connection that is lost ends every link and every wait, and the next link opens another")
    func lost() async throws {
        let opener = FakeOpener()
        let line = shared(opener)
        let (first, second, third) = (try await join(line), try await join(line), try await join(line))
        try await first.beginTurn()
        let waiting = Task { try await second.beginTurn() }
        await queued(1, on: line)
        opener.links.first?.feed.finish(TransportError(.io, "unplugged"))
        await #expect(throws: TransportError(.closed, "")) { try await waiting.value }
        for link in [first, second, third] {
            await #expect(throws: TransportError(.io, "")) { try await link.inbound.bytes(1) }
            await #expect(throws: TransportError(.closed, "")) { try await link.beginTurn() }
            await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
        }
        let again = try await join(line)
        #expect(opener.links.count == 2 && opener.links.first?.isClosed == true)
        // The old ones close late, which is nothing to the new one.
        for link in [first, second, third] { await link.close() }
        try await again.beginTurn()
        try await again.send([5])
        #expect(opener.links.last?.sent == [[5]] && opener.links.last?.isClosed == false)
    }

    @Test("the last one closes the connection, and what it still says does not touch the next")
    func reopened() async throws {
        let opener = FakeOpener()
        let line = shared(opener)
        for round in 1...50 {
            let (first, second) = (try await join(line), try await join(line))
            await first.close()
            #expect(opener.links.last?.isClosed == false)
            async let closing: Void = second.close()
            let next = try await join(line)
            await closing
            // It joined the old connection before it was closed, or opened the next one after that.
            try await next.beginTurn()
            let base = try #require(opener.links.last)
            base.feed.push([UInt8(round)])
            #expect(try await next.inbound.bytes(1) == [UInt8(round)])
            #expect(!base.isClosed && opener.links.dropLast().allSatisfy { $0.isClosed })
            await next.close()
            #expect(opener.links.last?.isClosed == true)
        }
    }

    @Test("an opening that fails is told to all who waited for it, and the next one tries again")
    func failed() async throws {
        let (gate, pass) = AsyncStream.makeStream(of: Void.self)
        let opener = FakeOpener(failures: 1, gate: gate)
        let line = shared(opener)
        let joins = (0..<5).map { _ in Task { try await join(line) } }
        while line.members < 5 { await Task.yield() }
        pass.yield()
        pass.finish()
        for join in joins { await #expect(throws: TransportError(.refused, "")) { try await join.value } }
        let link = try await join(line)
        try await link.beginTurn()
        try await link.send([1])
        #expect(opener.links.count == 1)
    }

    @Test("links of a bus are shares of one connection that has its name, others stand alone")
    func opener() async throws {
        let base = FakeOpener()
        let opener = BusOpener(base)
        func open(_ name: String, _ bus: String?) async throws -> any Link {
            try await opener.open(Self.port, options: LinkOptions(name: name, bus: bus), logger: logger)
        }
        let links = [
            try await open("a", "house"), try await open("b", "house"), try await open("c", "garden"),
            try await open("d", nil), try await open("e", nil),
        ]
        #expect(base.names == ["house", "garden", "d", "e"])
        // Turns on different buses are had at the same time, and a line of its own needs none.
        for link in [links[0], links[2], links[3], links[4]] { try await link.beginTurn() }
        for link in links { await link.close() }
        #expect(base.links.allSatisfy { $0.isClosed })
    }
}

@Suite("One poll over a link", .timeLimit(.minutes(1)))
struct SinglePollTests {
    /// Asks, waits, and has what came.
    private struct Asking: Session {
        var wait = Duration.seconds(3600)
        var end: WireError?

        mutating func handle(_ event: SessionEvent) -> [SessionAction<[UInt8]>] {
            switch event {
            case .poll: [.arm(.milliseconds(1)), .disarm, .setLine(LineSettings(baud: 300)), .send([1])]
            case .drained: [.arm(.seconds(3600)), .arm(wait)]
            case .received(let bytes):
                [.noise(1), .reject(WireError(.checksum, "wrong")), .emit(bytes), .disarm, .finished(end)]
            case .timer: [.finished(WireError(.timeout, "nobody"))]
            case .opened, .boundary, .closed, .readProfile, .recalled, .kept: []
            }
        }
    }

    @Test("gives what came, and further polls go on with the same bytes and no old timer")
    func polls() async throws {
        let link = LoopLink()
        let inbound = PolledInbound(link)
        for round in 1...3 {
            var session: any Session<[UInt8]> = Asking(
                end: round == 2 ? WireError(.framing, "several") : nil)
            let poll = try await SinglePoll.run(&session, over: link, reading: inbound)
            #expect(poll.messages == [[1, UInt8(round)]] && poll.rejected.map(\.code) == [.checksum])
            #expect(poll.noise == 1 && poll.failure?.code == (round == 2 ? .framing : nil))
        }
        #expect(link.lines.count == 3)
    }

    @Test("nobody answers: the timer ends it")
    func timer() async throws {
        let link = LoopLink(isMute: true)
        var session: any Session<[UInt8]> = Asking(wait: .milliseconds(1))
        let poll = try await SinglePoll.run(&session, over: link, reading: PolledInbound(link))
        #expect(poll.messages == [] && poll.failure?.code == .timeout)
    }

    @Test("a line that is lost is an error", arguments: [TransportError(.io, "unplugged"), nil])
    func lost(error: TransportError?) async throws {
        let link = LoopLink(isMute: true)
        link.feed.finish(error)
        let inbound = PolledInbound(link)
        await #expect(throws: error ?? TransportError(.closed, "")) {
            var session: any Session<[UInt8]> = Asking()
            _ = try await SinglePoll.run(&session, over: link, reading: inbound)
        }
    }

    /// Gives back what is sent, and counts.
    private final class LoopLink: Link {
        let feed = LinkFeed()
        private let isMute: Bool
        private let state = Mutex<(count: UInt8, lines: [LineSettings])>((0, []))

        init(isMute: Bool = false) {
            self.isMute = isMute
        }

        var inbound: LinkInbound { feed.inbound }
        var lines: [LineSettings] { state.withLock { $0.lines } }

        func send(_ bytes: [UInt8]) async throws(TransportError) {
            let count = state.withLock { state in
                state.count += 1
                return state.count
            }
            if !isMute { feed.push(bytes + [count]) }
        }

        func setLine(_ line: LineSettings) async throws(TransportError) { state.withLock { $0.lines.append(line) } }
        func close() async { feed.finish(nil) }
    }
}
