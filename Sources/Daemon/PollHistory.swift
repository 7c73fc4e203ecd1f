import OBIS
import Synchronization
import Wire

/// When a meter was last asked, and is to be asked next: longer than one conversation, so that a line that comes and goes
/// does not make its meter be asked more often, nor lets it miss its time of the day.
final class PollHistory: Sendable {
    private struct State {
        var last: Timestamp?
        var due: Timestamp?
        var failures = 0
    }

    private let state = Mutex(State())

    /// How long until the meter is to be asked: not at all where the time for it has passed, be it that the line was away or
    /// that the clock was set forward over it.
    func delay(by schedule: Schedule, at now: Timestamp) -> Duration {
        state.withLock { state in
            if let due = state.due, due <= now { return .zero }
            let delay = schedule.delay(now: now, last: state.last)
            state.due = Timestamp(milliseconds: now.milliseconds + delay.wholeMilliseconds)
            return delay
        }
    }

    func asked(at now: Timestamp) {
        state.withLock {
            $0.last = now
            $0.due = nil
        }
    }

    /// Takes over when a daemon before this one would have asked.
    func recall(_ due: Timestamp, at now: Timestamp) {
        guard due <= now else { return }
        state.withLock { $0.due = due }
    }

    /// Polls in a row that failed.
    var failures: Int { state.withLock { $0.failures } }

    var last: Timestamp? { state.withLock { $0.last } }

    /// Nil between a question and the look at when the next is to follow.
    var due: Timestamp? { state.withLock { $0.due } }

    func ended(_ error: WireError?) {
        state.withLock { $0.failures = error == nil ? 0 : $0.failures + 1 }
    }
}
