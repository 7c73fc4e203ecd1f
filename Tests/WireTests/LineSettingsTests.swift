import Testing
import Wire

@Suite("LineSettings")
struct LineSettingsTests {
    @Test(
        "reads and prints what people write",
        arguments: [
            ("2400 8E1", 2400, 8, .even, 1), ("9600 8N1", 9600, 8, .none, 1), ("300 7E1", 300, 7, .even, 1),
            ("115200 8O2", 115_200, 8, .odd, 2),
        ] as [(String, Int, Int, LineSettings.Parity, Int)])
    func reading(text: String, baud: Int, dataBits: Int, parity: LineSettings.Parity, stopBits: Int) {
        let settings = LineSettings(baud: baud, dataBits: dataBits, parity: parity, stopBits: stopBits)
        #expect(LineSettings(text) == settings)
        #expect(settings.description == text)
    }

    @Test("small letters and more blanks are as good")
    func lenient() {
        #expect(LineSettings("2400 8e1")?.description == "2400 8E1")
        #expect(LineSettings(" 2400   8E1 ")?.description == "2400 8E1")
    }

    @Test(
        "refuses the rest",
        arguments: [
            "", "2400", "8E1", "2400 8E", "2400 8E11", "2400 9N1", "2400 6N1", "2400 8X1", "2400 8E3", "2400 8E0",
            "2401 8E1", "0 8N1", "-2400 8E1", "2400 8E1 x", "2400,8E1", "99999999999999999999 8N1", "2400 éE1",
        ])
    func rejects(text: String) {
        #expect(LineSettings(text) == nil)
    }

    @Test(
        "a character takes its start, data, parity and stop bits",
        arguments: [("2400 8E1", 11), ("9600 8N1", 10), ("300 7E1", 10), ("300 8O2", 12)])
    func duration(text: String, bits: Int64) throws {
        let settings = try #require(LineSettings(text))
        #expect(settings.duration(ofCharacters: settings.baud) == .seconds(bits))
        #expect(settings.duration(ofCharacters: 0) == .zero)
        #expect(LineSettings(baud: 0).duration(ofCharacters: 1) == .seconds(10))
    }
}

@Suite("Endpoint")
struct EndpointTests {
    @Test("two owners clash on the port alone, not on its settings")
    func exclusive() throws {
        let (slow, fast) = (try #require(LineSettings("2400 8E1")), try #require(LineSettings("9600 8N1")))
        let port = Endpoint.serial(path: "/dev/ttyUSB0", line: slow)
        #expect(port.exclusiveResource == Endpoint.serial(path: "/dev/ttyUSB0", line: fast).exclusiveResource)
        #expect(port.exclusiveResource != Endpoint.serial(path: "/dev/ttyUSB1", line: slow).exclusiveResource)
        #expect(port.exclusiveResource != Endpoint.file(path: "/dev/ttyUSB0").exclusiveResource)
        #expect(port.description == "/dev/ttyUSB0 at 2400 8E1")
        #expect(Endpoint.tcp(host: "gateway", port: 10_001).description == "tcp://gateway:10001")
        #expect(Endpoint.tcp(host: "fd00::1", port: 1).description == "tcp://[fd00::1]:1")
        #expect(Endpoint.file(path: "a.bin").description == "a.bin")
    }

    @Test("a port behind a server is that server's port, and a socket that meters call is its port alone")
    func network() throws {
        let line = try #require(LineSettings("300 7E1"))
        let remote = Endpoint.rfc2217(host: "Gateway", port: 10_001, line: line)
        #expect(remote.description == "rfc2217://Gateway:10001 at 300 7E1")
        #expect(remote.exclusiveResource == Endpoint.tcp(host: "gateway", port: 10_001).exclusiveResource)
        #expect(remote.line == line)
        let peer = Endpoint.udp(host: "fd00::1", port: 4059)
        #expect(peer.description == "udp://[fd00::1]:4059")
        #expect(peer.exclusiveResource != Endpoint.tcp(host: "fd00::1", port: 4059).exclusiveResource)
        #expect(peer.line == nil)

        let everywhere = Endpoint.listen(ListenAddress(kind: .udp, port: 4059), from: [])
        let somewhere = Endpoint.listen(ListenAddress(kind: .udp, host: "127.0.0.1", port: 4059), from: [])
        let stream = Endpoint.listen(ListenAddress(kind: .tcp, port: 4059), from: [])
        #expect(everywhere.description == "listening on udp://:4059")
        #expect(somewhere.description == "listening on udp://127.0.0.1:4059")
        #expect(everywhere.exclusiveResource == somewhere.exclusiveResource)
        #expect(everywhere.exclusiveResource != stream.exclusiveResource)
    }
}

@Suite("WireError")
struct WireErrorTests {
    @Test("compares by code and prints as a sentence with its place")
    func errors() {
        let error = WireError(.checksum, "the sum is wrong", offset: 3)
        #expect(error == WireError(.checksum, "other words"))
        #expect(error != WireError(.truncated, "the sum is wrong", offset: 3))
        #expect(error.description == "checksum: the sum is wrong (byte 3)")
        #expect(error.shifted(by: 4).offset == 7)
        #expect(WireError(.limit, "x").shifted(by: 4).offset == nil)
        #expect(WireError(.keyMissing, "x").description == "key-missing: x")
    }

    @Test("the codes are those of the contract")
    func codes() {
        #expect(
            WireError.Code.allCases.map(\.rawValue) == [
                "checksum", "truncated", "framing", "decryption", "authentication", "key-missing", "unsupported",
                "malformed", "limit", "meter-error", "timeout",
            ])
    }

    @Test("what a link may hold is enough for the longest message")
    func limits() {
        #expect(Limits.linkBuffer >= Limits.apdu)
        #expect(Limits.linkBuffer >= Limits.readout)
        #expect(Limits.apdu >= Limits.hdlcFrame)
    }
}
