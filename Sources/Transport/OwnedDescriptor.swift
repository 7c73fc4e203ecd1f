import Glibc
import Synchronization

/// A file descriptor with one owner. Nobody can use its number after it was closed.
package final class OwnedDescriptor: Sendable {
    private let number: Mutex<CInt?>

    package init(_ number: CInt) {
        self.number = Mutex(number)
    }

    deinit {
        close()
    }

    /// Calls `body` with the open descriptor.
    ///
    /// - Returns: nil when it is closed.
    package func use<Result, Failure: Error>(
        _ body: (CInt) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result? {
        try number.withLock { number throws(Failure) -> sending Result? in
            guard let number else { return nil }
            return try body(number)
        }
    }

    /// Another descriptor of the same open file, closed on exec; nil when none is left or this one is closed.
    package func duplicate() -> OwnedDescriptor? {
        let copy = use { fcntl($0, F_DUPFD_CLOEXEC, 0) } ?? -1
        return copy >= 0 ? OwnedDescriptor(copy) : nil
    }

    /// Gives the number up to another owner.
    package func release() {
        number.withLock { $0 = nil }
    }

    package func close() {
        number.withLock { number in
            if let open = number { _ = Glibc.close(open) }
            number = nil
        }
    }
}
