import Configuration
import Dispatch
import LogMessages
import Logging
import MQTT
import ServiceLifecycle
import Transport

/// Writes the daemon's figures for Prometheus where that is configured, and takes them away when it ends.
final class MetricsService: Service {
    private let changes: AsyncStream<MetricsConfiguration?>
    private let sink: AsyncStream<MetricsConfiguration?>.Continuation
    private let log: PacedLog
    private let info: @Sendable () async -> DaemonInfo
    /// A disk may take its time; the end of the daemon waits for the file to be gone.
    private let queue = DispatchQueue(label: "obisd.metrics")

    /// - Parameters:
    ///   - initial: nil where nothing is to be written.
    ///   - info: all that is written.
    init(_ initial: MetricsConfiguration?, log: PacedLog, info: @escaping @Sendable () async -> DaemonInfo) {
        (changes, sink) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.log = log
        self.info = info
        sink.yield(initial)
    }

    /// From now on.
    func change(to next: MetricsConfiguration?) { sink.yield(next) }

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.follow() }
    }

    private func follow() async {
        var current: Writing?
        for await next in changes {
            await end(current, before: next)
            current = next.map { target in Writing(target: target, task: Task.onLoop { await self.write(target) }) }
        }
        await end(current, before: nil)
    }

    private struct Writing {
        let target: MetricsConfiguration
        let task: Task<Void, Never>
    }

    private func end(_ writing: Writing?, before next: MetricsConfiguration?) async {
        guard let writing else { return }
        writing.task.cancel()
        await writing.task.value
        guard writing.target.file != next?.file else { return }
        await onQueue { MetricsFile(path: writing.target.file).remove() }
    }

    private func write(_ target: MetricsConfiguration) async {
        let file = MetricsFile(path: target.file)
        repeat {
            let bytes = MetricsText(await info()).bytes
            say(await onQueue { Result { () throws(MetricsFile.Problem) in try file.replace(with: bytes) } }, file)
        } while (try? await Task.pause(for: target.every)) != nil
    }

    private func say(_ result: Result<Void, MetricsFile.Problem>, _ file: MetricsFile) {
        switch result {
        case .success: log.over("metrics")
        case .failure(let problem):
            log.say(
                "metrics", .warning, .metricsNotWritten,
                "The metrics cannot be written to \(file.path): \(problem.reason).")
        }
    }

    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}
