import Foundation
import LogMessages
import Logging
import TestSupport
import Testing

@testable import Daemon

@Suite("The service manager's journal")
struct JournaldLogTests {
    @Test("gets an entry with the message's id and every detail as a field")
    func fields() throws {
        let journal = try JournalSocket()
        var logger = try #require(journal.logger())
        logger[metadataKey: "meter"] = "main"
        logger.warning(.messageDropped, "A message was dropped.", metadata: ["error": "checksum", "bad-name": "x"])
        let entry = try #require(journal.read())
        let line = #line - 2
        #expect(
            entry.sorted() == [
                "CODE_FILE=DaemonTests/JournaldLogTests.swift", "CODE_LINE=\(line)",
                "MESSAGE=A message was dropped. [bad-name=x error=checksum meter=main]",
                "MESSAGE_ID=\(LogMessage.messageDropped.id)", "OBISD_ERROR=checksum", "OBISD_METER=main", "PRIORITY=4",
                "SYSLOG_IDENTIFIER=obisd",
            ])
    }

    @Test("gets no field, line or escape that a meter words, and no entry without bound")
    func hostile() throws {
        let journal = try JournalSocket()
        let logger = try #require(journal.logger())
        let forged = "x\nMESSAGE_ID=1\r\u{1B}[2J\u{2028}\u{202E}\u{85}end"
        logger.error("\(forged)", metadata: ["error": "\(forged)", "a": "\(String(repeating: "ä", count: 100_000))"])
        let entry = try #require(journal.read())
        #expect(entry.count == 7)
        #expect(!entry.contains { $0.hasPrefix("MESSAGE_ID") })
        #expect(entry.contains("OBISD_ERROR=x MESSAGE_ID=1  [2J   end"))
        let long = try #require(entry.first { $0.hasPrefix("OBISD_A=") })
        #expect(long.hasSuffix("ä…") && long.utf8.count <= LogText.valueLimit + 12)
        let most = Dictionary(
            uniqueKeysWithValues: (0..<100).map { ("k\($0)", Logger.MetadataValue.string(long + long)) })
        logger.error("\(String(repeating: "m", count: 100_000))", metadata: most)
        let largest = try #require(journal.read()).joined(separator: "\n")
        #expect(largest.utf8.count <= 24 * 1024)
    }

    @Test("that takes nothing at the moment holds up nobody")
    func full() throws {
        let journal = try JournalSocket()
        let socket = try #require(JournaldSocket(path: journal.path))
        let datagram = [UInt8](repeating: 65, count: 1000)
        // Ends only because none of the calls waits.
        var taken = 0
        while socket.send(datagram) { taken += 1 }
        #expect(taken > 0)
        while journal.read() != nil {}
        #expect(socket.send(datagram))
    }

    @Test("is found again when it comes back, and not taken where nobody listens")
    func away() throws {
        let path: String
        let socket: JournaldSocket
        do {
            let journal = try JournalSocket()
            path = journal.path
            socket = try #require(JournaldSocket(path: path))
        }
        #expect(!socket.send([65]))
        #expect(JournaldSocket(path: path) == nil)
        let again = try JournalSocket(path: path)
        #expect(socket.send(Array("MESSAGE=a\n".utf8)))
        #expect(again.read() == ["MESSAGE=a"])
        #expect(JournaldSocket(path: String(repeating: "x", count: 200)) == nil)
    }
}

extension JournalSocket {
    fileprivate func logger() -> Logger? {
        guard let log = JournaldLog(path: path, level: .trace) else { return nil }
        return Logger(label: "test") { _ in log }
    }
}
