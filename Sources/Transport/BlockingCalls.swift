import NIOPosix

/// Calls into the kernel that may block for seconds: opening, setting and closing a serial port whose driver
/// talks to an adapter, and reading files. They run on a few threads of their own, shared by all links.
enum BlockingCalls {
    static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 3)
        pool.start()
        return pool
    }()

    static func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(TransportError) -> Result
    ) async throws(TransportError) -> Result {
        do {
            return try await threads.runIfActive { try body() }
        } catch let error as TransportError {
            throw error
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw TransportError(.io, "a blocking call could not run: \(error)")
        }
    }
}
