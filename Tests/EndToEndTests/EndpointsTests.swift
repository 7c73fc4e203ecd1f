import Foundation
import TestSupport
import Testing

/// What the daemon opens towards others, as the kernel saw it.
@Suite("The network")
struct EndpointsTests {
    private static let tracer = "/usr/bin/strace"

    @Test("nothing is opened but what is configured: the broker, the meter, and a socket of this machine")
    func endpoints() async throws {
        guard FileManager.default.isExecutableFile(atPath: Self.tracer) else {
            print("Not tested: what the daemon opens, there is no strace")
            return
        }
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let trace = LineFile(folder.appendingPathComponent("trace").path)
            let house = try await FaultHouse(
                in: folder, port: broker.port, subscriberPort: broker.port,
                // The daemon keeps its own process, which the tests end.
                wrapper: [
                    Self.tracer, "-D", "-f", "-qq", "-e", "trace=connect,bind,listen,sendto,sendmsg,sendmmsg",
                    "-o", folder.appendingPathComponent("trace").path,
                ])
            try house.startDaemon()
            try await house.readings.waitForMore(5)
            #expect(try await house.daemon.terminate() == 0)
            try trace.read()

            let calls = trace.lines.filter { $0.contains("sa_family=AF_INET") }
            let connected = calls.filter { $0.contains(" connect(") }.map(Self.address)
            #expect(Set(connected) == ["127.0.0.1:\(broker.port)", "127.0.0.1:\(house.meterPort)"])
            #expect(calls.count == connected.count, "\(calls.filter { !$0.contains(" connect(") })")

            // The control socket, which is a file.
            let bound = trace.lines.filter { $0.contains(" bind(") && !$0.contains("sa_family=AF_NETLINK") }
            #expect(bound.count == 1 && bound.allSatisfy { $0.contains("AF_UNIX") }, "\(bound)")
            let listening = trace.lines.filter { $0.contains(" listen(") }.map { Self.between("listen(", ",", in: $0) }
            #expect(Set(listening).count == 1, "\(listening)")
        }
    }

    /// Of `connect(7, {sa_family=AF_INET, sin_port=htons(1883), sin_addr=inet_addr("127.0.0.1")}, 16) = 0`.
    private static func address(_ call: String) -> String {
        "\(between("inet_addr(\"", "\"", in: call)):\(between("htons(", ")", in: call))"
    }

    private static func between(_ start: String, _ end: String, in text: String) -> String {
        guard let from = text.range(of: start), let to = text.range(of: end, range: from.upperBound..<text.endIndex)
        else { return "" }
        return String(text[from.upperBound..<to.lowerBound])
    }
}
