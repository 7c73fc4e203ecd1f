import Foundation
import OBIS
import TestSupport
import Testing

@Suite("`obisd simulate`")
struct SimulateTests {
    // MARK: Meters that talk

    /// Options of a talking meter, arguments of `decode`, and what the telegrams then say.
    private struct Option {
        let argument: String
        var keys: [String] = []
        let isShown: @Sendable (Decoded) -> Bool
    }

    /// What `obisd decode` says of the bytes that came.
    struct Decoded {
        let telegrams: [ExactJSON]
        let errors: [String]
        let noise: Bool

        var meter: ExactJSON? { telegrams.first?["meter"] }
        var codes: Set<String> {
            Set(telegrams.first?["registers"]?.items.compactMap { $0["code"]?.string } ?? [])
        }
    }

    private static let key = "000102030405060708090a0b0c0d0e0f"
    private static let authenticationKey = "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"

    private static let options: [Option] = [
        Option(argument: "dlms-push,list=objects") { $0.codes.contains("1-1:1.8.0*255") },
        Option(argument: "dlms-push,list=pairs") { $0.codes.contains("1-0:1.8.0*255") },
        Option(argument: "dlms-push,list=bare") { $0.codes.isEmpty && !$0.telegrams.isEmpty },
        Option(argument: "dlms-push,carrier=hdlc") { $0.codes.contains("1-1:1.8.0*255") },
        Option(argument: "dlms-push,carrier=segments") { $0.codes.contains("1-1:1.8.0*255") },
        Option(argument: "dlms-push,carrier=mbus") { $0.codes.contains("1-1:1.8.0*255") },
        Option(argument: "dlms-push,carrier=wrapper") { $0.codes.contains("1-1:1.8.0*255") },
        Option(argument: "dlms-push,serial=00001234") { $0.meter?["id"]?.string == "LGZ0000001234" },
        Option(argument: "dlms-push,encryption_key=KEY", keys: ["--key", key]) {
            $0.telegrams.first?["ciphering"]?["security_control"]?.string == "20"
        },
        Option(
            argument: "dlms-push,encryption_key=KEY,authentication_key=AUTH",
            keys: ["--key", key, "--auth-key", authenticationKey]
        ) { $0.telegrams.first?["ciphering"]?["authenticated"]?.bool == true },
        Option(argument: "dlms-push,flipped_bit=2") { !$0.telegrams.isEmpty && $0.errors.contains("checksum") },
        Option(argument: "dlms-push,lost_frame=2") { !$0.telegrams.isEmpty && $0.errors.contains("framing") },
        Option(argument: "dlms-push,noise=2") { !$0.telegrams.isEmpty && $0.noise },
        Option(argument: "iec62056-21,mode=d") { $0.meter?["version"]?.string == "ZMF100AC.M26" },
        Option(argument: "dsmr-p1,version=v22") { $0.codes.contains("0-1:24.3.0") },
        Option(argument: "dsmr-p1,version=v42") { $0.meter?["version"]?.string == "42" },
        Option(argument: "dsmr-p1,version=v50") { $0.meter?["version"]?.string == "50" },
        Option(argument: "dsmr-p1,version=be") { $0.meter?["version"]?.string == "50217" },
        Option(argument: "dsmr-p1,version=se") { $0.meter?["manufacturer"]?.string == "LGF" },
        Option(argument: "dsmr-p1,serial=E0099999999999999") { $0.meter?["id"]?.string == "E0099999999999999" },
        Option(
            argument: "dsmr-p1,encryption_key=KEY,authentication_key=AUTH",
            keys: ["--key", key, "--auth-key", authenticationKey]
        ) { $0.telegrams.first?["ciphering"]?["authenticated"]?.bool == true },
        Option(argument: "dsmr-p1,flipped_bit=2") { !$0.telegrams.isEmpty && $0.errors.contains("checksum") },
        Option(argument: "dsmr-p1,noise=2") { !$0.telegrams.isEmpty && ($0.noise || !$0.errors.isEmpty) },
        Option(argument: "sml,maker=ISK") { $0.meter?["manufacturer"]?.string == "ISK" },
        Option(argument: "sml,maker=HLY") { $0.meter?["manufacturer"]?.string == "HLY" },
        Option(argument: "sml,serial=7428651") { $0.meter?["id"]?.string == "1EMH0007428651" },
        Option(argument: "sml,flipped_bit=2") { !$0.telegrams.isEmpty && $0.errors.contains("checksum") },
        Option(argument: "sml,noise=2") { !$0.telegrams.isEmpty && $0.noise },
    ]

    @Test("makes of each option of a talking meter what its help says")
    func talking() async throws {
        try await withFolder { folder in
            let ports = try Self.options.map { _ in try FreePort.tcp() }
            for (name, digits) in [("key", Self.key), ("auth", Self.authenticationKey)] {
                try Data(digits.utf8).write(to: folder.appendingPathComponent(name))
            }
            let path = folder.path
            let arguments = zip(Self.options, ports).map { option, port in
                option.argument.replacingOccurrences(of: "KEY", with: "@\(path)/key")
                    .replacingOccurrences(of: "AUTH", with: "@\(path)/auth") + ",tcp=\(port),interval=20ms"
            }
            let meters = try MetersProcess(folder: folder, arguments)
            defer { meters.end() }
            #expect(try await Set(meters.ports(of: ports.count)) == Set(ports))
            var shown = 0
            for (option, port) in zip(Self.options, ports) {
                let bytes = try Conversation(port: port).bytes(6000)
                let protocolName = String(option.argument.prefix { $0 != "," })
                let decoded = try await decode(bytes, protocolName, option.keys)
                #expect(option.isShown(decoded), "\(option.argument): \(decoded)")
                if option.isShown(decoded) { shown += 1 }
            }
            print("options of talking meters: \(shown) of \(Self.options.count)")
        }
    }

    private func decode(_ bytes: [UInt8], _ protocolName: String, _ keys: [String]) async throws -> Decoded {
        let outcome = try await Program.run(
            ["decode", "--protocol", protocolName, "--format", "json", "--input", "raw"] + keys, input: bytes)
        let lines = outcome.lines.compactMap { ExactJSON($0) }
        return Decoded(
            telegrams: lines.filter { $0["ok"]?.bool == true },
            errors: lines.compactMap { $0["error"]?["code"]?.string },
            noise: outcome.error.contains("belong to no message"))
    }

    // MARK: Meters that are asked

    /// Options of a meter that is asked, what is said to it, and with which words its answer begins and goes on.
    private static let optical: [(argument: String, said: [String], heard: [String])] = [
        ("mode=c,baud=9600", ["/?!\r\n"], ["/LGZ5ZMF100AC.M26\r\n"]),
        ("mode=c,baud=4800", ["/?!\r\n", "\u{6}040\r\n"], ["/LGZ4ZMF100AC.M26\r\n", "\u{2}F.F(00)\r\n"]),
        ("mode=b,baud=4800", ["/?!\r\n"], ["/LGZDZMF100AC.M26\r\n\u{2}F.F(00)\r\n"]),
        ("mode=a", ["/?!\r\n"], ["/LGZ ZMF100AC.M26\r\n\u{2}F.F(00)\r\n"]),
        ("address=00012345", ["/?12345!\r\n"], ["/LGZ5ZMF100AC.M26\r\n"]),
        ("echo", ["/?!\r\n"], ["/?!\r\n/LGZ5ZMF100AC.M26\r\n"]),
        ("keeps=300", ["/?!\r\n", "\u{6}000\r\n"], ["/LGZ5ZMF100AC.M26\r\n", "\u{2}F.F(00)\r\n"]),
        ("wake_up", [String(repeating: "\u{0}", count: 60) + "/?!\r\n"], ["/LGZ5ZMF100AC.M26\r\n"]),
        ("mode=a,wrong_bcc=1", ["/?!\r\n"], ["/LGZ ZMF100AC.M26\r\n\u{2}F.F(00)\r\n"]),
        ("silent", [], []),
        (
            "mode=programming", ["/?!\r\n", "\u{6}051\r\n", "\u{1}R1\u{2}F.F()\u{3}M"],
            [identification, operand, "\u{2}F.F(00)\u{3}"]
        ),
        (
            "mode=programming,password=00000000",
            ["/?!\r\n", "\u{6}051\r\n", "\u{1}R1\u{2}F.F()\u{3}M", "\u{1}P1\u{2}(00000000)\u{3}a"],
            [identification, operand, "\u{2}(ER01)\u{3}\u{14}", "\u{6}"]
        ),
        (
            "mode=programming,block=3", ["/?!\r\n", "\u{6}051\r\n", "\u{1}R6\u{2}F.F()\u{3}J", "\u{6}"],
            [identification, operand, "\u{2}F.F\u{4}*", "\u{2}(00\u{4}"]
        ),
        (
            "mode=programming,days=0", ["/?!\r\n", "\u{6}051\r\n", "\u{1}R1\u{2}P.01()\u{3}\u{1C}"],
            [identification, operand, "\u{2}(ERROR)\u{3}"]
        ),
        (
            "mode=programming,nak=1", ["/?!\r\n", "\u{6}051\r\n", "\u{1}R1\u{2}F.F()\u{3}M"],
            [identification, operand, "\u{15}"]
        ),
    ]
    private static let identification = "/LGZ5ZMF100AC.M26\r\n"
    private static let operand = "\u{1}P0\u{2}(00000000)\u{3}`"

    @Test("makes of each option of an asked meter what its help says")
    func asked() async throws {
        try await withFolder { folder in
            let ports = try Self.optical.map { _ in try FreePort.tcp() }
            let meters = try MetersProcess(
                folder: folder, zip(Self.optical, ports).map { "iec62056-21,\($0.argument),tcp=\($1)" })
            defer { meters.end() }
            #expect(try await Set(meters.ports(of: ports.count)) == Set(ports))
            for ((argument, said, heard), port) in zip(Self.optical, ports) {
                let conversation = try Conversation(port: port)
                for (said, heard) in zip(said, heard) {
                    conversation.send(Array(said.utf8))
                    let answer = conversation.bytes(heard.utf8.count)
                    #expect(String(decoding: answer, as: UTF8.self) == heard, "\(argument)")
                }
            }
            print("options of asked meters: \(Self.optical.count) of \(Self.optical.count)")
        }
    }

    @Test("a wrong block check is sent as often as was said")
    func wrongBlockCheck() async throws {
        try await withFolder { folder in
            let meters = try MetersProcess(folder: folder, ["iec62056-21,mode=a,tcp=0,wrong_bcc=1"])
            defer { meters.end() }
            let conversation = try Conversation(port: try #require(try await meters.ports(of: 1).first))
            var codes: [String?] = []
            for _ in 0..<2 {
                conversation.send(Array("/?!\r\n".utf8))
                var answer = conversation.bytes(until: 0x03)
                answer += conversation.bytes(1)
                let decoded = try await decode(answer, "iec62056-21", [])
                codes.append(decoded.errors.first)
            }
            #expect(codes == ["checksum", nil])
        }
    }

    /// A request without security, and with what its answer begins, over every framing.
    private static let dlms: [(argument: String, said: [String], heard: [String])] = [
        (
            "client=16",
            ["000100100001001F601DA109060760857405080101BE10040E01000000065F1F0400FFFFFF0000"],
            ["000100010010002B6129A109060760857405080101A203020100A305A103020100"]
        ),
        ("framing=hdlc", ["7EA0070321930F017E"], ["7EA01E210373"]),
        (
            "refused=1,client=16",
            ["000100100001001F601DA109060760857405080101BE10040E01000000065F1F0400FFFFFF0000"],
            ["000100010010002B6129A109060760857405080101A203020101A305A103020101"]
        ),
        ("silent_from=1", [], []),
    ]

    @Test("makes of a meter that is asked over DLMS what its help says")
    func askedOverDLMS() async throws {
        try await withFolder { folder in
            let ports = try Self.dlms.map { _ in try FreePort.tcp() }
            let meters = try MetersProcess(
                folder: folder, zip(Self.dlms, ports).map { "dlms-client,\($0.argument),tcp=\($1)" })
            defer { meters.end() }
            #expect(try await Set(meters.ports(of: ports.count)) == Set(ports))
            for ((argument, said, heard), port) in zip(Self.dlms, ports) {
                let conversation = try Conversation(port: port)
                for (said, heard) in zip(said, heard) {
                    conversation.send(Corpus.bytes(hex: said))
                    let wanted = Corpus.bytes(hex: heard)
                    #expect(conversation.bytes(wanted.count) == wanted, "\(argument)")
                }
            }
        }
    }

    // MARK: Places

    @Test("tells where each meter is")
    func places() async throws {
        try await withFolder { folder in
            let (pty, ports) = (folder.appendingPathComponent("pty").path, try (0..<5).map { _ in try FreePort.tcp() })
            let output = folder.appendingPathComponent("out").path
            let process = try ChildProcess(
                Program.path,
                ["simulate"]
                    + [
                        "dlms-push,pty=\(pty)", "sml,tcp=\(ports[0])", "iec62056-21,rfc2217=\(ports[1]),mode=b",
                        "dsmr-p1,udp=127.0.0.1:\(ports[2])", "sml,call=127.0.0.1:\(ports[3])",
                        "dlms-client,udp=\(ports[4])",
                    ].flatMap { ["--meter", $0] }, output: output)
            let file = LineFile(output)
            try await waitFor("six meters") {
                try file.read()
                return file.lines.count >= 6
            }
            #expect(
                file.lines.sorted() == [
                    "dlms-client on udp 127.0.0.1:\(ports[4])", "dlms-push on \(pty) at 2400 8E1",
                    "dsmr-p1 to udp 127.0.0.1:\(ports[2])",
                    "iec62056-21 on 127.0.0.1:\(ports[1]) at 300 7E1, with RFC 2217",
                    "sml calls 127.0.0.1:\(ports[3])", "sml on 127.0.0.1:\(ports[0])",
                ])
            process.signal(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(30)) == 0)
            #expect(!FileManager.default.fileExists(atPath: pty))
        }
    }

    // MARK: Called wrongly

    @Test(
        "refuses what it does not know, and what it knows with a wrong value",
        arguments: [
            "morse,tcp=0", "dlms-push", "dlms-push,tcp=x", "dlms-push,pty=", "dlms-push,udp=127.0.0.1",
            "dlms-push,udp=:1", "dlms-push,call=127.0.0.1:0", "dlms-push,call=127.0.0.1:70000", "dlms-push,rfc2217=x",
            "dlms-push,tcp=0,tcp=0", "dlms-push,tcp=0,pty=/tmp/x", "dlms-push,tcp=0,unknown",
            "dlms-push,tcp=0,list=all",
            "dlms-push,tcp=0,carrier=pigeon", "dlms-push,tcp=0,interval=5", "dlms-push,tcp=0,interval=0s",
            "dlms-push,tcp=0,interval=-1s", "dlms-push,tcp=0,noise=x", "dlms-push,tcp=0,noise=-1",
            "dlms-push,tcp=0,encryption_key=12", "dlms-push,tcp=0,encryption_key=@/nowhere/key",
            "dlms-push,tcp=0,version=v50", "iec62056-21,tcp=0,mode=e", "iec62056-21,tcp=0,baud=fast",
            "iec62056-21,tcp=0,wrong_bcc=x", "iec62056-21,tcp=0,keeps=x", "iec62056-21,tcp=0,carrier=hdlc",
            "iec62056-21,tcp=0,password=1", "iec62056-21,tcp=0,mode=c,nak=1",
            "iec62056-21,tcp=0,mode=programming,block=x",
            "dsmr-p1,tcp=0,version=v60", "dsmr-p1,tcp=0,mode=d", "dsmr-p1,tcp=0,lost_frame=1", "sml,tcp=0,interval=x",
            "dlms-push,udp=4059", "dlms-client,udp=127.0.0.1:4059", "dlms-client,tcp=0,security=lls",
            "dlms-client,tcp=0,security=hls-gmac", "dlms-client,tcp=0,security=hls", "dlms-client,tcp=0,framing=mbus",
            "dlms-client,tcp=0,encryption_key=000102030405060708090a0b0c0d0e0f", "dlms-client,tcp=0,client=70000",
            "sml,tcp=0,encryption_key=000102030405060708090a0b0c0d0e0f", "sml,tcp=0,list=objects", "", ",tcp=0",
        ])
    func wrong(argument: String) async throws {
        let outcome = try await Program.run(["simulate", "--meter", argument])
        #expect(outcome.exitCode == 64 && outcome.output.isEmpty, "\(outcome.error)")
        #expect(outcome.error.contains("--meter"))
    }

    @Test("refuses to simulate nothing, and a port that is taken ends it")
    func nothing() async throws {
        #expect(try await Program.run(["simulate"]).exitCode == 64)
        let broker = try await MosquittoBroker()
        let outcome = try await Program.run(["simulate", "--meter", "sml,tcp=\(broker.port)"])
        #expect(outcome.exitCode == 74 && outcome.error.hasPrefix("sml: "), "\(outcome.error)")
    }
}

/// A socket that is connected to a port of this machine.
private final class Conversation {
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        // A meter that says nothing fails the test and does not hang it.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = FreePort.loopback(port)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw NotInTime(description: "nobody listens on \(port): errno \(errno)") }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Reads until so many have come; fewer when the other side ends or says nothing for a minute.
    func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let more = read(atMost: count - bytes.count) { bytes += more }
        return bytes
    }

    /// Reads up to a byte, included.
    func bytes(until end: UInt8) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.last != end, let more = read(atMost: 1) { bytes += more }
        return bytes
    }

    private func read(atMost count: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        return got > 0 ? Array(buffer.prefix(got)) : nil
    }
}
