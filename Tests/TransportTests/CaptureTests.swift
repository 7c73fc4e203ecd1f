import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

@testable import Transport

@Suite("A capture")
struct CaptureTests {
    private static let time = Timestamp(milliseconds: 1_768_476_896_120)

    private static func piece(
        _ bytes: [UInt8], after milliseconds: Int64 = 0, isSent: Bool = false, endsBurst: Bool = false
    ) -> Capture.Piece {
        Capture.Piece(
            time: Timestamp(milliseconds: time.milliseconds + milliseconds), bytes: bytes, isSent: isSent,
            endsBurst: endsBurst)
    }

    private static func capture(_ text: String) throws -> Capture { try Capture(content: Array(text.utf8)) }

    @Test("is written letter by letter as its description says")
    func golden() {
        let lines = [
            Self.piece([0x7E, 0xA0]), Self.piece([0x2F, 0x3F, 0x21], after: 190, isSent: true),
            Self.piece([0, 1], after: 884, endsBurst: true), Self.piece([], after: 885, endsBurst: true),
        ].map(\.line)
        #expect(
            lines == [
                "2026-01-15T11:34:56.120Z < 7EA0\n", "2026-01-15T11:34:56.310Z > 2F3F21\n",
                "2026-01-15T11:34:57.004Z <. 0001\n", "2026-01-15T11:34:57.005Z <. \n",
            ])
        #expect(Capture.header == "# obisd capture 1\n")
    }

    @Test("reads what it wrote, whatever passed")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<100 {
            let pieces = (0..<Int.random(in: 0...20, using: &random)).map { _ in
                Self.piece(
                    random.bytes(Int.random(in: 0...300, using: &random)),
                    after: Int64.random(in: -100_000...100_000, using: &random),
                    isSent: Bool.random(using: &random), endsBurst: Bool.random(using: &random))
            }
            let text = Capture.header + pieces.map(\.line).joined()
            #expect(try Self.capture(text).pieces == pieces)
        }
    }

    @Test("may have comments and empty lines, line ends of another system, and small digits with blanks")
    func forms() throws {
        let expected = [Self.piece([0xAB, 0xCD]), Self.piece([1], after: 1, isSent: true, endsBurst: true)]
        for text in [
            "2026-01-15T11:34:56.12Z < abcd\n2026-01-15T11:34:56.121Z >. 01",
            "# a comment\n\n2026-01-15T11:34:56.120Z < AB CD\n   \n#\n2026-01-15T11:34:56.121Z >. 01\n\n",
            "# obisd capture 1\r\n2026-01-15T11:34:56.120Z < ABCD\r\n# line 300 7E1\r\n\r\n2026-01-15T11:34:56.121Z >. 01\r\n",
            "2026-01-15T11:34:56.120Z  <  aBcD \n2026-01-15T11:34:56.121Z >. 01\n",
        ] {
            #expect(try Self.capture(text).pieces == expected, "\(text)")
        }
        #expect(try Self.capture("").pieces == [] && Self.capture("# nothing\n").pieces == [])
        #expect(try Self.capture("2026-01-15T11:34:56.120Z <").pieces == [Self.piece([])])
    }

    @Test(
        "names the first line that is none",
        arguments: [
            "7EA0", "2026-01-15T11:34:56.120Z", "2026-01-15T11:34:56.120Z 7EA0", "2026-01-15T11:34:56.120Z = 7EA0",
            "2026-01-15T11:34:56.120Z <> 7EA0", "2026-01-15T11:34:56.120Z .< 7EA0", "2026-01-15T11:34:56.120Z <.. 7EA0",
            "2026-01-15T11:34:56.120Z <! 7EA0", "2026-01-15T11:34:56.120Z < 7EA", "2026-01-15T11:34:56.120Z < 7EAX",
            "2026-01-15T11:34:56.120Z<7EA0", "2026-01-15 11:34:56.120Z < 7EA0", "2026-02-30T11:34:56.120Z < 7EA0",
            "11:34:56 < 7EA0", "\u{1F600}", "2026-01-15T11:34:56.120Z < 7E # flag",
        ])
    func refused(line: String) {
        let good = "2026-01-15T11:34:56.120Z < 7EA0\n"
        for (text, number) in [
            (line, 1), (good + line + "\n", 2), ("# obisd capture 1\r\n\r\n" + good + line + "\r\n" + line, 4),
        ] {
            #expect(throws: Capture.Malformed(line: number)) { try Self.capture(text) }
        }
    }

    @Test(
        "is told from bytes and digits by its first line",
        arguments: [
            ("# obisd capture 1\n", true), ("# obisd capture 1\r\n", true), ("# obisd capture 2", true),
            ("2026-01-15T11:34:56.120Z < 7EA0\nanything", true), ("2026-01-15T11:34:56Z >.", true), ("", false),
            ("# a comment\n", false), ("7EA0\n", false), ("/ISK5\r\n", false), ("2026-01-15T11:34:56.120Z", false),
            ("\u{7E}\u{1}# obisd capture 1", false), ("\n# obisd capture 1", false),
        ])
    func told(text: String, isCapture: Bool) {
        #expect(Capture.isCapture(Array(text.utf8)) == isCapture)
    }
}

@Suite("Capturing", .timeLimit(.minutes(1)))
struct CapturingTests {
    private static let now = Timestamp(milliseconds: 1_768_476_896_120)

    private func opener(_ folder: String, limit: Int = CaptureFolder.standardLimit) -> CapturingOpener {
        CapturingOpener(LinkOpener(), to: CaptureFolder(folder, limit: limit)) { Self.now }
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("writes down what is received and sent, and each change of the line")
    func written() async throws {
        try await withLine("300 7E1") { line in
            try await withTemporaryFolder { folder in
                let settings = try #require(LineSettings("300 7E1"))
                let link = try await opener(folder).open(
                    .serial(path: line.path, line: settings), options: LinkOptions(name: "main"), logger: logger)
                try await link.send(Array("/?!\r\n".utf8))
                #expect(await line.inbound.bytes(5) == Array("/?!\r\n".utf8))
                await line.send(Array("/LGZ5\r\n".utf8))
                #expect(try await link.inbound.bytes(7) == Array("/LGZ5\r\n".utf8))
                try await link.setLine(try #require(LineSettings("9600 7E1")))
                await link.close()

                let path = folder + "/main.capture"
                #expect(try text(path).hasPrefix("# obisd capture 1\n2026-01-15T11:34:56.120Z > 2F3F210D0A\n"))
                #expect(try text(path).hasSuffix("\n# line 9600 7E1\n"))
                let pieces = try Capture(content: Array(text(path).utf8)).pieces
                // What is received comes in as many pieces as it likes.
                #expect(pieces.filter { !$0.isSent }.flatMap(\.bytes) == Array("/LGZ5\r\n".utf8))
                #expect(pieces.filter(\.isSent).flatMap(\.bytes) == Array("/?!\r\n".utf8))
                #expect(pieces.allSatisfy { $0.time == Self.now && !$0.endsBurst })
            }
        }
    }

    @Test("marks where the connection of a meter that calls ends")
    func bursts() async throws {
        try await withTemporaryFolder { folder in
            let port = try FreePort.tcp()
            let link = try await opener(folder).open(
                .listen(ListenAddress(kind: .tcp, host: "127.0.0.1", port: port), from: [.localhost]),
                options: LinkOptions(name: "main"), logger: logger)
            let meter = TCPCaller(reader: ("127.0.0.1", port))
            for number in UInt8(1)...2 {
                await meter.send([number])
                await meter.hangUp()
                var iterator = link.inbound.makeAsyncIterator()
                while let input = try await iterator.next(), !input.endsBurst {}
            }
            await meter.close()
            await link.close()
            let pieces = try Capture(content: Array(text(folder + "/main.capture").utf8)).pieces
            #expect(pieces.count(where: \.endsBurst) == 2)
            #expect(pieces.flatMap(\.bytes) == [1, 2])
        }
    }

    @Test("gives each line a file of its own, for its owner's eyes, and goes on in it when the line is opened again")
    func files() async throws {
        try await withTemporaryFolder { folder in
            for (name, byte) in [("a", UInt8(1)), ("b", 2), (nil, 3), ("a", 4)] as [(String?, UInt8)] {
                try Data([byte]).write(to: URL(fileURLWithPath: folder + "/source"))
                let link = try await opener(folder).open(
                    .file(path: folder + "/source"), options: LinkOptions(name: name), logger: logger)
                #expect(try await link.inbound.bytes(.max) == [byte])
                await link.close()
            }
            for (name, bytes) in [("a", [1, 4]), ("b", [2]), ("line", [3])] as [(String, [UInt8])] {
                let path = "\(folder)/\(name).capture"
                let content = try text(path)
                #expect(try Capture(content: Array(content.utf8)).pieces.flatMap(\.bytes) == bytes)
                #expect(content.components(separatedBy: Capture.header).count == 2)
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
                #expect(try openDescriptors(of: path) == 0)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 4)
        }
    }

    @Test("stops at the limit with whole lines and one warning, and the line goes on")
    func limit() async throws {
        try await withTemporaryFolder { folder in
            let log = LogLines()
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/source"))
            for round in 1...2 {
                let link = try await opener(folder, limit: 30_000).open(
                    .file(path: folder + "/source"), options: LinkOptions(name: "main"), logger: log.logger)
                #expect(try await link.inbound.bytes(.max) == bytes)
                await link.close()
                let content = Array(try text(folder + "/main.capture").utf8)
                #expect(content.count <= 30_000)
                let written = try Capture(content: content).pieces.flatMap(\.bytes)
                #expect(!written.isEmpty && (round == 2 || bytes.starts(with: written)))
                // One each time that the line is opened.
                let warnings = log.lines.filter { $0.level == .warning }
                #expect(warnings.count == round && warnings.allSatisfy { $0.message.contains("main.capture is full") })
            }
        }
    }

    @Test("says what it cannot write, and the line works all the same")
    func notWritable() async throws {
        try await withTemporaryFolder { folder in
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/source"))
            // A folder that is none, and a link that leads elsewhere.
            let elsewhere = folder + "/elsewhere"
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/main.capture", withDestinationPath: elsewhere)
            for place in [folder + "/source", folder + "/missing", folder] {
                let log = LogLines()
                let link = try await opener(place).open(
                    .file(path: folder + "/source"), options: LinkOptions(name: "main"), logger: log.logger)
                try await link.send([4])
                try await link.setLine(LineSettings(baud: 300))
                #expect(try await link.inbound.bytes(.max) == [1, 2, 3])
                await link.close()
                let errors = log.lines.filter { $0.level == .error }
                #expect(errors.count == 1 && errors.first?.message.contains("\(place)/main.capture") == true)
            }
            #expect(!FileManager.default.fileExists(atPath: elsewhere))
        }
    }

    @Test("can be done twice, and each sees everything")
    func twice() async throws {
        try await withTemporaryFolder { folder in
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/source"))
            let traffic = RecentTraffic()
            let link = try await CapturingOpener(opener(folder), to: traffic) { Self.now }.open(
                .file(path: folder + "/source"), options: LinkOptions(name: "main"), logger: logger)
            #expect(try await link.inbound.bytes(.max) == [1, 2, 3])
            await link.close()
            #expect(try text(folder + "/main.capture") == traffic.capture(of: "main"))
        }
    }

    @Test("makes no file for a line that cannot be opened, and says why it cannot")
    func notOpened() async throws {
        try await withTemporaryFolder { folder in
            let error = await #expect(throws: TransportError.self) {
                try await opener(folder).open(
                    .file(path: folder + "/missing"), options: LinkOptions(name: "main"), logger: logger)
            }
            #expect(error?.code == .notFound)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.isEmpty)
        }
    }
}

@Suite("The recent traffic of lines")
struct RecentTrafficTests {
    private let traffic = RecentTraffic()

    private func piece(_ bytes: [UInt8]) -> Capture.Piece {
        Capture.Piece(time: Timestamp(milliseconds: 1_768_476_896_120), bytes: bytes)
    }

    @Test("is a capture of the newest, whole pieces, in order")
    func newest() throws {
        let recorder = traffic.recorder(of: "main", logger: logger)
        var random = SeededGenerator(seed: 5)
        let pieces = (0..<5000).map { _ in piece(random.bytes(Int.random(in: 0...200, using: &random))) }
        for entry in pieces { recorder.write(entry) }
        let text = try #require(traffic.capture(of: "main"))
        let kept = try Capture(content: Array(text.utf8)).pieces
        #expect(kept == Array(pieces.suffix(kept.count)))
        #expect(text.contains("# what came before, \(5000 - kept.count) pieces, is forgotten\n"))
        let bytes = kept.reduce(0) { $0 + $1.bytes.count }
        #expect(bytes > RecentTraffic.lineLimit / 4 && bytes <= RecentTraffic.lineLimit)
    }

    @Test("keeps what was said of the line, and knows no line on which nothing passed")
    func comments() {
        let recorder = traffic.recorder(of: "main", logger: logger)
        #expect(traffic.capture(of: "main") == nil)
        recorder.comment("line 9600 7E1")
        recorder.write(piece([1]))
        // The line is opened again.
        recorder.close()
        traffic.recorder(of: "main", logger: logger).write(piece([2]))
        #expect(
            traffic.capture(of: "main") == Capture.header + "# line 9600 7E1\n2026-01-15T11:34:56.120Z < 01\n"
                + "2026-01-15T11:34:56.120Z < 02\n")
        #expect(traffic.capture(of: "other") == nil)
    }

    @Test("of many lines stays within the limit of all, and ends with a line that there is no more")
    func many() throws {
        let names = (0..<500).map { "meter\($0)" }
        for name in names {
            let recorder = traffic.recorder(of: name, logger: logger)
            for byte in UInt8(0)..<20 { recorder.write(piece([UInt8](repeating: byte, count: 1000))) }
        }
        let kept = try names.map { try Capture(content: Array(try #require(traffic.capture(of: $0)).utf8)).pieces }
        #expect(kept.joined().reduce(0) { $0 + $1.bytes.count } <= RecentTraffic.limit)
        #expect(kept.allSatisfy { $0.last?.bytes.first == 19 })
        traffic.keep(only: ["meter7"])
        #expect(names.filter { traffic.capture(of: $0) != nil } == ["meter7"])
    }

    @Test("does not hold a piece that is larger than its share, whatever its size")
    func large() throws {
        let recorder = traffic.recorder(of: "main", logger: logger)
        recorder.write(piece([1]))
        recorder.write(piece([UInt8](repeating: 2, count: RecentTraffic.lineLimit)))
        recorder.write(piece([3]))
        let text = try #require(traffic.capture(of: "main"))
        #expect(try Capture(content: Array(text.utf8)).pieces.map(\.bytes) == [[3]])
    }
}
