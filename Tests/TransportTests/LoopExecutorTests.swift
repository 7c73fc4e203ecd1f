import NIOCore
import NIOPosix
import Testing

@testable import Transport

@Suite("Tasks on a loop", .timeLimit(.minutes(1)))
struct LoopExecutorTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private var executor: LoopExecutor { LoopExecutor(loop) }

    private actor Tally {
        private(set) var count = 0
        private(set) var strangers = 0

        func note(on loop: any EventLoop) {
            count += 1
            if !loop.inEventLoop { strangers += 1 }
        }
    }

    @Test("what a task does, also in actors and children, and behind a pause, is done on the loop's thread")
    func thread() async {
        let (loop, tally) = (loop, Tally())
        await withTaskExecutorPreference(executor) {
            await withTaskGroup { group in
                for _ in 0..<20 {
                    group.addTask {
                        await tally.note(on: loop)
                        await Task.yield()
                        #expect(loop.inEventLoop)
                        await tally.note(on: loop)
                    }
                }
            }
            try? await LoopExecutor(loop).sleep(for: .milliseconds(1))
            #expect(loop.inEventLoop)
        }
        #expect(await tally.count == 40)
        #expect(await tally.strangers == 0)
    }

    @Test("nothing is lost where many threads begin tasks at once")
    func many() async {
        let (executor, loop, tally) = (executor, loop, Tally())
        await withTaskGroup { group in
            for _ in 0..<1000 {
                group.addTask {
                    await Task(executorPreference: executor) { await tally.note(on: loop) }.value
                }
            }
        }
        #expect(await tally.count == 1000)
        #expect(await tally.strangers == 0)
    }

    @Test("a pause lasts as long as it should, and none is over before")
    func pause() async throws {
        let begun = ContinuousClock.now
        try await executor.sleep(for: .milliseconds(30))
        #expect(ContinuousClock.now - begun >= .milliseconds(30))
        try await executor.sleep(for: .zero)
        try await executor.sleep(for: .seconds(-1))
    }

    @Test("a pause ends with its task, whether that is cancelled before or meanwhile")
    func cancelled() async {
        let executor = executor
        for isEarly in [true, false] {
            let began = AsyncStream.makeStream(of: Void.self)
            let sleeper = Task {
                if isEarly { while !Task.isCancelled { await Task.yield() } }
                began.continuation.yield()
                try await executor.sleep(for: .seconds(3600))
            }
            if isEarly { sleeper.cancel() }
            for await _ in began.stream { break }
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
        }
    }
}
