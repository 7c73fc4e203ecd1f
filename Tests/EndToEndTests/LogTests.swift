import Foundation
import LogMessages
import TestSupport
import Testing

@Suite("The log")
struct LogTests {
    /// The first lines of a daemon without a broker and with a port that is not there.
    private func lines(journal: Journal = .none) async throws -> [String] {
        try await withFolder { folder in
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: 1,
                meters: ["id: main, protocol: dlms-push, transport: {serial: \(folder.path)/nothing}"])
            // Nobody listens there: what follows is about standard error alone.
            try daemon.start(
                ["--journal-socket", folder.path + "/none"],
                environment: journal.environment(log: daemon.log.path))
            try await daemon.waitForLog("The line is not open")
            try await daemon.waitForLog("broker")
            #expect(try await daemon.terminate() == 0)
            try daemon.log.read()
            return daemon.log.lines
        }
    }

    /// What the service manager says about the daemon's standard error.
    enum Journal: CaseIterable {
        case none
        case isStandardError
        /// It was, and then standard error was redirected.
        case isElsewhere

        func environment(log: String) -> [String] {
            guard self != .none else { return [] }
            guard self == .isStandardError else { return ["JOURNAL_STREAM=8:1"] }
            var status = stat()
            guard FileManager.default.createFile(atPath: log, contents: nil), stat(log, &status) == 0 else { return [] }
            return ["JOURNAL_STREAM=\(status.st_dev):\(status.st_ino)"]
        }
    }

    @Test("shows time and level to a person", arguments: [Journal.none, .isElsewhere])
    func person(journal: Journal) async throws {
        let pattern = try Regex(
            #"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|NOTICE|WARNING) (obisd |[A-Z]).*"#)
        let lines = try await lines(journal: journal)
        let odd = lines.filter { $0.wholeMatch(of: pattern) == nil }
        #expect(odd == [])
        #expect(lines.count >= 3)
        #expect(lines.contains { $0.contains("reads 1 meter.") })
        #expect(
            lines.contains { $0.contains("WARNING The line is not open") && $0.contains("meter=main") })
        #expect(lines.last?.hasSuffix("NOTICE Stopped.") == true)
    }

    @Test("has the priorities of the service manager's journal where that reads it")
    func journal() async throws {
        let pattern = try Regex(#"<[2-7]>(obisd |[A-Z]).*"#)
        let lines = try await lines(journal: .isStandardError)
        let odd = lines.filter { $0.wholeMatch(of: pattern) == nil }
        #expect(odd == [])
        #expect(lines.count >= 3)
        #expect(lines.contains { $0.hasPrefix("<4>The line is not open") })
        #expect(lines.last == "<5>Stopped.")
    }

    @Test("is made of entries with fields where the service manager's journal listens, and is whole without it")
    func native() async throws {
        try await withFolder { folder in
            let socket = try JournalSocket()
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: 1,
                meters: ["id: main, protocol: dlms-push, transport: {serial: \(folder.path)/nothing}"])
            try daemon.start(
                ["--journal-socket", socket.path],
                environment: Journal.isStandardError.environment(log: daemon.log.path))
            var entries: [[String]] = []
            try await waitFor("an entry about the line") {
                while let entry = socket.read() { entries.append(entry) }
                return entries.contains { $0.contains("MESSAGE_ID=\(LogMessage.lineLost.id)") }
            }
            #expect(try await daemon.terminate() == 0)
            while let entry = socket.read() { entries.append(entry) }
            let line = try #require(entries.first { $0.contains("MESSAGE_ID=\(LogMessage.lineLost.id)") })
            #expect(
                Set(["PRIORITY=4", "SYSLOG_IDENTIFIER=obisd", "OBISD_METER=main", "OBISD_PROTOCOL=dlms-push"])
                    .isSubset(of: line))
            #expect(line.contains { $0.hasPrefix("OBISD_ERROR=") })
            #expect(entries.contains { $0.contains("MESSAGE_ID=\(LogMessage.daemonReady.id)") })
            #expect(entries.last?.contains("MESSAGE_ID=\(LogMessage.daemonStopped.id)") == true)
            try daemon.log.read()
            #expect(daemon.log.lines == [])
        }
    }
}
