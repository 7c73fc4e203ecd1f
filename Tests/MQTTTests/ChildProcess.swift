import Foundation

/// A program that does not outlive the test that started it, however the test ends. (Foundation's `Process` waits
/// with `select`, which fails in a process that has more than 1024 descriptors.)
public final class ChildProcess {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let pid: pid_t
    private var guardian: (pid: pid_t, pipe: Int32)?
    private var status: Int32?

    /// - Parameters:
    ///   - program: its path.
    ///   - output: the file that takes its standard output and error.
    public init(_ program: String, _ arguments: [String], output: String = "/dev/null") throws {
        pid = try Self.spawn(program, arguments, input: nil, output: output)
        guardian = try? Self.guardian(of: pid)
    }

    deinit { end(SIGKILL) }

    /// Runs a program to its end. - Returns: its exit code.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) throws -> Int32 {
        let process = try ChildProcess("/usr/bin/env", [program] + arguments)
        process.wait(options: 0)
        return ((process.status ?? 0) >> 8) & 0xFF
    }

    public var isRunning: Bool {
        wait(options: WNOHANG)
        return status == nil
    }

    public func signal(_ signal: Int32) {
        if isRunning { kill(pid, signal) }
    }

    /// Signals it and waits until it has ended.
    public func end(_ signal: Int32) {
        self.signal(signal)
        wait(options: 0)
    }

    private func wait(options: Int32) {
        guard status == nil else { return }
        var code: Int32 = 0
        guard waitpid(pid, &code, options) == pid else { return }
        status = code
        // The guardian first: the number of a child that has ended may belong to another one later.
        if let guardian {
            kill(guardian.pid, SIGKILL)
            waitpid(guardian.pid, nil, 0)
            close(guardian.pipe)
        }
        guardian = nil
    }

    /// A shell that kills the child when our end of its pipe closes, as it does when we die.
    private static func guardian(of pid: pid_t) throws -> (pid: pid_t, pipe: Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(description: "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        let guardian = try spawn("/bin/sh", ["-c", "read -r _; kill -9 \(pid)"], input: ends[0], output: "/dev/null")
        return (guardian, ends[1])
    }

    private static func spawn(_ program: String, _ arguments: [String], input: Int32?, output: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // The threads of a pool block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, words, environ)
        guard code == 0 else { throw Failure(description: "\(program) cannot be started: errno \(code)") }
        return pid
    }
}
