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

    @Test("a patient reader sleeps through what is not urgent, and takes it with what is, or when much has come")
    func patience() async {
        let queue = EventQueue<Int>()
        for event in 1...3 { queue.put(event, isUrgent: false) }
        queue.put(4)
        #expect(await queue.next(patient: true) == [1, 2, 3, 4])
        for event in 5...11 { queue.put(event, isUrgent: false) }
        let reader = Task { await queue.next(patient: true) }
        queue.put(12, isUrgent: false)
        #expect(await reader.value == Array(5...12))
        queue.put(13, isUrgent: false)
        #expect(await queue.next() == [13])
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
