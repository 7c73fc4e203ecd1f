import Foundation

/// A program that does not outlive the test that started it, however the test ends. (Foundation's `Process` waits
/// with `select`, which fails in a process that has more than 1024 descriptors.)
public final class ChildProcess {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) {
            self.description = description
        }
    }

    public let pid: pid_t
    private var guardian: (pid: pid_t, pipe: Int32)?
    private var status: Int32?

    /// - Parameters:
    ///   - program: its path.
    ///   - input: the file that it reads as standard input.
    ///   - output: the file that takes its standard output.
    ///   - error: the file that takes its standard error; nil: the same.
    public init(
        _ program: String, _ arguments: [String], input: String = "/dev/null", output: String = "/dev/null",
        error: String? = nil
    ) throws {
        pid = try Self.spawn(program, arguments, input: .path(input), output: output, error: error)
        guardian = try? Self.guardian(of: pid)
    }

    deinit { end(SIGKILL) }

    /// Runs a program to its end. - Returns: its exit code.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) throws -> Int32 {
        let process = try ChildProcess("/usr/bin/env", [program] + arguments)
        process.wait(options: 0)
        return process.exitCode ?? 0
    }

    public var isRunning: Bool {
        wait(options: WNOHANG)
        return status == nil
    }

    public func signal(_ signal: Int32) {
        if isRunning { kill(pid, signal) }
    }

    /// The code that it ended with, 128 and the signal's number where it was killed; nil while it runs.
    public var exitCode: Int32? {
        guard !isRunning, let status else { return nil }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    /// Waits until it has ended by itself.
    ///
    /// - Returns: its exit code; nil when it still runs after the time.
    public func waitForExit(within limit: Duration) async throws -> Int32? {
        let end = ContinuousClock.now + limit
        while isRunning, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        return exitCode
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
        let guardian = try spawn(
            "/bin/sh", ["-c", "read -r _; kill -9 \(pid)"], input: .descriptor(ends[0]))
        return (guardian, ends[1])
    }

    private enum Input {
        case path(String)
        case descriptor(Int32)
    }

    private static func spawn(
        _ program: String, _ arguments: [String], input: Input, output: String = "/dev/null",
        error: String? = nil
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        switch input {
        case .path(let path): posix_spawn_file_actions_addopen(&actions, 0, path, O_RDONLY, 0)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let error {
            posix_spawn_file_actions_addopen(&actions, 2, error, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        // Sockets of other tests: a child that has them too keeps their ports, and their ends are not noticed.
        for descriptor in Int32(3)..<1024 { posix_spawn_file_actions_addclose(&actions, descriptor) }
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
        guard code == 0 else {
            throw Failure(description: "\(program) cannot be started: errno \(code)")
        }
        return pid
    }
}
