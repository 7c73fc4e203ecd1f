import Foundation
import Journal
import Logging
import MQTT
import OBIS

/// The journal on a real disk: each batch is one synced transaction.
extension Workload {
    static let storing: [Workload] = [
        Workload(name: "append 64 at once", unit: .readings) {
            let stored = try await StoredReadings()
            return { count in
                for _ in 0..<(count + 63) / 64 { try await stored.append(64) }
                return count
            }
        },
        Workload(name: "read back", unit: .readings) {
            let stored = try await StoredReadings()
            for _ in 0..<20 { try await stored.append(100) }
            return { count in
                var (read, position) = (0, Int64(0))
                while read < count {
                    let page = try await stored.journal.entries(after: position, limit: 200)
                    guard let last = page.last else {
                        position = 0
                        continue
                    }
                    (read, position) = (read + page.count, last.position)
                }
                return read
            }
        },
        Workload(name: "move the cursor", unit: .readings) {
            let stored = try await StoredReadings()
            for _ in 0..<20 { try await stored.append(100) }
            var position: Int64 = 0
            return { count in
                for _ in 0..<count {
                    position += 1
                    try await stored.journal.advance(outlet: "mqtt", to: OutletCursor(position % 2000))
                }
                return count
            }
        },
    ]
}

/// A journal in a folder that goes with the process, and readings to put into it.
private final class StoredReadings: Sendable {
    let journal: Journal
    private let folder: String
    private let reading: Reading

    init() async throws {
        var meter = JudgedMeter(telegram: try Workload.telegram(of: Workload.smlFile(serial: "12345678"), "sml"))
        reading = meter.next()
        folder = FileManager.default.currentDirectoryPath + "/.workload-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        journal = try await Journal.open(
            path: folder + "/journal.db", settings: JournalSettings(),
            logger: Logger(label: "workload") { _ in SwiftLogNoOpLogHandler() })
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func append(_ count: Int) async throws {
        let reading = reading
        let drafts = (0..<count).map { _ in
            ReadingDraft(meter: "main", capturedAt: reading.capturedAt) { stream, seq in
                ReadingPayload.reading(ReadingBody(reading), node: "home", meter: "main", stream: stream, seq: seq)
            }
        }
        _ = try await journal.append(drafts)
    }
}
