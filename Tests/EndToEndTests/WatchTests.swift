import Foundation
import TestSupport
import Testing

/// `obisd status --watch` with a daemon that runs, on a terminal and without one.
@Suite("`obisd status --watch`")
struct WatchTests {
    private struct House {
        let folder: URL
        let daemon: DaemonProcess

        func watch(_ environment: [String], output: String, _ more: [String] = []) throws -> ChildProcess {
            try ChildProcess(
                "/usr/bin/env",
                ["-u", "NO_COLOR", "-u", "LC_ALL"] + environment + [
                    Program.path, "status", "--watch", "--every", "200ms", "--config", daemon.configuration,
                ] + more, output: output, error: folder.appendingPathComponent("error").path)
        }
    }

    /// With a meter that talks, one that cannot be reached, and no broker.
    private func withHouse(_ body: (House) async throws -> Void) async throws {
        try await withFolder { folder in
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=100ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: 1,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                    "id: a-meter-with-a-name-that-is-much-too-long-for-a-terminal, protocol: iec62056-21, "
                        + "transport: {serial: /nowhere/tty}",
                ])
            try await body(House(folder: folder, daemon: daemon))
            meters.end()
        }
    }

    @Test("draws over a terminal, follows its size and a daemon that comes and goes, and leaves it as it was")
    func terminal() async throws {
        try await withHouse { house in
            let terminal = try TestTerminal(columns: 100, rows: 20)
            let watch = try house.watch(["TERM=xterm", "LC_ALL=C.UTF-8"], output: terminal.path)
            try await waitFor("a view that misses the daemon") {
                terminal.lines().first?.hasPrefix("no daemon runs with the journal") == true
            }
            #expect(terminal.isOnOtherPage && !terminal.hasCursor)

            try house.daemon.start()
            try await waitFor("powers") {
                terminal.lines().contains { $0.hasPrefix("main ") && $0.contains(#/ W  .*[▁▂▃▄▅▆▇█]{3,}  100%/#) }
            }
            #expect(terminal.lines().first?.hasPrefix("e2e  obisd ") == true)
            #expect(terminal.lines().contains { $0.contains("…  offline") })
            #expect(terminal.written.contains("\u{1B}[31mbroker not connected\u{1B}[0m"))

            terminal.resize(columns: 40, rows: 5)
            watch.signal(SIGWINCH)
            try await waitFor("a view that fits") {
                let lines = terminal.lines()
                return lines.count == 5 && lines.allSatisfy { $0.count <= 40 } && lines[4].hasSuffix("more lines")
            }
            terminal.resize(columns: 100, rows: 20)
            #expect(try await house.daemon.terminate() == 0)
            try await waitFor("a view of the past") {
                terminal.lines().contains { $0.contains("what follows is of ") && $0.contains("no daemon runs") }
            }
            watch.signal(SIGINT)
            #expect(try await watch.waitForExit(within: .seconds(60)) == 0)
            _ = terminal.lines()
            #expect(!terminal.isOnOtherPage && terminal.hasCursor)
        }
    }

    @Test("gives a terminal without UTF-8 ASCII, without colours where they are not wanted, and ends with SIGTERM")
    func ascii() async throws {
        try await withHouse { house in
            try house.daemon.start()
            let terminal = try TestTerminal(columns: 100, rows: 20)
            let watch = try house.watch(["TERM=xterm", "LC_ALL=C", "NO_COLOR=1"], output: terminal.path)
            try await waitFor("powers") {
                terminal.lines().contains { $0.hasPrefix("main ") && $0.contains(##/ W  .*[.:=+*#@-]{3,}  100%/##) }
            }
            watch.signal(SIGTERM)
            #expect(try await watch.waitForExit(within: .seconds(60)) == 0)
            _ = terminal.lines()
            #expect(terminal.written.utf8.allSatisfy { $0 < 0x80 })
            #expect(!terminal.written.contains(#/\u{1B}\[[0-9]+m/#))
            #expect(!terminal.isOnOtherPage && terminal.hasCursor)
            #expect(try await house.daemon.terminate() == 0)
        }
    }

    @Test("without a terminal, or with one that knows nothing, it is plain lines", arguments: [true, false])
    func plain(isDumb: Bool) async throws {
        try await withHouse { house in
            try house.daemon.start()
            let terminal = try TestTerminal(columns: 200, rows: 500)
            let file = house.folder.appendingPathComponent("lines").path
            let watch = try house.watch(["TERM=\(isDumb ? "dumb" : "xterm")"], output: isDumb ? terminal.path : file)
            func written() throws -> String {
                _ = terminal.lines()
                return isDumb ? terminal.written : (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            }
            try await waitFor("three lines with powers") {
                try written().split(whereSeparator: \.isNewline).count {
                    $0.contains(#/ main: online, .* power -?[0-9.]+ W, /#)
                }
                    >= 3
            }
            watch.signal(SIGTERM)
            #expect(try await watch.waitForExit(within: .seconds(60)) == 0)
            #expect(try !written().contains("\u{1B}"))
            #expect(try await house.daemon.terminate() == 0)
        }
    }

    @Test("as JSON it is one object of the daemon on each line; a reader that has enough ends it")
    func json() async throws {
        try await withHouse { house in
            let file = house.folder.appendingPathComponent("first").path
            let errors = house.folder.appendingPathComponent("errors").path
            let shell = try ChildProcess(
                "/bin/sh",
                [
                    "-c",
                    "'\(Program.path)' status --watch --every 200ms --format json --config '\(house.daemon.configuration)' "
                        + "2>'\(errors)' | head -n 3",
                ], output: file)
            try await waitFor("a word of the absent daemon") {
                (try? String(contentsOfFile: errors, encoding: .utf8))?.contains("no daemon runs") == true
            }
            try house.daemon.start()
            #expect(try await shell.waitForExit(within: .seconds(60)) == 0)
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 3)
            for line in lines {
                let status = try #require(ExactJSON(String(line)))
                #expect(status["node"]?.string == "e2e" && status["meters"]?.items.count == 2)
            }
            #expect(try await house.daemon.terminate() == 0)
        }
    }

    @Test("a wrong pause is named", arguments: ["0s", "2", "3h"])
    func wrongPause(every: String) async throws {
        let outcome = try await Program.run(["status", "--watch", "--every", every])
        #expect(outcome.exitCode == 64 && outcome.error.contains("from 200ms to 1h"))
    }
}
