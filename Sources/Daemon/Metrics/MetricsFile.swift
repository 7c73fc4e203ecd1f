import Glibc

/// The file of the metrics. Whoever reads it finds all of it or nothing, never a part.
struct MetricsFile: Sendable, Equatable {
    let path: String

    /// Why it cannot be written, without its name.
    struct Problem: Error {
        let reason: String

        /// What the system's newest call in this thread has answered.
        static var newest: Problem {
            // The text is static or belongs to this thread, and is copied at once.
            guard let text = unsafe strerror(errno) else { return Problem(reason: "error \(errno)") }
            return unsafe Problem(reason: String(cString: text))
        }
    }

    /// Beside the file, so that it can take its place; its ending is not one that a collector reads.
    var draft: String { path + ".new" }

    /// Puts a new file into the place of the old one, which stays where that fails. Blocks.
    func replace(with bytes: [UInt8]) throws(Problem) {
        // One that a crash has left, or a link that somebody has laid there.
        _ = unsafe unlink(draft)
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .newest }
        do throws(Problem) {
            try fill(descriptor, with: bytes)
            guard unsafe rename(draft, path) == 0 else { throw .newest }
        } catch {
            _ = unsafe unlink(draft)
            throw error
        }
    }

    private func fill(_ descriptor: Int32, with bytes: [UInt8]) throws(Problem) {
        do throws(Problem) {
            // The collector is another user, whatever the service's mask says.
            guard fchmod(descriptor, 0o644) == 0 else { throw .newest }
            try Self.write(bytes, to: descriptor)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        // Some file systems say only now that they are full.
        guard Glibc.close(descriptor) == 0 else { throw .newest }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(Problem) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The buffer lives across the call.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .newest }
            rest = rest.dropFirst(count)
        }
    }

    /// Nobody shall take old figures for those of now. Blocks.
    func remove() {
        _ = unsafe unlink(path)
    }
}
