import MQTT
import OBIS
import Testing

@testable import Daemon

@Suite("Commands over the broker")
struct CommandTests {
    private static let now = Timestamp(milliseconds: 1_768_476_896_000)

    private func verdict(
        _ payload: String, isRetained: Bool = false, _ ledger: inout CommandLedger, now: Timestamp = Self.now
    ) -> String {
        let message = MQTTMessage(topic: "obisd/n/m/command", payload: Array(payload.utf8), retain: isRetained)
        return switch ledger.admit(message, now: now) {
        case .admitted(let command): "\(command.verb.rawValue) \(command.id)"
        case .refused(_, let reason): reason
        }
    }

    @Test("what is new, in time and small is done; everything else is refused in words")
    func admission() {
        var ledger = CommandLedger()
        for (payload, expected) in [
            (#"{"id":"1","verb":"read"}"#, "read 1"),
            (#"{"id":"1","verb":"read"}"#, "the command was given before"),
            (#"{"id":"2","verb":"read","expires_at":"2026-01-15T11:34:57Z"}"#, "read 2"),
            (#"{"id":"3","verb":"read","expires_at":"2026-01-15T11:34:55Z"}"#, "the command has expired"),
            (#"{"id":"4","verb":"read","expires_at":"2026-01-15T12:34:57+01:00"}"#, "read 4"),
            (#"{"id":"5","verb":"read","expires_at":"2026-01-15T12:34:57.250+01:00"}"#, "read 5"),
            (#"{"id":"6","verb":"read","expires_at":"2026-01-15T12:34:55+01:00"}"#, "the command has expired"),
            (
                #"{"id":"7","verb":"read","expires_at":"2026-02-20T00:00:00Z"}"#,
                "`expires_at` is more than 30 days ahead"
            ),
            (#"{"id":"7","verb":"read","expires_at":"soon"}"#, "`expires_at` is no time"),
            (#"{"id":"8","verb":"set"}"#, "the command is no object with `id` and `verb` (read, ignore, resolve)"),
            (#"{"id":"","verb":"read"}"#, "the command is no object with `id` and `verb` (read, ignore, resolve)"),
            (
                #"{"id":"8","verb":"read","verb":"write"}"#,
                "the command is no object with `id` and `verb` (read, ignore, resolve)"
            ),
            (
                #"{"id":"8","verb":"read","expires_at":"2099-01-01T00:00:00Z","expires_at":"2020-01-01T00:00:00Z"}"#,
                "the command is no object with `id` and `verb` (read, ignore, resolve)"
            ),
            ("PRESS", "the command is no object with `id` and `verb` (read, ignore, resolve)"),
            (String(repeating: "x", count: 5000), "the command is too large"),
        ] {
            #expect(verdict(payload, &ledger) == expected)
        }
        #expect(
            verdict(#"{"id":"9","verb":"read"}"#, isRetained: true, &ledger)
                == "a retained command would be done again and again")
    }

    @Test("what was done before a restart is known as soon as the journal tells of it, also with commands since")
    func recalled() {
        var before = CommandLedger()
        #expect(verdict(#"{"id":"1","verb":"read"}"#, &before) == "read 1")
        var ledger = CommandLedger()
        #expect(verdict(#"{"id":"2","verb":"read"}"#, &ledger) == "read 2")
        ledger.add(stored: before.stored)
        for id in 1...2 {
            #expect(verdict(#"{"id":"\#(id)","verb":"read"}"#, &ledger) == "the command was given before")
        }
        ledger = CommandLedger(stored: ledger.stored)
        #expect(verdict(#"{"id":"1","verb":"read"}"#, &ledger) == "the command was given before")
    }

    @Test("a command that expires is done once at most, whatever comes between, and over a restart")
    func expiring() {
        var ledger = CommandLedger()
        func command(_ id: Int) -> String { #"{"id":"\#(id)","verb":"read","expires_at":"2026-01-15T12:00:00Z"}"# }
        #expect(verdict(command(0), &ledger) == "read 0")
        let others = (1...5000).map { verdict(#"{"id":"\#($0)","verb":"read"}"#, &ledger) }
        #expect(others == (1...5000).map { "read \($0)" })
        #expect(verdict(command(0), &ledger) == "the command was given before")
        ledger = CommandLedger(stored: ledger.stored)
        #expect(verdict(command(0), &ledger) == "the command was given before")
        #expect(verdict(#"{"id":"5000","verb":"read"}"#, &ledger) == "the command was given before")
        // Later it is refused for being late, and takes no room any more.
        let later = Timestamp(milliseconds: Self.now.milliseconds + 3_600_000)
        #expect(verdict(command(0), &ledger, now: later) == "the command has expired")
    }

    @Test("where as many commands as are remembered have not expired, no other is taken until one has")
    func full() {
        var ledger = CommandLedger()
        let ids = 1...CommandLedger.remembered
        let verdicts = ids.map {
            verdict(#"{"id":"\#($0)","verb":"read","expires_at":"2026-01-15T12:00:00Z"}"#, &ledger)
        }
        #expect(verdicts == ids.map { "read \($0)" })
        #expect(verdict(#"{"id":"new","verb":"read"}"#, &ledger) == "too many commands have not expired yet")
        let later = Timestamp(milliseconds: Self.now.milliseconds + 3_600_000)
        #expect(verdict(#"{"id":"new","verb":"read"}"#, &ledger, now: later) == "read new")
    }

    @Test("as many as are remembered fit into a value of the journal, however long their ids are")
    func size() async throws {
        var ledger = CommandLedger()
        let long = String(repeating: "ü", count: 58)
        for number in 1...(CommandLedger.remembered + 5) {
            #expect(verdict(#"{"id":"\#(long)\#(number)","verb":"read"}"#, &ledger) == "read \(long)\(number)")
        }
        #expect(ledger.stored.count < 65_536)
        var restarted = CommandLedger(stored: ledger.stored)
        #expect(restarted.stored == ledger.stored)
        let last = #"{"id":"\#(long)\#(CommandLedger.remembered + 5)","verb":"read"}"#
        #expect(verdict(last, &restarted) == "the command was given before")
        #expect(verdict(#"{"id":"\#(long)5","verb":"read"}"#, &restarted) == "read \(long)5")
    }

    @Test("a command that never expires may come again after a day")
    func day() {
        var ledger = CommandLedger()
        let command = #"{"id":"1","verb":"read"}"#
        #expect(verdict(command, &ledger) == "read 1")
        for (hours, expected) in [(23, "the command was given before"), (24, "read 1")] {
            let later = Timestamp(milliseconds: Self.now.milliseconds + Int64(hours) * 3_600_000)
            #expect(verdict(command, &ledger, now: later) == expected)
        }
    }

    @Test("a command's topic names its meter, and no other topic does")
    func topics() {
        let topics = Topics(base: "home/obisd", node: "n")
        #expect(topics.meter(ofCommand: topics.command("main")) == "main")
        for other in [
            "home/obisd/n/main/command/result", "home/obisd/n/command", "home/obisd/x/main/command", "a/command",
        ] {
            #expect(topics.meter(ofCommand: other) == nil)
        }
    }
}
