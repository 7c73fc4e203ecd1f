import Foundation
import GRDB
import Journal
import Logging
import OBIS
import Synchronization

/// A fresh folder, removed at the end.
func withFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("obisd-journal-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path)
}

/// A journal in a fresh folder, closed and removed at the end.
func withJournal<Value>(
    _ settings: JournalSettings = JournalSettings(), logger: Logger = .silent,
    clock: (@Sendable () -> Timestamp)? = nil, seams: JournalSeams = JournalSeams(),
    _ body: (Journal, _ path: String) async throws -> Value
) async throws -> Value {
    try await withFolder { folder in
        let path = folder + "/journal.db"
        let journal = try await Journal.open(path: path, settings: settings, logger: logger, clock: clock, seams: seams)
        let value = try await body(journal, path)
        await journal.close()
        return value
    }
}

/// The host's two clocks: one that is set, and one that only runs.
final class TestClock: Sendable {
    private let state: Mutex<(wall: Int64, uptime: Int64)>

    init(_ milliseconds: Int64) {
        state = Mutex((milliseconds, 0))
    }

    /// Milliseconds since 1970.
    var now: Int64 { state.withLock { $0.wall } }

    var wall: @Sendable () -> Timestamp {
        { Timestamp(milliseconds: self.now) }
    }

    var seams: JournalSeams {
        JournalSeams(uptime: { .milliseconds(self.state.withLock { $0.uptime }) })
    }

    func run(_ milliseconds: Int64) {
        state.withLock { $0 = ($0.wall + milliseconds, $0.uptime + milliseconds) }
    }

    /// Somebody sets it.
    func jump(to milliseconds: Int64) {
        state.withLock { $0.wall = milliseconds }
    }
}

func open(
    _ path: String, _ settings: JournalSettings = JournalSettings(), seams: JournalSeams = JournalSeams()
) async throws -> Journal {
    try await Journal.open(path: path, settings: settings, logger: .silent, seams: seams)
}

/// A reading whose payload tells its number.
func draft(_ meter: String, at milliseconds: Int64 = 1_768_000_000_000, padding: Int = 0) -> ReadingDraft {
    ReadingDraft(meter: meter, capturedAt: Timestamp(milliseconds: milliseconds)) { stream, seq in
        Array("\(stream) \(meter) \(seq)\(String(repeating: " ", count: padding))".utf8)
    }
}

extension Journal {
    /// Of a journal that is open.
    var openStream: String { stream ?? "" }

    /// All entries, page by page.
    func everything(after start: Int64 = 0, pages: Int = 100) async throws -> [JournalEntry] {
        var all: [JournalEntry] = []
        while case let page = try await entries(after: all.last?.position ?? start, limit: pages), !page.isEmpty {
            all += page
        }
        return all
    }

    func execute(_ sql: String) async throws {
        try await withConnection { db in try db.execute(sql: sql) }
    }

    /// For tests that write much and ask nothing about the disk.
    func withoutSync() async throws {
        try await execute("PRAGMA synchronous = OFF")
    }

    func number(_ sql: String) async throws -> Int64? {
        try await withConnection { db in try Int64.fetchOne(db, sql: sql) }
    }
}

/// The error of a call that must fail.
func failure<Value>(_ body: () async throws -> Value) async -> JournalError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? JournalError
    }
}

extension Logger {
    static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }

    /// Writes into the list.
    static func collecting(_ lines: LogLines) -> Logger {
        Logger(label: "collecting") { _ in CollectingHandler(lines: lines) }
    }
}

final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private struct CollectingHandler: LogHandler {
    let lines: LogLines
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add("\(event.level): \(event.message)")
    }
}
