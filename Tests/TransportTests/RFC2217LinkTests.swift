import MeterSimulator
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite("A serial port behind a server (RFC 2217)", .timeLimit(.minutes(1)))
struct RFC2217LinkTests {
    let opener = LinkOpener()

    private func withServer(
        _ meter: String = "9600 8N1", reader: String? = nil, faults: RFC2217Server.Faults = .init(),
        _ body: (any Link, RFC2217Server) async throws -> Void
    ) async throws {
        let line = try #require(LineSettings(meter))
        let server = try await RFC2217Server(line: line, readerLine: LineSettings(baud: 1200), faults: faults)
        let readerLine = try #require(LineSettings(reader ?? meter))
        // So that a busy machine does not let the time pass in which something else is to happen.
        let link = try await opener.rfc2217(port: server.port, line: readerLine, patience: .seconds(100))
        try await body(link, server)
        await link.close()
        await server.close()
    }

    /// What opening says, with little patience.
    private func problem(
        _ faults: RFC2217Server.Faults, patience: Duration = .seconds(5)
    ) async throws -> (TransportError?, port: Int) {
        let server = try await RFC2217Server(line: LineSettings(baud: 9600), faults: faults)
        let error = await #expect(throws: TransportError.self) {
            try await opener.rfc2217(port: server.port, line: LineSettings(baud: 300), patience: patience)
        }
        await server.close()
        return (error, server.port)
    }

    @Test("opening sets the line", arguments: ["300 7E1", "2400 8E1", "9600 8N1", "1200 8O2", "115200 7N2"])
    func opening(text: String) async throws {
        try await withServer(text) { link, server async throws in
            #expect(server.readerLine.description == text)
            #expect(link is StreamLink)
        }
    }

    @Test("every byte passes both ways unchanged, FF as well")
    func transparent() async throws {
        try await withServer("115200 8N1") { link, server async throws in
            let bytes = [UInt8](0...255) + [255, 255, 250, 240, 13, 0, 13, 10]
            await server.send(bytes)
            #expect(try await link.inbound.bytes(bytes.count) == bytes)
            try await link.send(bytes)
            #expect(await server.inbound.bytes(bytes.count) == bytes)
        }
    }

    @Test("a wrong speed gives garbage both ways")
    func wrongSpeed() async throws {
        let text = Array("/LGZ4ZMF100AC.M23\r\n".utf8)
        try await withServer("9600 8N1", reader: "4800 8N1") { link, server async throws in
            await server.send(text)
            let bytes = try await link.inbound.bytes(1)
            #expect(!bytes.isEmpty)
            #expect(bytes != text)
            try await link.send(text)
            #expect(await server.inbound.bytes(1).starts(with: text) == false)
        }
    }

    @Test("a change of speed is confirmed before setLine returns, and bytes pass at the new one")
    func change() async throws {
        try await withServer("300 7E1") { link, server async throws in
            let acknowledge: [UInt8] = [0x06, 0x30, 0x35, 0x30, 0x0D, 0x0A]
            try await link.send(acknowledge)
            #expect(await server.inbound.bytes(6) == acknowledge)
            let fast = LineSettings(baud: 9600, dataBits: 7, parity: .even)
            try await link.setLine(fast)
            #expect(server.readerLine == fast)
            await server.setLine(fast)
            await server.send(Array("1.8.0(1)".utf8))
            #expect(try await link.inbound.bytes(8) == Array("1.8.0(1)".utf8))
        }
    }

    @Test("send returns after the time that the characters take, and the line changes after it")
    func drained() async throws {
        let lines = Mutex<[LineSettings]>([])
        let slow = LineSettings(baud: 300)
        let server = try await RFC2217Server(line: slow) { line in lines.withLock { $0.append(line) } }
        let link = try await opener.open(.rfc2217(host: "127.0.0.1", port: server.port, line: slow), logger: logger)
        let start = ContinuousClock.now
        let sending = Task { try await link.send([1, 2, 3, 4, 5, 6]) }
        // The bytes are at the server long before their time on the line is over.
        #expect(await server.inbound.bytes(6) == [1, 2, 3, 4, 5, 6])
        try await link.setLine(LineSettings(baud: 9600))
        #expect(ContinuousClock.now - start >= slow.duration(ofCharacters: 6))
        try await sending.value
        #expect(lines.withLock { $0 }.contains(slow))
        #expect(lines.withLock { $0 }.last == LineSettings(baud: 9600))
        await link.close()
        await server.close()
    }

    @Test("a speed that the server refuses is told when opening, and leaves no connection")
    func refusedAtOpening() async throws {
        let (error, port) = try await problem(.init(refusedBaud: 300))
        #expect(error?.code == .configuration)
        #expect(error?.message.contains("rfc2217://127.0.0.1:\(port) refuses 300 baud: its port has 9600 baud") == true)
        #expect(try openSockets(port: port) == 0)
    }

    @Test("a speed that the server refuses at run time is told, and the link goes on")
    func refusedLater() async throws {
        try await withServer("300 7E1", faults: .init(refusedBaud: 9600)) { link, server async throws in
            let error = await #expect(throws: TransportError.self) {
                try await link.setLine(LineSettings(baud: 9600, dataBits: 7, parity: .even))
            }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("refuses 9600 baud: its port has 300 baud") == true)
            await server.send([1])
            #expect(try await link.inbound.bytes(1) == [1])
        }
    }

    @Test("a server that refuses the option, and one that says nothing, take no line settings")
    func noOption() async throws {
        let refusing = try await problem(.init(knowsNoOption: true))
        let silent = try await problem(.init(isSilent: true), patience: .milliseconds(50))
        for (error, port) in [refusing, silent] {
            #expect(error?.code == .configuration)
            #expect(
                error?.message
                    == "rfc2217://127.0.0.1:\(port) does not take line settings (RFC 2217); "
                    + "use `tcp:` if it is a plain gateway")
            #expect(try openSockets(port: port) == 0)
        }
    }

    @Test("a speed that no port has is an error of the configuration")
    func impossibleSpeed() async throws {
        try await withServer { link, _ in
            await #expect(throws: TransportError(.configuration, "")) { try await link.setLine(LineSettings(baud: 0)) }
        }
    }

    @Test("notifications of line and modem states are no data, and telnet's noise does not disturb")
    func notifications() async throws {
        try await withServer { link, server async throws in
            await server.sendRaw([255, 250, 44, 106, 96, 255, 240, 255, 241])
            await server.sendRaw([255, 250, 44, 107, 255, 255, 255, 240, 255, 251, 99, 255, 253, 99])
            await server.send([1, 255])
            #expect(try await link.inbound.bytes(2) == [1, 255])
        }
    }

    @Test("a subnegotiation without end is held within its limit, and the link can still be closed")
    func endlessSubnegotiation() async throws {
        try await withServer { link, server async throws in
            await server.sendRaw([255, 250, 44])
            for _ in 0..<50 { await server.sendRaw([UInt8](repeating: 7, count: 10_000)) }
            await server.sendRaw([255, 240])
            await server.send([1])
            #expect(try await link.inbound.bytes(1) == [1])
            #expect(try #require(link as? StreamLink).peakBytes <= LinkFeed.readSize)
        }
    }

    @Test("the end of the connection ends reading, sending and a change of the line")
    func lost() async throws {
        try await withServer { link, server async throws in
            await server.hangUp()
            let error = await #expect(throws: TransportError.self) { try await link.inbound.bytes(1) }
            #expect(error?.code == .closed)
            #expect(error?.message == "rfc2217://127.0.0.1:\(server.port) closed the connection")
            await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
            await #expect(throws: TransportError(.closed, "")) { try await link.setLine(LineSettings(baud: 300)) }
        }
    }

    @Test("hanging up ends a change of the line that waits for its confirmation")
    func lostWhileSetting() async throws {
        try await withServer { link, server async throws in
            server.faults = .init(confirmsNothing: true)
            let setting = Task { try await link.setLine(LineSettings(baud: 300)) }
            await server.hangUp()
            await #expect(throws: TransportError(.closed, "")) { try await setting.value }
        }
    }

    @Test("cancelling ends a change of the line, and closing ends everything")
    func cancelled() async throws {
        try await withServer { link, server async throws in
            server.faults = .init(confirmsNothing: true)
            let setting = Task { try await link.setLine(LineSettings(baud: 300)) }
            setting.cancel()
            await #expect(throws: TransportError(.cancelled, "")) { try await setting.value }
            let reader = Task { try await link.inbound.bytes(1) }
            await link.close()
            let rest = try await reader.value
            #expect(rest == [])
            await #expect(throws: TransportError(.closed, "")) { try await link.setLine(LineSettings(baud: 300)) }
        }
    }

    @Test("a cancelled opening leaves no connection")
    func cancelledOpening() async throws {
        let server = try await RFC2217Server(line: LineSettings(baud: 9600), faults: .init(isSilent: true))
        let opening = Task { try await opener.rfc2217(port: server.port, line: LineSettings(baud: 300)) }
        // It has connected and greeted.
        _ = await server.inbound.bytes(1)
        opening.cancel()
        await #expect(throws: TransportError(.cancelled, "")) { try await opening.value }
        // The server sees the end as well.
        while try openSockets(port: server.port) > 0 { await Task.yield() }
        await server.close()
    }

    @Test("a slow reader holds the server up, and nothing is lost")
    func backPressure() async throws {
        try await withServer("115200 8N1") { link, server async throws in
            let piece = (0..<2000).map { UInt8(truncatingIfNeeded: $0 &* 51) }
            let sender = Task {
                for _ in 0..<100 { await server.send(piece) }
            }
            var bytes: [UInt8] = []
            while bytes.count < 100 * piece.count {
                try await Task.sleep(for: .milliseconds(1))
                bytes += try await link.inbound.bytes(1)
            }
            await sender.value
            #expect(bytes == (0..<100).flatMap { _ in piece })
            #expect(try #require(link as? StreamLink).peakBytes <= Limits.linkBuffer)
        }
    }
}

extension LinkOpener {
    /// Opens a port of a server on this machine with another patience.
    func rfc2217(port: Int, line: LineSettings, patience: Duration = .seconds(5)) async throws -> any Link {
        try await StreamLink.rfc2217(host: "127.0.0.1", port: port, line: line, group: group, patience: patience)
    }
}
