import Glibc
import Logging
import MeterSimulator
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Transport

extension LinkOpener {
    /// A link on a free port of this machine, for meters of these networks.
    func listen<Listener: Link>(
        as type: Listener.Type, _ kind: ListenAddress.Kind, host: String? = "127.0.0.1",
        from networks: [AddressRange] = [.localhost], logger: Logger = logger
    ) async throws -> Listener {
        let address = ListenAddress(kind: kind, host: host, port: 0)
        return try #require(try await open(.listen(address, from: networks), logger: logger) as? Listener)
    }
}

extension AddressRange {
    // Constants of full length are networks.
    static let localhost = AddressRange(address: [127, 0, 0, 1], prefix: 32)!
    static let localhost6 = AddressRange(address: [UInt8](repeating: 0, count: 15) + [1], prefix: 128)!
}

/// Reads one piece, as far as it is told apart from others.
extension LinkInbound {
    struct Piece: Equatable {
        var bytes: [UInt8]
        var endsBurst: Bool

        init(_ bytes: [UInt8], endsBurst: Bool = true) {
            self.bytes = bytes
            self.endsBurst = endsBurst
        }
    }

    func piece() async throws -> Piece? {
        var iterator = makeAsyncIterator()
        return try await iterator.next().map { Piece($0.bytes, endsBurst: $0.endsBurst) }
    }
}

@Suite("UDP to a meter", .timeLimit(.minutes(1)))
struct DatagramLinkTests {
    let opener = LinkOpener()

    private func withMeter(
        _ host: String = "127.0.0.1", _ body: (DatagramLink, UDPMeterLine) async throws -> Void
    ) async throws {
        let meter = try await UDPMeterLine(host: host, port: try FreePort.udp())
        let link = try await opener.open(.udp(host: host, port: meter.port), logger: logger)
        try await body(try #require(link as? DatagramLink), meter)
        await link.close()
        await meter.close()
    }

    @Test(
        "a question goes out as one datagram and the answer comes in as one, by IPv4 and IPv6",
        arguments: ["127.0.0.1", "::1"])
    func bothWays(host: String) async throws {
        try await withMeter(host) { link, meter in
            try await link.send([1, 2, 3])
            #expect(await meter.inbound.bytes(3) == [1, 2, 3])
            await meter.send([4, 5])
            await meter.send([6])
            #expect(try await link.inbound.piece() == .init([4, 5]))
            #expect(try await link.inbound.piece() == .init([6]))
            try await link.setLine(LineSettings(baud: 300))
        }
    }

    @Test("a name is resolved")
    func name() async throws {
        let link = try await opener.open(.udp(host: "localhost", port: 9), logger: logger)
        await link.close()
        let error = await #expect(throws: TransportError.self) {
            try await opener.open(.udp(host: "no-such-meter.invalid", port: 9), logger: logger)
        }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("no-such-meter.invalid") == true)
    }

    @Test("a scope that no interface has is told as a host that nobody knows; one that exists is taken")
    func scope() async throws {
        await #expect(throws: TransportError(.notFound, "")) {
            try await opener.open(.udp(host: "fe80::1%none0", port: 9), logger: logger)
        }
        let link = try await opener.open(.udp(host: "fe80::1%lo", port: 9), logger: logger)
        await link.close()
    }

    @Test(
        "an address that cannot be one is an error of the configuration",
        arguments: [("", 1), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1)])
    func impossible(host: String, port: Int) async {
        await #expect(throws: TransportError(.configuration, "")) {
            try await opener.open(.udp(host: host, port: port), logger: logger)
        }
    }

    @Test("a datagram of somebody else is dropped and counted, even from the meter's host")
    func stranger() async throws {
        try await withMeter { link, meter in
            try await link.send([0])
            let stranger = try await UDPMeterLine(reader: ("127.0.0.1", try #require(link.localPort)))
            await stranger.send([66])
            await meter.send([1])
            _ = await meter.inbound.bytes(1)
            await meter.send([1])
            #expect(try await link.inbound.piece() == .init([1]))
            #expect(link.refused == 1)
            await stranger.close()
        }
    }

    @Test("the largest datagram passes both ways, an empty one says nothing, and a larger one is refused")
    func sizes() async throws {
        try await withMeter { link, meter in
            let largest = (0..<Limits.datagram).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try await link.send(largest)
            #expect(await meter.inbound.bytes(largest.count) == largest)
            await meter.send([])
            await meter.send(largest)
            #expect(try await link.inbound.piece() == .init(largest))
            await #expect(throws: TransportError(.io, "")) { try await link.send(largest + [0]) }
            try await link.send([])
            try await link.send([1])
            #expect(await meter.inbound.bytes(1) == [1])
        }
    }

    @Test("a port that nobody has ends neither sending nor the link: the meter that comes back is heard")
    func unreachablePort() async throws {
        try await withMeter { link, meter in
            await meter.close()
            for _ in 0..<20 { try await link.send([1]) }
            let again = try await whenFreed(isBusy: { ($0 as? IOError)?.errnoCode == EADDRINUSE }) {
                try await UDPMeterLine(port: meter.port)
            }
            try await link.send([2])
            #expect(await again.inbound.bytes(1) == [2])
            await again.send([3])
            #expect(try await link.inbound.piece() == .init([3]))
            await again.close()
        }
    }

    @Test("closing ends the reader without error, and sending fails from then on")
    func closed() async throws {
        try await withMeter { link, _ in
            let reader = Task { try await link.inbound.piece() }
            await link.close()
            await link.close()
            let end = try await reader.value
            #expect(end == nil)
            let error = await #expect(throws: TransportError.self) { try await link.send([1]) }
            #expect(error?.code == .closed)
        }
    }

    @Test("a cancelled opening ends, and leaves nothing that is in the way of the next")
    func cancelled() async throws {
        let opening = Task { try await opener.open(.udp(host: "localhost", port: 9), logger: logger) }
        opening.cancel()
        do {
            await (try await opening.value).close()
        } catch {
            #expect((error as? TransportError)?.code == .cancelled)
        }
    }

    @Test("a link that is forgotten closes its port")
    func forgotten() async throws {
        var link: DatagramLink? = try await opener.listen(as: DatagramLink.self, .udp)
        let port = try #require(link?.localPort)
        link = nil
        try await untilFree(port, .udp)
    }
}

/// Waits until a port can be listened on again.
func untilFree(_ port: Int, _ kind: ListenAddress.Kind) async throws {
    let endpoint = Endpoint.listen(ListenAddress(kind: kind, host: "127.0.0.1", port: port), from: [])
    while true {
        do {
            return await (try await LinkOpener().open(endpoint, logger: logger)).close()
        } catch  where error.code == .busy {
            await Task.yield()
        }
    }
}

@Suite("UDP on which meters call", .timeLimit(.minutes(1)))
struct DatagramListenTests {
    let opener = LinkOpener()

    private func withListener(
        host: String? = "127.0.0.1", from networks: [AddressRange] = [.localhost], logger: Logger = logger,
        _ body: (DatagramLink, Int) async throws -> Void
    ) async throws {
        let link = try await opener.listen(as: DatagramLink.self, .udp, host: host, from: networks, logger: logger)
        try await body(link, try #require(link.localPort))
        await link.close()
    }

    @Test("every datagram is a piece of its own, however many wait")
    func boundaries() async throws {
        try await withListener { link, port in
            let meter = try await UDPMeterLine(reader: ("127.0.0.1", port))
            for number in UInt8(1)...50 { await meter.send([number]) }
            for number in UInt8(1)...50 { #expect(try await link.inbound.piece() == .init([number])) }
            await meter.close()
        }
    }

    @Test("answers go to the newest sender that was accepted; before there is one, sending says so")
    func answers() async throws {
        try await withListener { link, port in
            let error = await #expect(throws: TransportError.self) { try await link.send([1]) }
            #expect(error?.code == .closed)
            #expect(error?.message.contains("nobody has called yet") == true)
            let stranger = try await UDPMeterLine(host: "127.0.0.2", reader: ("127.0.0.1", port))
            let (first, second) = (
                try await UDPMeterLine(reader: ("127.0.0.1", port)), try await UDPMeterLine(reader: ("127.0.0.1", port))
            )
            await first.send([1])
            #expect(try await link.inbound.piece() == .init([1]))
            try await link.send([11])
            #expect(await first.inbound.bytes(1) == [11])
            await stranger.send([66])
            await second.send([2])
            #expect(try await link.inbound.piece() == .init([2]))
            try await link.send([22])
            #expect(await second.inbound.bytes(1) == [22])
            #expect(link.refused == 1)
            for meter in [first, second, stranger] { await meter.close() }
        }
    }

    @Test("strangers are logged once, with their address, and not again within the minute")
    func loggedOnce() async throws {
        let lines = LogLines()
        try await withListener(logger: lines.logger) { link, port in
            let stranger = try await UDPMeterLine(host: "127.0.0.2", reader: ("127.0.0.1", port))
            let meter = try await UDPMeterLine(reader: ("127.0.0.1", port))
            for _ in 0..<10 { await stranger.send([66]) }
            await meter.send([1])
            #expect(try await link.inbound.piece() == .init([1]))
            #expect(link.refused == 10)
            let warnings = lines.lines.filter { $0.level == .warning }
            #expect(warnings.count == 1)
            #expect(warnings.first?.metadata["source"] == "127.0.0.2:\(stranger.port)")
            await stranger.close()
            await meter.close()
        }
    }

    @Test("without a host both IPv4 and IPv6 meters are heard, and IPv4 ones count as such")
    func dualStack() async throws {
        try await withListener(host: nil, from: [.localhost, .localhost6]) { link, port in
            let four = try await UDPMeterLine(reader: ("127.0.0.1", port))
            let six = try await UDPMeterLine(host: "::1", reader: ("::1", port))
            await four.send([4])
            #expect(try await link.inbound.piece() == .init([4]))
            try await link.send([44])
            #expect(await four.inbound.bytes(1) == [44])
            await six.send([6])
            #expect(try await link.inbound.piece() == .init([6]))
            try await link.send([66])
            #expect(await six.inbound.bytes(1) == [66])
            await four.close()
            await six.close()
        }
    }

    @Test("a flood that nobody reads is dropped within the limit, and the link goes on")
    func flood() async throws {
        try await withListener { link, port in
            let meter = try await UDPMeterLine(reader: ("127.0.0.1", port))
            var sent = 0
            while link.dropped < 10 {
                await meter.send([UInt8](repeating: 1, count: 5000))
                sent += 1
            }
            #expect(link.peakBytes <= Limits.linkBuffer)
            for _ in 0..<(Limits.linkBuffer / 5000) {
                #expect(try await link.inbound.piece() == .init([UInt8](repeating: 1, count: 5000)))
            }
            #expect(sent > Limits.linkBuffer / 5000)
            await meter.send([9])
            while let piece = try await link.inbound.piece(), piece != .init([9]) {}
            await meter.close()
        }
    }

    @Test("closing frees the port")
    func freed() async throws {
        let link = try await opener.listen(as: DatagramLink.self, .udp)
        let port = try #require(link.localPort)
        let endpoint = Endpoint.listen(ListenAddress(kind: .udp, host: "127.0.0.1", port: port), from: [])
        let error = await #expect(throws: TransportError.self) { try await opener.open(endpoint, logger: logger) }
        #expect(error?.code == .busy)
        #expect(error?.message.contains("udp://127.0.0.1:\(port)") == true)
        await link.close()
        await (try await opener.reopen(endpoint)).close()
    }
}

@Suite("Addresses that cannot be listened on", .timeLimit(.minutes(1)))
struct BindProblemTests {
    @Test(
        "what the system answers becomes a sentence with a remedy",
        arguments: [
            (EADDRINUSE, TransportError.Code.busy, "choose another port"),
            (EACCES, .permission, "above 1023"), (EPERM, .permission, "above 1023"),
            (EADDRNOTAVAIL, .configuration, "does not have the address"),
            (EAFNOSUPPORT, .configuration, "does not have the address"), (EMFILE, .io, "Too many open files"),
        ])
    func systemErrors(number: CInt, code: TransportError.Code, words: String) {
        let error = BindProblem(name: "udp://:1").refusal(ErrorNumber(number))
        #expect(error.code == code)
        #expect(error.message.contains("udp://:1"))
        #expect(error.message.contains(words), "\(error.message)")
    }

    @Test("an address that this machine does not have, and one that is none", arguments: ListenAddress.Kind.all)
    func foreignAddress(kind: ListenAddress.Kind) async {
        for (host, port) in [("192.0.2.1", 0), ("2001:db8::1", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1)] {
            await #expect(throws: TransportError(.configuration, ""), "\(host)") {
                try await LinkOpener().open(
                    .listen(ListenAddress(kind: kind, host: host, port: port), from: []), logger: logger)
            }
        }
    }

    @Test("failing to listen leaves no descriptor behind", arguments: ListenAddress.Kind.all)
    func descriptors(kind: ListenAddress.Kind) async throws {
        let link = try await LinkOpener().open(
            .listen(ListenAddress(kind: kind, host: "127.0.0.1", port: 0), from: []), logger: logger)
        let port = (link as? DatagramLink)?.localPort ?? (link as? CallLink)?.localPort ?? 0
        let before = try openDescriptors()
        for _ in 0..<500 {
            await #expect(throws: TransportError(.busy, "")) {
                try await LinkOpener().open(
                    .listen(ListenAddress(kind: kind, host: "127.0.0.1", port: port), from: []), logger: logger)
            }
        }
        // Other tests have some of their own meanwhile.
        #expect(try openDescriptors() < before + 250)
        await link.close()
    }
}

extension ListenAddress.Kind {
    static let all: [ListenAddress.Kind] = [.udp, .tcp]
}
