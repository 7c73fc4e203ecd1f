import NIOCore
import NIOPosix
import Synchronization

/// Runs tasks on the thread of the event loop that carries the lines: what arrives is decoded, judged and handed on
/// without a change of thread, and a pause is one wake-up. Nothing that runs here may block.
public final class LoopExecutor: TaskExecutor {
    /// That of the process's first loop.
    public static let shared = LoopExecutor(MultiThreadedEventLoopGroup.singleton.next())

    private let loop: any EventLoop
    private let waiting = Mutex<[UnownedJob]>([])

    public init(_ loop: any EventLoop) {
        self.loop = loop
    }

    /// One turn of the loop takes all that waits, so that the loop is woken once for many.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = waiting.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { loop.execute { self.runWaiting() } }
    }

    private func runWaiting() {
        let jobs = waiting.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        // The loop holds this executor for as long as it runs.
        for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    /// Waits, by the clock that stands while the machine sleeps.
    ///
    /// - Throws: at once, when the task is cancelled.
    public func sleep(for duration: Duration) async throws(CancellationError) {
        let pause = Pause()
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { sleeper in
                guard pause.begin(sleeper) else { return }
                // What ends early is left to the loop: to look for it there would cost more than that it fires.
                loop.scheduleTask(in: TimeAmount(duration)) { pause.end(isOver: true) }
            }
        } onCancel: {
            pause.end(isOver: false)
        }
        guard isOver else { throw CancellationError() }
    }
}

/// One wait, which ends once: when it is over, or cancelled.
private final class Pause: Sendable {
    private enum State {
        case waiting(CheckedContinuation<Bool, Never>)
        case ended
    }

    private let state = Mutex<State?>(nil)

    /// - Returns: false where it was cancelled before; then the sleeper is woken.
    func begin(_ sleeper: CheckedContinuation<Bool, Never>) -> Bool {
        let hasEnded = state.withLock { state in
            guard state == nil else { return true }
            state = .waiting(sleeper)
            return false
        }
        if hasEnded { sleeper.resume(returning: false) }
        return !hasEnded
    }

    func end(isOver: Bool) {
        let sleeper = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            defer { state = .ended }
            guard case .waiting(let sleeper) = state else { return nil }
            return sleeper
        }
        sleeper?.resume(returning: isOver)
    }
}

extension Task where Failure == Never {
    /// Begins a task on the loop of the lines.
    @discardableResult
    public static func onLoop(_ body: sending @escaping @isolated(any) () async -> Success) -> Task {
        Task(executorPreference: LoopExecutor.shared, operation: body)
    }

    /// Waits as `LoopExecutor.sleep`, on the loop of the lines.
    public static func pause(for duration: Duration) async throws(CancellationError) where Success == Never {
        try await LoopExecutor.shared.sleep(for: duration)
    }
}
