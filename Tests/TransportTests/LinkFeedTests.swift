import Synchronization
import Testing
import Wire

@testable import Transport

@Suite("What arrives, buffered", .timeLimit(.minutes(1)))
struct LinkFeedTests {
    /// Counts how often a feed asked for bytes.
    final class Demands: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }

        func start(_ feed: LinkFeed) {
            feed.start { self.value.withLock { $0 += 1 } }
        }
    }

    @Test("a reader gets what was pushed, in order, and then the end")
    func order() async throws {
        let feed = LinkFeed()
        feed.push([1, 2])
        feed.push([3])
        feed.finish(nil)
        #expect(try await feed.inbound.bytes(.max) == [1, 2, 3])
        #expect(try await feed.next() == nil)
    }

    @Test("a reader that waits gets the next bytes, with the time of their arrival")
    func waiting() async throws {
        let feed = LinkFeed()
        let demands = Demands()
        demands.start(feed)
        async let input = feed.next()
        let instant = ContinuousClock.now
        feed.push([7], at: instant)
        #expect(try await input == LinkInput(bytes: [7], arrivedAt: instant))
    }

    @Test("bytes that wait are read before the error that ended the line")
    func errorAtTheEnd() async throws {
        let feed = LinkFeed()
        feed.push([1])
        feed.finish(TransportError(.closed, "gone"))
        feed.finish(nil)
        #expect(try await feed.next()?.bytes == [1])
        await #expect(throws: TransportError(.closed, "")) { try await feed.next() }
    }

    @Test("a knock is heard once, behind the bytes that wait and before the end, and is nothing that arrived")
    func knocking() async throws {
        let feed = LinkFeed()
        let seen = Mutex<[[UInt8]]>([])
        var reader = feed.inbound.observed { input in seen.withLock { $0.append(input.bytes) } }.makeAsyncIterator()
        feed.push([1])
        feed.inbound.knock()
        feed.inbound.knock()
        feed.push([2])
        feed.finish(nil)
        #expect(try await reader.next()?.bytes == [1, 2])
        #expect(try await reader.next()?.isKnock == true)
        #expect(try await reader.next() == nil)
        #expect(seen.withLock { $0 } == [[1, 2]])
    }

    @Test("a knock wakes a reader that waits, which then waits for bytes again")
    func knockingWhileWaiting() async throws {
        let feed = LinkFeed()
        async let inputs = [feed.next(), feed.next()]
        feed.inbound.knock()
        feed.push([3])
        // Which is first depends on whether the reader waited already.
        let bytes = try await inputs.compactMap { $0?.bytes }
        #expect(bytes == [[], [3]] || bytes == [[3], []])
    }

    @Test("closing drops what waits")
    func discarding() async throws {
        let feed = LinkFeed()
        feed.push([1])
        feed.finish(nil, discarding: true)
        #expect(try await feed.next() == nil)
    }

    @Test("demand stops while a whole read might not fit, and goes on when the reader catches up")
    func backPressure() async throws {
        let feed = LinkFeed(limit: Limits.linkBuffer)
        let demands = Demands()
        demands.start(feed)
        let read = [UInt8](repeating: 0, count: LinkFeed.readSize)
        var pushed = 0
        while demands.count > pushed {
            feed.push(read)
            pushed += 1
        }
        #expect(pushed == (Limits.linkBuffer - LinkFeed.closingReserve) / LinkFeed.readSize)
        #expect(feed.peakBytes <= Limits.linkBuffer)
        _ = try await feed.next()
        #expect(demands.count == pushed + 1)
    }

    @Test("a source that does not stop at the limit loses its link")
    func overflow() async throws {
        let feed = LinkFeed(limit: 10_000)
        for _ in 0..<3 { feed.push([UInt8](repeating: 1, count: 4000)) }
        #expect(try await feed.next()?.bytes.count == 4000)
        #expect(try await feed.next()?.bytes.count == 4000)
        await #expect(throws: TransportError(.io, "")) { try await feed.next() }
    }

    @Test("small pieces are joined, and the time is that of the last")
    func joining() async throws {
        let feed = LinkFeed()
        let first = ContinuousClock.now
        for offset in 0..<5000 { feed.push([UInt8(truncatingIfNeeded: offset)], at: first + .seconds(offset)) }
        let input = try await feed.next()
        #expect(input?.bytes.count == LinkFeed.readSize)
        #expect(input?.arrivedAt == first + .seconds(LinkFeed.readSize - 1))
        #expect(try await feed.next()?.bytes.count == 5000 - LinkFeed.readSize)
    }

    @Test("nothing is joined with a piece that ended a burst, and what follows may end one")
    func bursts() async throws {
        let feed = LinkFeed()
        feed.push([1], endsBurst: true)
        feed.push([2], endsBurst: true)
        feed.push([3])
        feed.push([4], endsBurst: true)
        feed.push([5])
        #expect(try await feed.inbound.piece() == .init([1]))
        #expect(try await feed.inbound.piece() == .init([2]))
        #expect(try await feed.inbound.piece() == .init([3, 4]))
        #expect(try await feed.inbound.piece() == .init([5], endsBurst: false))
    }

    @Test("an end without bytes marks those that wait, or reaches the reader alone, and only once")
    func endOfBurst() async throws {
        let feed = LinkFeed()
        // There is no burst yet.
        feed.push([], endsBurst: true)
        feed.push([1])
        feed.push([], endsBurst: true)
        feed.push([], endsBurst: true)
        feed.push([2])
        #expect(try await feed.inbound.piece() == .init([1]))
        #expect(try await feed.inbound.piece() == .init([2], endsBurst: false))
        feed.push([], endsBurst: true)
        feed.push([], endsBurst: true)
        #expect(try await feed.inbound.piece() == .init([]))
        async let waiting = feed.inbound.piece()
        feed.push([3])
        #expect(try await waiting == .init([3], endsBurst: false))
        async let ended = feed.inbound.piece()
        feed.push([], endsBurst: true)
        #expect(try await ended == .init([]))
        feed.push([4])
        #expect(try await feed.inbound.piece() == .init([4], endsBurst: false))
    }

    @Test("the end of a burst fits whatever waits")
    func endOfFullBurst() async throws {
        let feed = LinkFeed(limit: 8192)
        feed.push([UInt8](repeating: 1, count: 4096))
        feed.push([UInt8](repeating: 2, count: 4096))
        feed.push([], endsBurst: true)
        #expect(try await feed.inbound.piece()?.endsBurst == false)
        #expect(try await feed.inbound.piece() == .init([UInt8](repeating: 2, count: 4096)))
    }

    @Test("what is offered without room is dropped, by bytes and by number, and the link goes on")
    func offers() async throws {
        let feed = LinkFeed(limit: 10_000)
        let datagram = [UInt8](repeating: 1, count: 4000)
        #expect([1, 2, 3].map { _ in feed.offer(datagram, endsBurst: true) } == [true, true, false])
        #expect(feed.peakBytes == 8000)
        _ = try await feed.next()
        #expect(feed.offer(datagram, endsBurst: true))

        let many = LinkFeed()
        let taken = (0..<2 * Limits.linkPieces).count { _ in many.offer([1], endsBurst: true) }
        #expect(taken == Limits.linkPieces)
        _ = try await many.next()
        #expect(many.offer([1], endsBurst: true))
        #expect(!many.offer([1], endsBurst: true))
    }

    @Test("one datagram of the largest size fits into an empty feed")
    func largestDatagram() {
        #expect(LinkFeed().offer([UInt8](repeating: 1, count: Limits.datagram), endsBurst: true))
    }

    @Test("a cancelled reader is woken, and another may read on")
    func cancellation() async throws {
        let feed = LinkFeed()
        let reader = Task { try await feed.next() }
        reader.cancel()
        #expect(try await reader.value == nil)
        feed.push([1])
        #expect(try await feed.next()?.bytes == [1])
    }
}
