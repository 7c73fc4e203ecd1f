import LogMessages
import Testing

@testable import Transport

@Suite("Warnings that a stranger can cause")
struct PacedWarningTests {
    @Test("the first is said at once, later ones ever more rarely with their number")
    func pacing() {
        let lines = LogLines()
        let warning = PacedWarning("A datagram was dropped.", endpoint: "udp://:1", logger: lines.logger)
        warning.count(nil)
        for _ in 0..<99 { warning.count(nil) }
        #expect(
            lines.lines.map(\.metadata) == [
                [
                    "endpoint": "udp://:1", "source": "unknown", "total": "1",
                    "message_id": "\(LogMessage.strangerRefused.id)",
                ]
            ])
        warning.count(nil, at: .now + LogLimiter.pauses[0] + .seconds(1))
        #expect(lines.lines.count == 2)
        #expect(lines.lines.last?.metadata["total"] == "101")
        #expect(warning.total == 101)
        #expect(lines.lines.allSatisfy { $0.level == .warning && $0.message == "A datagram was dropped." })
    }
}
