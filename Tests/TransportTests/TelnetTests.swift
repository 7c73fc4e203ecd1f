import Testing
import TestSupport
import Wire

@testable import Transport

@Suite("Telnet's commands in a stream")
struct TelnetDecoderTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let data: [UInt8]
        let elements: [TelnetDecoder.Element]

        init(_ name: String, _ bytes: [UInt8], data: [UInt8] = [], _ elements: [TelnetDecoder.Element] = []) {
            (testDescription, self.bytes, self.data, self.elements) = (name, bytes, data, elements)
        }
    }

    static let cases = [
        Case("data", [1, 2, 3], data: [1, 2, 3]),
        Case("an escaped FF", [1, 255, 255, 2], data: [1, 255, 2]),
        Case("escaped FFs", [255, 255, 255, 255], data: [255, 255]),
        Case(
            "options", [7, 255, 251, 0, 255, 252, 1, 255, 253, 44, 255, 254, 255, 8], data: [7, 8],
            [.option(.will, 0), .option(.wont, 1), .option(.do, 44), .option(.dont, 255)]),
        Case(
            "a subnegotiation", [1, 255, 250, 44, 101, 0, 0, 1, 44, 255, 240, 2], data: [1, 2],
            [.subnegotiation([44, 101, 0, 0, 1, 44])]),
        Case(
            "an escaped FF in a subnegotiation", [255, 250, 44, 106, 255, 255, 255, 240],
            [.subnegotiation([44, 106, 255])]),
        Case(
            "an end without a beginning, and commands without meaning",
            [255, 240, 1, 255, 241, 255, 246, 255, 249, 255, 0, 2], data: [1, 2]),
        Case("an empty subnegotiation", [255, 250, 255, 240, 1], data: [1]),
        Case(
            "a subnegotiation whose end was lost", [255, 250, 44, 1, 255, 251, 0, 9], data: [9],
            [.option(.will, 0)]),
        Case(
            "a subnegotiation in another", [255, 250, 44, 1, 255, 250, 44, 2, 255, 240],
            [.subnegotiation([44, 2])]),
        Case(
            "a subnegotiation that is too long",
            [255, 250] + [UInt8](repeating: 5, count: Limits.telnetSubnegotiation + 1) + [255, 240, 3], data: [3]),
        Case(
            "the longest subnegotiation",
            [255, 250] + [UInt8](repeating: 5, count: Limits.telnetSubnegotiation) + [255, 240],
            [.subnegotiation([UInt8](repeating: 5, count: Limits.telnetSubnegotiation))]),
        Case("the beginning of a command at the end", [1, 255], data: [1]),
    ]

    @Test("data and commands are told apart, whole and byte by byte", arguments: cases)
    func decoding(sample: Case) {
        for step in [sample.bytes.count, 1] {
            var decoder = TelnetDecoder()
            var (data, elements): ([UInt8], [TelnetDecoder.Element]) = ([], [])
            for start in stride(from: 0, to: sample.bytes.count, by: step) {
                data += decoder.decode(Array(sample.bytes[start..<min(sample.bytes.count, start + step)])) {
                    elements.append($0)
                }
            }
            #expect(data == sample.data)
            #expect(elements == sample.elements)
        }
    }

    @Test("every byte comes back from its escaped form")
    func roundTrip() {
        let bytes = [UInt8](0...255) + [255, 255, 240, 250]
        var decoder = TelnetDecoder()
        #expect(Telnet.escaped(bytes).count == bytes.count + 3)
        #expect(decoder.decode(Telnet.escaped(bytes)) { _ in Issue.record("a command") } == bytes)
    }
}

@Suite("The client of RFC 2217")
struct ComPortClientTests {
    static let greeting: [UInt8] = [
        255, 251, 44, 255, 251, 0, 255, 251, 3, 255, 253, 0, 255, 253, 3,
    ]
    static let agreement: [UInt8] = [255, 253, 44]

    private func settings(_ text: String) throws -> [ComPort.Setting] {
        try #require(LineSettings(text).flatMap(ComPort.settings))
    }

    /// A client that has agreed and asked for a line.
    private func client(setting text: String) throws -> ComPortClient {
        var client = ComPortClient()
        _ = client.receive(Self.agreement)
        _ = client.set(try settings(text), purging: false)
        return client
    }

    @Test(
        "a line is four settings",
        arguments: [
            ("9600 8N1", [[1, 0, 0, 0x25, 0x80], [2, 8], [3, 1], [4, 1]]),
            ("300 7E1", [[1, 0, 0, 0x01, 0x2C], [2, 7], [3, 3], [4, 1]]),
            ("115200 8O2", [[1, 0, 1, 0xC2, 0x00], [2, 8], [3, 2], [4, 2]]),
        ] as [(String, [[UInt8]])])
    func encoding(text: String, expected: [[UInt8]]) throws {
        #expect(try settings(text).map { [$0.command.rawValue] + $0.value } == expected)
    }

    @Test("a speed that cannot be written is none", arguments: [0, -1, Int(UInt32.max) + 1])
    func impossibleSpeed(baud: Int) {
        #expect(ComPort.settings(LineSettings(baud: baud)) == nil)
    }

    @Test("it greets, waits for the option, and then sets flow control, signals and the line, and purges")
    func opening() throws {
        var client = ComPortClient()
        #expect(client.greeting() == Self.greeting)
        #expect(client.set(try settings("300 7E1"), purging: true) == [])
        #expect(!client.isAgreed)
        let output = client.receive([255, 253, 0, 255, 251, 0] + Self.agreement)
        #expect(client.isAgreed)
        #expect(output.findings == [])
        let values: [[UInt8]] = [
            [5, 1], [5, 8], [5, 11], [1, 0, 0, 0x01, 0x2C], [2, 7], [3, 3], [4, 1], [12, 3],
        ]
        #expect(output.reply == values.flatMap { [255, 250, 44] + $0 + [255, 240] })
        // Once.
        #expect(client.receive(Self.agreement) == ComPortClient.Output())
    }

    @Test("255 in a value is doubled")
    func escapedValue() throws {
        let setting = try #require(ComPort.settings(LineSettings(baud: 255))?.first)
        #expect(setting.request == [255, 250, 44, 1, 0, 0, 0, 255, 255, 255, 240])
    }

    @Test("the line is confirmed with the last of its four answers, in any order, and data goes on meanwhile")
    func confirmed() throws {
        var client = try client(setting: "9600 8N1")
        let answers = try settings("9600 8N1").map(\.confirmation)
        #expect(client.receive(answers[3] + [7] + answers[0] + answers[2]) == .init(data: [7]))
        #expect(client.receive([8] + answers[1] + [9]) == .init(data: [8, 9], findings: [.confirmed]))
        // Nobody waits for more of them.
        #expect(client.receive(answers[0]) == .init())
    }

    @Test(
        "another value than was asked for is refused, with what the port has",
        arguments: [
            ([101, 0, 0, 0x12, 0xC0], "9600 baud", "4800 baud"), ([102, 7], "8 data bits", "7 data bits"),
            ([103, 2], "no parity", "odd parity"), ([104, 2], "1 stop bit", "2 stop bits"),
            ([103, 77], "no parity", "unknown parity"), ([104, 3], "1 stop bit", "1.5 stop bits"),
            ([105, 2], "no flow control", "flow control"),
        ] as [([UInt8], String, String)])
    func refused(answer: [UInt8], asked: String, actual: String) throws {
        var client = try client(setting: "9600 8N1")
        let output = client.receive([255, 250, 44] + answer + [255, 240])
        guard case .refused(let first, let second) = output.findings.first, output.findings.count == 1 else {
            Issue.record("\(output)")
            return
        }
        #expect(first.description == asked)
        #expect(second.description == actual)
        // The other answers are of no interest any more.
        for setting in try settings("9600 8N1") { #expect(client.receive(setting.confirmation) == .init()) }
    }

    @Test(
        "what nobody asked for is ignored",
        arguments: [
            [106, 255], [107, 0xB0], [112, 3], [105, 9], [105, 12], [100, 65, 66], [108, 0], [101], [1, 0, 0, 1, 44],
        ] as [[UInt8]])
    func ignored(content: [UInt8]) throws {
        var client = try client(setting: "9600 8N1")
        #expect(client.receive(Telnet.subnegotiation(44, content)) == .init())
        #expect(client.receive(Telnet.subnegotiation(24, content)) == .init())
    }

    @Test("a server without the option is told at once")
    func unsupported() throws {
        var client = ComPortClient()
        _ = client.set(try settings("9600 8N1"), purging: true)
        #expect(client.receive([255, 254, 44]).findings == [.unsupported])
        #expect(!client.isAgreed)
        // It does not come back.
        #expect(client.receive(Self.agreement) == .init())
        #expect(!client.isAgreed)
    }

    @Test("a foreign option is refused once, an offer of the serial port is welcome once, and nothing loops")
    func foreignOptions() {
        var client = ComPortClient()
        #expect(client.receive([255, 251, 1]).reply == [255, 254, 1])
        #expect(client.receive([255, 253, 1]).reply == [255, 252, 1])
        #expect(client.receive([255, 251, 44]).reply == [255, 253, 44])
        for _ in 0..<3 {
            #expect(client.receive([255, 251, 1, 255, 253, 1, 255, 252, 1, 255, 254, 1, 255, 251, 44]).reply == [])
        }
    }

    @Test("a server that says everything about every option again and again gets a bounded answer")
    func hostile() throws {
        var client = ComPortClient()
        var replied = 0
        for _ in 0..<50 {
            for option in UInt8.min...UInt8.max {
                for verb in UInt8(251)...254 { replied += client.receive([255, verb, option]).reply.count }
            }
        }
        // Two verbs for each option, and the serial port's acceptance.
        #expect(replied <= 3 * (2 * 256 + 8))
        #expect(replied > 3 * 2 * 250)
    }

    @Test("any bytes at all leave it in a state that works")
    func garbage() throws {
        var random = SeededGenerator(seed: 44)
        for _ in 0..<200 {
            var client = ComPortClient()
            for _ in 0..<20 {
                let bytes = (0..<200).map { _ in
                    Bool.random(using: &random) ? UInt8(255) : UInt8.random(in: 0...255, using: &random)
                }
                let output = client.receive(bytes)
                #expect(output.data.count <= bytes.count)
            }
            // Ends whatever is open.
            _ = client.receive([255, 240, 255, 240])
            #expect(client.receive([1, 2, 3]).data == [1, 2, 3])
        }
    }
}
