import CFaultVFS
import Foundation
import Journal
import Logging
import OBIS

// A process that writes a journal until it is killed, and says on its standard output what it was promised.
//
// usage: JournalWriter PATH WAY NUMBER
// WAY is `never`, `checkpoint` or the name of a failpoint; the process kills itself when it gets there for the
// NUMBERth time. Lines: `stream S`, `accepted METER SEQ POSITION`, `acknowledging POSITION`, `acknowledged POSITION`.

let words = CommandLine.arguments
guard words.count == 4, let number = Int64(words[3]) else { exit(64) }
let (path, way) = (words[1], words[2])
let failpoint = Failpoint(rawValue: way)

/// One write of a whole line: what the other side has read was said before the end.
@Sendable func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

final class Countdown: @unchecked Sendable {
    // Only counted on the journal's thread.
    var left: Int64
    init(_ left: Int64) { self.left = left }
}

let countdown = Countdown(number)
var seams = JournalSeams(reached: { point in
    guard point == failpoint else { return }
    countdown.left -= 1
    if countdown.left == 0 { kill(getpid(), SIGKILL) }
})
if failpoint == .migrating {
    seams.laterMigrations = ["one", "two"].map { name in
        { db in try db.execute(sql: "CREATE TABLE \(name)(x); INSERT INTO \(name) SELECT position FROM reading") }
    }
}
if way == "checkpoint" {
    fault_vfs_register()
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    fault_disk_kill_at_database_write(fault_disk_new(folder, false), number)
}

let journal = try await Journal.open(
    path: path, settings: JournalSettings(keep: nil, maxSize: 1 << 18),
    logger: Logger(label: "writer") { _ in SwiftLogNoOpLogHandler() }, seams: seams)
say("stream \(journal.stream ?? "none")")
_ = try await journal.cursor(of: "mqtt")
try await journal.withConnection { db in try db.execute(sql: "PRAGMA wal_autocheckpoint = 60") }
/// In either way.
@Sendable func advance(to cursor: OutletCursor, isHandedOver: Bool) async -> Bool {
    guard isHandedOver else { return (try? await journal.advance(outlet: "mqtt", to: cursor)) != nil }
    return await withCheckedContinuation { continuation in
        journal.advance(outlet: "mqtt", to: cursor) { result in
            continuation.resume(returning: (try? result.get()) != nil)
        }
    }
}

await withTaskGroup(of: Void.self) { group in
    for index in 0..<3 {
        group.addTask {
            while let reading = try? await journal.append(draft("meter-\(index)")) {
                say("accepted \(reading.meter) \(reading.seq) \(reading.position)")
                guard index == 0, reading.seq % 5 == 0 else { continue }
                let position = reading.position - reading.seq % 97
                say("acknowledging \(position)")
                guard await advance(to: OutletCursor(position), isHandedOver: reading.seq % 2 == 0) else { return }
                say("acknowledged \(position)")
            }
        }
    }
}
exit(1)

/// The same content as the test expects.
@Sendable func draft(_ meter: String) -> ReadingDraft {
    ReadingDraft(meter: meter, capturedAt: Timestamp(milliseconds: 1_768_000_000_000)) { stream, seq in
        Array("\(stream) \(meter) \(seq)\(String(repeating: " ", count: 700))".utf8)
    }
}
