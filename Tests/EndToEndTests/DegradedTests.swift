import Foundation
import TestSupport
import Testing

/// A disk that takes nothing.
@Suite("Without a disk")
struct DegradedTests {
    /// No file may be written, as on a full disk; the log goes on.
    private static let full = [
        "bash", "-c", #"trap '' XFSZ; ulimit -S -f 0; exec "$@" 2> >(ulimit -S -f unlimited; exec cat >&2)"#, "bash",
    ]

    @Test("the daemon starts on a disk that is full, shows the state, and journals as soon as there is room")
    func start() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=200ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            try daemon.start(wrapper: Self.full)
            try await subscriber.wait(for: "the state without a journal") { subscriber in
                subscriber.last("obisd/e2e/main/state") != nil
                    && subscriber.last("obisd/e2e/main/availability")?.payload == "online"
                    && subscriber.last("obisd/e2e/info")?.json?["degraded"]?.bool == true
            }
            let state = try #require(subscriber.last("obisd/e2e/main/state")?.json)
            #expect(state["seq"] == .null && state["stream"] == .null)
            #expect(subscriber.newest("main") == 0)
            let status = try #require(try await daemon.status())
            #expect(status["degraded"]?.bool == true && status["stream"] == .null)

            let pid = try #require(daemon.pid)
            #expect(try ChildProcess.run("prlimit", ["--pid", "\(pid)", "--fsize=unlimited"]) == 0)
            try await subscriber.wait(for: "readings, and a gap before them") { subscriber in
                subscriber.newest("main") >= 3 && subscriber.messages.contains { $0.kind == "gap" }
            }
            let gap = try #require(subscriber.messages.first { $0.kind == "gap" }?.json)
            #expect(try Int(#require(gap["count"]?.digits)) ?? 0 > 0 && gap["from_seq"] == .null)
            #expect(subscriber.readings("main").first?.seq == 1)
            try await subscriber.wait(for: "a daemon that is whole again") {
                $0.last("obisd/e2e/info")?.json?["degraded"]?.bool == false
            }
            meters.end()
            #expect(try await daemon.terminate() == 0)
        }
    }

    @Test("a second daemon with the same journal ends at once and says why")
    func second() async throws {
        try await withFolder { folder in
            let daemon = try DaemonProcess(folder: folder, brokerPort: 1, meters: [])
            try daemon.start()
            try await daemon.waitForLog("obisd")
            let second = try await Program.run(["run", "--config", daemon.configuration])
            #expect(second.exitCode == 74 && second.error.contains("is in use by another process"))
            #expect(try await daemon.status() != nil)
            #expect(try await daemon.terminate() == 0)
        }
    }
}
