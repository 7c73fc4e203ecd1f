import Testing

@testable import Daemon

@Suite("What happens, for one loop", .timeLimit(.minutes(1)))
struct EventQueueTests {
    @Test("everything that waits is taken at once, in its order")
    func order() async {
        let queue = EventQueue<Int>()
        for event in 1...5 { queue.put(event) }
        #expect(await queue.next() == [1, 2, 3, 4, 5])
        queue.put(6)
        #expect(await queue.next() == [6])
    }

    @Test("a reader that waits is woken, and nothing is lost between two of its turns")
    func waking() async {
        let queue = EventQueue<Int>()
        let reader = Task {
            var heard: [Int] = []
            while heard.last != 10_000 { heard += await queue.next() }
            return heard
        }
        for event in 1...10_000 { queue.put(event) }
        #expect(await reader.value == Array(1...10_000))
    }

    @Test("a reader whose task is cancelled ends, whether it waits or comes later")
    func cancelling() async {
        let queue = EventQueue<Int>()
        let reader = Task {
            let first = await queue.next()
            let second = await queue.next()
            return [first, second]
        }
        reader.cancel()
        #expect(await reader.value == [[], []])
    }
}
