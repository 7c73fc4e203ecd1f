import Glibc
import MeterSimulator
import Testing
import Wire

@testable import Transport

@Suite("A call that is aborted before it is answered", .timeLimit(.minutes(1)))
struct AbortedCallTests {
    /// Connects and resets at once, as a scanner or a modem that restarts.
    private func abort(_ port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(try #require(UInt16(exactly: port))).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(isConnected == 0)
        var reset = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
    }

    @Test("is not taken for a stranger's, and the next one is heard")
    func aborted() async throws {
        let link = try await LinkOpener().listen(as: CallLink.self, .tcp, host: "127.0.0.1", from: [.localhost])
        let port = try #require(link.localPort)
        for _ in 0..<50 { try abort(port) }
        let meter = TCPCaller(reader: ("127.0.0.1", port))
        await meter.send([1, 2, 3])
        #expect(try await link.inbound.bytes(3) == [1, 2, 3])
        #expect(link.refused == 0)
        await meter.close()
        await link.close()
    }
}
