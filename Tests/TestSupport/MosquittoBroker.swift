import Foundation

/// A real broker on a free loopback port, for the length of a test. Its files live in a folder of its own and are
/// removed with it.
public final class MosquittoBroker {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) {
            self.description = description
        }
    }

    public private(set) var port: Int
    public let folder: URL
    private let settings: [String]
    private var process: ChildProcess?

    /// - Parameters:
    ///   - settings: lines of `mosquitto.conf`; `FOLDER` in them stands for the broker's folder.
    ///   - files: written to the folder before the start, by name.
    ///   - allowsAnonymous: whether a client needs no user name.
    ///   - starts: false to start it later.
    public init(
        _ settings: [String] = [], files: [String: String] = [:], allowsAnonymous: Bool = true,
        starts: Bool = true
    ) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "mosquitto-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        port = try FreePort.tcp()
        let path = folder.path
        self.settings =
            ["allow_anonymous \(allowsAnonymous)", "user \(NSUserName())"]
            + (settings.contains { $0.hasPrefix("persistence ") } ? [] : ["persistence false"])
            + settings.map { $0.replacingOccurrences(of: "FOLDER", with: path) }
        for (name, text) in files { try write(text, to: name) }
        if starts { try await startSomewhere() }
    }

    /// Somebody else may take a port between its choice and the start.
    private func startSomewhere() async throws {
        for _ in 0..<5 {
            if (try? await start()) != nil { return }
            port = try FreePort.tcp()
        }
        try await start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// The program, where Debian and others put it; nil where there is none.
    public static var program: URL? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(
            String.init)
        return (folders + ["/usr/sbin", "/usr/local/sbin", "/usr/bin"])
            .map { URL(fileURLWithPath: $0).appendingPathComponent("mosquitto") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    public func file(_ name: String) -> String { folder.appendingPathComponent(name).path }

    public func write(_ text: String, to name: String) throws {
        let path = file(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }

    /// Starts it, again on the same port, and returns when it accepts connections.
    public func start() async throws {
        guard let program = Self.program else {
            throw Failure(description: "mosquitto is not installed")
        }
        try write(
            (["listener \(port) 127.0.0.1"] + settings).joined(separator: "\n") + "\n",
            to: "mosquitto.conf")
        let log = folder.appendingPathComponent("mosquitto.log")
        try Data().write(to: log)
        process = try ChildProcess(program.path, ["-c", file("mosquitto.conf")], output: log.path)
        func said() -> String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
        for _ in 0..<1000 {
            guard process?.isRunning == true else { break }
            // Another broker may listen on the port where this one cannot.
            if said().contains("version"), said().contains(" running"), Self.accepts(port: port) {
                return
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Failure(description: "mosquitto does not accept connections on port \(port): \(said())")
    }

    /// Ends it as a crash would: connections drop without a word.
    public func kill() {
        process?.end(SIGKILL)
        process = nil
    }

    /// Ends it in an orderly way: it says goodbye to its clients.
    public func terminate() {
        process?.end(SIGTERM)
        process = nil
    }

    /// It stays, with its connections, but does nothing.
    public func pause() { process?.signal(SIGSTOP) }

    public func resume() { process?.signal(SIGCONT) }

    /// It reads its password and access files again.
    public func reload() { process?.signal(SIGHUP) }

    // MARK: Ports

    private static func accepts(port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = FreePort.loopback(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
