import Glibc
import LogMessages
import Logging
import Synchronization

/// A folder in which the traffic of each line is written to a file of its own.
///
/// A file has at most `limit` bytes; then its line goes on without being written down. Nothing that a link carries is
/// held up or lost when a file cannot be written.
public struct CaptureFolder: LineRecording {
    public static let standardLimit = 64 * 1024 * 1024

    private let path: String
    private let limit: Int
    private let logs = CaptureLogs()

    public init(_ path: String, limit: Int = Self.standardLimit) {
        self.path = path
        self.limit = limit
    }

    public func recorder(of line: String, logger: Logger) -> any LineRecorder {
        let file = "\(path)/\(line).capture"
        return CaptureFile(path: file, limit: limit, log: logs.log(file, logger))
    }
}

/// One log for each file: a line that comes and goes opens its file anew each time.
private final class CaptureLogs: Sendable {
    private let logs = Mutex<[String: PacedLog]>([:])

    func log(_ path: String, _ logger: Logger) -> PacedLog {
        logs.withLock { logs in
            if let known = logs[path] { return known }
            let log = PacedLog(logger)
            logs[path] = log
            return log
        }
    }
}

/// One file that is appended to.
private final class CaptureFile: LineRecorder {
    private struct State {
        var descriptor: CInt
        var room: Int
    }

    private let path: String
    private let log: PacedLog
    private let state: Mutex<State>

    init(path: String, limit: Int, log: PacedLog) {
        self.path = path
        self.log = log
        // Points to the path for the call only. What a line carries is for its owner's eyes.
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        var size = 0
        if descriptor >= 0 { size = Int(lseek(descriptor, 0, SEEK_END)) }
        state = Mutex(State(descriptor: descriptor, room: max(0, limit - size)))
        if descriptor < 0 {
            let problem = ErrorNumber().text
            log.say("unwritable", .error, nil, "The capture \(path) cannot be written: \(problem).")
        } else if size == 0 {
            write(Capture.header)
        }
    }

    deinit {
        close()
    }

    func write(_ piece: Capture.Piece) { write(piece.line) }

    func comment(_ text: String) { write("# \(text)\n") }

    private func write(_ text: String) {
        let isFull = state.withLock { state in
            guard state.descriptor >= 0 else { return false }
            let bytes = Array(text.utf8)
            guard bytes.count <= state.room else {
                Glibc.close(state.descriptor)
                state.descriptor = -1
                return true
            }
            let end = lseek(state.descriptor, 0, SEEK_END)
            // The buffer lives across the call.
            let written = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(state.descriptor, $0.baseAddress, $0.count)
            }
            // Half a line, of a full disk, would be none.
            if written != bytes.count, ftruncate(state.descriptor, end) != 0 { return false }
            state.room -= max(0, written == bytes.count ? written : 0)
            return false
        }
        if isFull {
            log.say("full", .warning, nil, "The capture \(path) is full: nothing more of this line is written down.")
        }
    }

    func close() {
        state.withLock { state in
            if state.descriptor >= 0 { Glibc.close(state.descriptor) }
            state.descriptor = -1
        }
    }
}
