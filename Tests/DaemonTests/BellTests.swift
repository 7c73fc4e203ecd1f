import Testing
import Transport

@testable import Daemon

@Suite("What wakes a conversation", .timeLimit(.minutes(1)))
struct BellTests {
    @Test("everything that was rung for is taken at once, and once")
    func taking() async throws {
        let (bell, feed) = (Bell(), LinkFeed())
        bell.attach(to: feed.inbound)
        #expect(bell.ring())
        bell.ring(timer: 3)
        bell.ring(timer: 4)
        var reader = feed.inbound.makeAsyncIterator()
        #expect(try await reader.next()?.bytes == [])
        #expect(bell.take() == Bell.Rung(isPollDue: true, timer: 4))
        #expect(bell.take() == Bell.Rung())
    }

    @Test("where nobody converses nobody hears it, and the next conversation is not woken by it")
    func nobody() {
        let bell = Bell()
        #expect(!bell.ring())
        bell.attach(to: LinkFeed().inbound)
        #expect(bell.take() == Bell.Rung())
        bell.ring(timer: 1)
        bell.detach()
        #expect(!bell.ring())
        bell.attach(to: LinkFeed().inbound)
        #expect(bell.take() == Bell.Rung())
    }

    @Test("a look comes when it was wanted, and only once")
    func looking() {
        let bell = Bell()
        bell.attach(to: LinkFeed().inbound)
        bell.look(at: .seconds(5))
        #expect(bell.take() == Bell.Rung())
        bell.lookAgain(at: .seconds(60))
        bell.look(at: .seconds(59))
        #expect(bell.take() == Bell.Rung())
        bell.look(at: .seconds(60))
        #expect(bell.take() == Bell.Rung(isLookDue: true))
        bell.look(at: .seconds(61))
        #expect(bell.take() == Bell.Rung())
    }
}
