import Glibc
import MeterSimulator
import Testing
import Wire

@testable import Transport

@Suite("TCP", .timeLimit(.minutes(1)))
struct TCPLinkTests {
    let opener = LinkOpener()

    /// A link and the meter's end of it.
    private func connect(_ server: TCPServer, host: String = "127.0.0.1") async throws -> (any Link, TCPMeterLine) {
        let link = try await opener.open(.tcp(host: host, port: server.port), logger: logger)
        var connections = server.connections.makeAsyncIterator()
        return (link, try #require(await connections.next()))
    }

    @Test("bytes pass both ways, by address and by name", arguments: ["127.0.0.1", "localhost"])
    func bothWays(host: String) async throws {
        let server = try await TCPServer()
        let (link, meter) = try await connect(server, host: host)
        try await link.send([1, 2, 3])
        #expect(await meter.inbound.bytes(3) == [1, 2, 3])
        await meter.send([4, 5])
        #expect(try await link.inbound.bytes(2) == [4, 5])
        try await link.setLine(LineSettings(baud: 300))
        await link.close()
        // The meter sees the end.
        #expect(await meter.inbound.bytes(1) == [])
        await server.close()
    }

    @Test("what the other side sent before it closed is read, and then its closing")
    func remoteClose() async throws {
        let server = try await TCPServer()
        let (link, meter) = try await connect(server)
        await meter.send([9])
        await meter.close()
        #expect(try await link.inbound.bytes(1) == [9])
        let error = await #expect(throws: TransportError.self) { try await link.inbound.bytes(1) }
        #expect(error?.code == .closed)
        #expect(error?.message == "tcp://127.0.0.1:\(server.port) closed the connection")
        await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
        await server.close()
    }

    @Test("nobody listening is refused, and the same address works when somebody does")
    func reconnect() async throws {
        let held = try HeldPort()
        let error = await #expect(throws: TransportError.self) {
            try await opener.open(.tcp(host: "127.0.0.1", port: held.port), logger: logger)
        }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("tcp://127.0.0.1:\(held.port)") == true)
        let second = try await TCPServer(port: held.port)
        let (link, meter) = try await connect(second)
        await meter.send([1])
        #expect(try await link.inbound.bytes(1) == [1])
        await link.close()
        await second.close()
    }

    @Test(
        "an address that cannot be one is an error of the configuration",
        arguments: [("", 1), ("h", 0), ("h", 65536), ("h", -1)])
    func impossible(host: String, port: Int) async {
        await #expect(throws: TransportError(.configuration, "")) {
            try await opener.open(.tcp(host: host, port: port), logger: logger)
        }
    }

    @Test("a name that nobody knows is told")
    func unknownName() async {
        let error = await #expect(throws: TransportError.self) {
            try await opener.open(.tcp(host: "no-such-gateway.invalid", port: 1), logger: logger)
        }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("no-such-gateway.invalid") == true)
    }

    @Test("a slow reader holds the sender up: the buffer stays within its limit and nothing is lost")
    func backPressure() async throws {
        let server = try await TCPServer()
        let (link, meter) = try await connect(server)
        let piece = (0..<65536).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let sender = Task {
            for _ in 0..<160 { await meter.send(piece) }
            await meter.close()
        }
        var total = 0
        var isRight = true
        var iterator = link.inbound.makeAsyncIterator()
        do {
            while let input = try await iterator.next() {
                isRight = isRight && input.bytes.first == piece[total % piece.count]
                total += input.bytes.count
                if total.isMultiple(of: 16) { await Task.yield() }
                if total % 100_000 < input.bytes.count { try await Task.sleep(for: .milliseconds(1)) }
            }
        } catch {
            #expect((error as? TransportError)?.code == .closed)
        }
        await sender.value
        #expect(total == 160 * 65536)
        #expect(isRight)
        let peak = try #require(link as? StreamLink).peakBytes
        #expect(peak <= Limits.linkBuffer)
        #expect(peak > LinkFeed.readSize)
        await server.close()
    }

    @Test("a connection that closes before anything was read hands over what was sent, within the limit")
    func closedUnread() async throws {
        let server = try await TCPServer()
        let (link, meter) = try await connect(server)
        let sender = Task {
            for _ in 0..<200 { await meter.send([UInt8](repeating: 7, count: 1000)) }
            await meter.close()
        }
        var count = 0
        await #expect(throws: TransportError(.closed, "")) {
            for try await input in link.inbound {
                count += input.bytes.count
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        await sender.value
        #expect(count == 200_000)
        #expect(try #require(link as? StreamLink).peakBytes <= Limits.linkBuffer)
        await server.close()
    }

    @Test("a cancelled opening ends at once and leaves no connection")
    func cancelled() async throws {
        let server = try await TCPServer()
        let opening = Task { try await opener.open(.tcp(host: "127.0.0.1", port: server.port), logger: logger) }
        opening.cancel()
        // It may have been connected already; else it says that it was cancelled.
        do {
            await (try await opening.value).close()
        } catch let error as TransportError {
            #expect(error.code == .cancelled)
        }
        await server.close()
    }

    @Test("fifty connections leave no socket behind, whoever closes first")
    func sockets() async throws {
        let server = try await TCPServer()
        for round in 0..<50 {
            let (link, meter) = try await connect(server)
            if round.isMultiple(of: 2) {
                await meter.close()
                await #expect(throws: TransportError(.closed, "")) { try await link.inbound.bytes(1) }
                await link.close()
            } else {
                await link.close()
                _ = await meter.inbound.bytes(1)
                await meter.close()
            }
        }
        #expect(try openSockets(port: server.port) == 0)
        await server.close()
    }

    @Test("a link that is forgotten closes itself")
    func forgotten() async throws {
        let server = try await TCPServer()
        let meter: TCPMeterLine
        do {
            let (link, accepted) = try await connect(server)
            meter = accepted
            _ = consume link
        }
        #expect(await meter.inbound.bytes(1) == [])
        await server.close()
    }
}

/// A port that is taken, so that no other test gets it, and that nobody listens on.
private final class HeldPort {
    let port: Int
    private let descriptor: Int32

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        try #require(isBound)
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}
