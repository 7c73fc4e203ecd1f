import NIOCore

/// Something sent that waits for the other side: it ends once, by its success or failure, by the end of patience, or with
/// the task that waits.
struct PendingSend: Sendable {
    /// How long a line may take no bytes.
    static let patience = TimeAmount.seconds(10)

    let promise: EventLoopPromise<Void>

    /// One whose sender is patient for itself.
    init(on loop: any EventLoop) {
        promise = loop.makePromise(of: Void.self)
    }

    /// - Parameters:
    ///   - expired: the error when the patience ends first.
    ///   - expire: called then, after the promise has failed.
    init(
        on loop: any EventLoop, until deadline: NIODeadline, expired: TransportError,
        expire: @escaping @Sendable (TransportError) -> Void = { _ in }
    ) {
        self.init(on: loop)
        let expiry = loop.scheduleTask(deadline: deadline) { [promise] in
            promise.fail(expired)
            expire(expired)
        }
        promise.futureResult.whenComplete { _ in expiry.cancel() }
    }

    /// Waits for the end. A promise keeps its first answer, so cancelling loses against success.
    func value() async throws(TransportError) {
        do {
            try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                promise.fail(TransportError.cancelled)
            }
        } catch let error as TransportError {
            throw error
        } catch {
            throw TransportError(.io, "sending failed: \(error)")
        }
    }
}
