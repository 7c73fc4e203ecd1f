import MeterSimulator
import Testing
import Wire

@testable import Transport

@Suite("TCP on which meters call", .timeLimit(.minutes(1)))
struct CallLinkTests {
    let opener = LinkOpener()

    private func withListener(
        host: String? = "127.0.0.1", from networks: [AddressRange] = [.localhost],
        _ body: (CallLink, Int) async throws -> Void
    ) async throws {
        let link = try await opener.listen(as: CallLink.self, .tcp, host: host, from: networks)
        try await body(link, try #require(link.localPort))
        await link.close()
    }

    @Test("a meter calls, bytes pass both ways, and the end of its connection ends a burst and not the link")
    func calls() async throws {
        try await withListener { link, port in
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            for round in UInt8(1)...5 {
                await meter.send([round, 2, 3])
                #expect(try await link.inbound.piece() == .init([round, 2, 3], endsBurst: false))
                try await link.send([round])
                #expect(await meter.inbound.bytes(1) == [round])
                await meter.hangUp()
                // The reader waits, and learns of it.
                #expect(try await link.inbound.piece() == .init([]))
            }
            await meter.close()
        }
    }

    @Test("the end is marked on what waits, and a connection that said nothing marks nothing")
    func markedOnWaiting() async throws {
        try await withListener { link, port in
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            for number in UInt8(1)...20 {
                try await meter.call()
                await meter.hangUp()
                await meter.send([number, number])
                await meter.hangUp()
            }
            for number in UInt8(1)...20 {
                let burst = try await link.inbound.burst()
                #expect(burst == [number, number])
            }
            await meter.close()
        }
    }

    @Test("before anybody called, and after the caller hung up, sending says that nobody is connected")
    func nobody() async throws {
        try await withListener { link, port in
            let error = await #expect(throws: TransportError.self) { try await link.send([1]) }
            #expect(error?.code == .closed)
            #expect(error?.message.contains("nobody is connected") == true)
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            await meter.send([1])
            _ = try await link.inbound.piece()
            try await link.send([])
            await meter.close()
            _ = try await link.inbound.piece()
            await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
        }
    }

    @Test("a new connection replaces a half-open one, and what the old one had sent is read before")
    func replaced() async throws {
        try await withListener { link, port in
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            await meter.send([1])
            #expect(try await link.inbound.piece() == .init([1], endsBurst: false))
            // The old connection stays open at the meter's side.
            try await meter.call()
            await meter.send([2])
            #expect(try await link.inbound.piece() == .init([]))
            #expect(try await link.inbound.piece() == .init([2], endsBurst: false))
            try await link.send([3])
            #expect(await meter.inbound.bytes(1) == [3])
            await meter.close()
        }
    }

    @Test("a connection from elsewhere is closed at once, and does not take the place of the meter")
    func strangers() async throws {
        try await withListener { link, port in
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            await meter.send([1])
            #expect(try await link.inbound.piece() == .init([1], endsBurst: false))
            let stranger = TCPCaller(reader: ("127.0.0.1", port), host: "127.0.0.2")
            for _ in 0..<5 {
                try await stranger.call()
                while stranger.isConnected { await Task.yield() }
            }
            await meter.send([2])
            #expect(try await link.inbound.piece() == .init([2], endsBurst: false))
            #expect(link.refused == 5)
            await stranger.close()
            await meter.close()
        }
    }

    @Test("without a host both IPv4 and IPv6 meters are heard")
    func dualStack() async throws {
        try await withListener(host: nil, from: [.localhost, .localhost6]) { link, port in
            for (host, byte) in [("127.0.0.1", UInt8(4)), ("::1", 6)] {
                let meter = TCPCaller(reader: (host, port))
                await meter.send([byte])
                await meter.close()
                let burst = try await link.inbound.burst()
                #expect(burst == [byte])
            }
        }
    }

    @Test("a slow reader holds the meter up: the buffer stays within its limit and nothing is lost")
    func backPressure() async throws {
        try await withListener { link, port in
            let piece = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            let sender = Task {
                for _ in 0..<30 {
                    await meter.send(piece)
                    await meter.hangUp()
                }
            }
            for _ in 0..<30 {
                try await Task.sleep(for: .milliseconds(2))
                #expect(try await link.inbound.burst() == piece)
            }
            await sender.value
            #expect(link.peakBytes <= Limits.linkBuffer)
            #expect(link.peakBytes > LinkFeed.readSize)
            await meter.close()
        }
    }

    @Test("closing ends the reader without error, hangs up, and frees the port")
    func closed() async throws {
        let link = try await opener.listen(as: CallLink.self, .tcp)
        let port = try #require(link.localPort)
        let meter = TCPCaller(reader: ("127.0.0.1", port))
        await meter.send([1])
        _ = try await link.inbound.piece()
        let reader = Task { try await link.inbound.piece() }
        await link.close()
        await link.close()
        #expect(try await reader.value == nil)
        while meter.isConnected { await Task.yield() }
        await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
        let address = ListenAddress(kind: .tcp, host: "127.0.0.1", port: port)
        await (try await opener.reopen(.listen(address, from: []))).close()
        await meter.close()
    }

    @Test("a link that is forgotten closes its port and its connection")
    func forgotten() async throws {
        var link: CallLink? = try await opener.listen(as: CallLink.self, .tcp)
        let port = try #require(link?.localPort)
        let meter = TCPCaller(reader: ("127.0.0.1", port))
        try await meter.call()
        link = nil
        while meter.isConnected { await Task.yield() }
        await meter.close()
        try await untilFree(port, .tcp)
    }

    @Test("a reader that is cancelled is woken, and another reads on")
    func cancelled() async throws {
        try await withListener { link, port in
            let reader = Task { try await link.inbound.piece() }
            reader.cancel()
            let end = try await reader.value
            #expect(end == nil)
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            await meter.send([1])
            #expect(try await link.inbound.piece() == .init([1], endsBurst: false))
            await meter.close()
        }
    }
}

extension LinkInbound {
    /// Reads to the end of a burst.
    func burst() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await piece() {
            bytes += piece.bytes
            if piece.endsBurst { break }
        }
        return bytes
    }
}
