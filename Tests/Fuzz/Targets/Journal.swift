import Dispatch
import Foundation
import GRDB
import Journal
import Logging
import OBIS
import Synchronization

/// Rows of a journal that is not what it was: read by SQL, and from the pages of a damaged file.
extension FuzzTarget {
    static let journal: [FuzzTarget] = [
        // The input changes columns of a journal in memory, and what is read is as it was at the end.
        FuzzTarget("journal.rows", .decoder, maximumLength: 512) {
            [[0, 1, 0, 1, 5], [2, 3, 2, 4, 97, 98], [4, 0, 3, 3, 1, 2, 3], [3, 2, 1, 255]]
        } run: { bytes in
            try? StoredJournal.shared?.memory.writeWithoutTransaction { db in
                try db.inTransaction {
                    try change(db, bytes)
                    read(db)
                    return .rollback
                }
            }
        },
        // The input is what stands behind the first page.
        FuzzTarget("journal.pages", .decoder, maximumLength: 2 * StoredJournal.pageSize) {
            StoredJournal.shared?.pages ?? []
        } run: { bytes in
            guard let journal = StoredJournal.shared else { return }
            let padding = [UInt8](repeating: 0, count: -bytes.count & (StoredJournal.pageSize - 1))
            salvage(journal.firstPage + bytes + padding, log: [])
        },
        FuzzTarget("journal.header", .decoder, maximumLength: StoredJournal.pageSize) {
            StoredJournal.shared.map { [$0.firstPage] } ?? []
        } run: { bytes in
            salvage(bytes, log: bytes)
        },
        // The input is the write-ahead log.
        FuzzTarget("journal.log", .decoder, maximumLength: 16_384) {
            StoredJournal.shared.map { [$0.log] } ?? []
        } run: { bytes in
            salvage(StoredJournal.shared?.firstPage ?? [], log: bytes)
        },
        FuzzTarget("journal.cursor", .decoder, maximumLength: 512) {
            Sample.texts(["house 7\ncellar 9", "a 1", ""])
        } run: { bytes in
            try? StoredJournal.shared?.memory.writeWithoutTransaction { db in
                try db.inTransaction {
                    try db.execute(
                        sql: "UPDATE outlet SET apart = ?", arguments: [String(decoding: bytes, as: UTF8.self)])
                    _ = try? db.cursors()
                    return .rollback
                }
            }
        },
    ]

    // MARK: Rows

    private static let tables: [(name: String, columns: [String], hasRowIDs: Bool)] = [
        ("reading", ["position", "meter", "seq", "captured_at", "checksum", "payload"], true),
        ("meter", ["id", "last_seq", "last_position", "name"], true),
        ("gap", ["position", "meter", "from_seq", "to_seq", "from_time", "to_time", "count", "reason"], true),
        ("outlet", ["position", "apart"], false), ("event", ["number", "meter", "at", "payload", "checksum"], true),
        ("state", ["meter", "key", "value"], false),
    ]

    private static func change(_ db: Database, _ bytes: [UInt8]) throws {
        var choices = Choices(bytes)
        for _ in 0..<8 where !choices.isUsedUp {
            let table = choices.element(of: tables)
            let column = choices.element(of: table.columns)
            let row = choices.number(below: 4)
            let value = value(&choices)
            let which = table.hasRowIDs ? "WHERE rowid = (SELECT rowid FROM \(table.name) LIMIT 1 OFFSET \(row))" : ""
            // What the schema forbids, a damaged file may have; those are the pages' matter.
            try? db.execute(sql: "UPDATE \(table.name) SET \(column) = ? \(which)", arguments: [value])
        }
    }

    private static func value(_ choices: inout Choices) -> DatabaseValue {
        switch choices.number(below: 5) {
        case 0: choices.integer().databaseValue
        case 1: Int64(choices.byte()).databaseValue
        case 2: choices.text().databaseValue
        case 3: Data(choices.run()).databaseValue
        default: Double(choices.integer()).databaseValue
        }
    }

    private static func read(_ db: Database) {
        var place: Int64 = 0
        for _ in 0..<16 {
            guard let entries = try? db.entries(after: place, limit: 4), let last = entries.last else { break }
            precondition(last.position > place, "the queue does not go on")
            place = last.position
        }
        _ = try? db.entries(of: "house", after: 0, through: .max, limit: 10)
        _ = try? db.events("anomaly", after: 0, limit: 10)
        _ = (try? db.cursors(), try? db.values(of: "house"))
    }

    // MARK: Pages

    private static func salvage(_ database: [UInt8], log: [UInt8]) {
        let folder = Scratch.folder
        let files = JournalFiles(path: folder + "/journal.db")
        guard Scratch.write(database, to: folder + "/journal.db"), Scratch.write(log, to: folder + "/journal.db-wal"),
            var file = try? DamagedFile(files)
        else { return }
        _ = file.isJournal
        file.readBehindDamage(files)
        let salvage = Salvage(file)
        _ = (salvage.isCertain, SalvagedQueue(salvage).missing)
    }
}

/// A folder of this process, removed at its end.
enum Scratch {
    static let folder: String = {
        let name = NSTemporaryDirectory() + "obisd-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
        try? FileManager.default.createDirectory(atPath: name, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: Scratch.folder) }
        return name
    }()

    static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }
}

/// A journal with some of everything, made once.
private final class StoredJournal: Sendable {
    static let pageSize = 4096
    static let shared = StoredJournal()

    let memory: DatabaseQueue
    let firstPage: [UInt8]
    /// Those behind the first.
    let pages: [[UInt8]]
    let log: [UInt8]

    private init?() {
        let path = Scratch.folder + "/seed.db"
        let done = DispatchSemaphore(value: 0)
        let log = Mutex<[UInt8]>([])
        // The caller waits on a thread of its own.
        Task.detached {
            let bytes = await Self.make(path)
            log.withLock { $0 = bytes }
            done.signal()
        }
        done.wait()
        guard let memory = try? DatabaseQueue(), let file = try? DatabaseQueue(path: path),
            (try? file.backup(to: memory)) != nil, let content = FileManager.default.contents(atPath: path),
            content.count > Self.pageSize
        else { return nil }
        let bytes = [UInt8](content)
        self.memory = memory
        self.log = log.withLock { $0 }
        firstPage = Array(bytes.prefix(Self.pageSize))
        pages = stride(from: Self.pageSize, to: bytes.count - Self.pageSize + 1, by: Self.pageSize).map {
            Array(bytes[$0..<($0 + Self.pageSize)])
        }
    }

    /// - Returns: the write-ahead log, before it is emptied.
    private static func make(_ path: String) async -> [UInt8] {
        let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        guard let journal = try? await Journal.open(path: path, settings: JournalSettings(), logger: logger) else {
            return []
        }
        for number in Int64(0)..<6 {
            let time = Timestamp(milliseconds: 1_768_000_000_000 + number)
            for meter in ["house", "cellar"] {
                let draft = ReadingDraft(meter: meter, capturedAt: time, values: ["known": Array("7".utf8)]) {
                    Array("{\"stream\":\"\($0)\",\"seq\":\($1)}".utf8)
                }
                _ = try? await journal.append(draft)
            }
            _ = try? await journal.append(EventDraft(meter: "house", kind: "anomaly", at: time, payload: [0x7B, 0x7D]))
        }
        try? await journal.record(
            GapDraft(
                meter: "house", fromTime: Timestamp(milliseconds: 1), toTime: Timestamp(milliseconds: 2), count: 3,
                reason: .journalFull))
        try? await journal.advance(outlet: "mqtt", to: OutletCursor(5, apart: ["house": 2]))
        let log = FileManager.default.contents(atPath: path + "-wal").map { [UInt8]($0.prefix(16_384)) } ?? []
        await journal.close()
        return log
    }
}
