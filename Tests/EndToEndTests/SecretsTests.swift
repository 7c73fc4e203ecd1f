import Foundation
import LogMessages
import TestSupport
import Testing

/// Every secret is a canary here, and everything that leaves the daemon is searched for it.
@Suite("Secrets")
struct SecretsTests {
    @Test("a search finds each canary in each of its forms")
    func search() throws {
        for canary in Canary.all(tlsKey: "MHcCAQEEIFh0cmFua2VkIGtleQ") {
            for form in canary.planted {
                #expect(Canary.found([canary], in: Data("before ".utf8) + form + Data(" after".utf8)) == [canary.name])
            }
        }
        #expect(Canary.found(Canary.all(tlsKey: "MHcCAQEEIFh0cmFua2VkIGtleQ"), in: Data("nothing".utf8)) == [])
    }

    @Test("appear nowhere at trace level: logs, topics, journal, captures, answers", arguments: [false, true])
    func nowhere(isNativeJournal: Bool) async throws {
        try await withFolder { folder in
            let house = try await House(folder)
            defer {
                house.meters.end()
                house.others.end()
            }
            let journal = isNativeJournal ? try JournalSocket() : nil
            var told = Data()
            func drain() { while let entry = journal?.datagram() { told += entry } }
            try house.start(journal)
            try await house.subscriber.wait(for: "readings of the meters with the right keys") { subscriber in
                drain()
                return ["good", "broken", "p1", "optical"].allSatisfy { subscriber.newest($0) >= 2 }
            }
            try await waitFor("what is said of a wrong key") {
                drain()
                try house.daemon.log.read()
                return told.range(of: Data(LogMessage.decryptionFailed.id.utf8)) != nil
                    || house.daemon.log.lines.contains { $0.contains("meter=wrong") && $0.contains("key") }
            }
            try await house.ask()
            #expect(try await house.daemon.terminate() == 0)
            try house.subscriber.read()
            drain()
            try told.write(to: house.open.appendingPathComponent("journal-entries"))
            #expect(isNativeJournal == (told.count > 1000))

            let canaries = house.canaries
            #expect(try Canary.found(canaries, below: house.open) == [:])
            // The same search sees one that is there.
            let planted = Data("-\(canaries[0].name)-".utf8) + canaries[0].planted[0]
            try planted.write(to: house.open.appendingPathComponent("planted"))
            #expect(try Canary.found(canaries, below: house.open) == ["planted": [canaries[0].name]])
        }
    }
}

/// A daemon with a secret of every kind, its meters and its broker.
private final class House {
    /// What the daemon and its clients write.
    let open: URL
    /// Where the secrets are: the only files that may hold them.
    private let closed: URL
    let canaries: [Canary]
    let broker: MosquittoBroker
    let meters: MetersProcess
    let others: MetersProcess
    let daemon: DaemonProcess
    let subscriber: Subscriber

    init(_ folder: URL) async throws {
        open = folder.appendingPathComponent("open")
        closed = folder.appendingPathComponent("closed")
        for place in [open, closed, open.appendingPathComponent("captures")] {
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        }
        let tls = try FreePort.tcp()
        broker = try await MosquittoBroker(
            [
                "password_file FOLDER/passwords", "listener \(tls) 127.0.0.1", "certfile FOLDER/server.pem",
                "keyfile FOLDER/server.key",
            ], starts: false)
        try Self.certificate("server", in: broker.folder)
        try Self.certificate("client", in: closed)
        let pem = try String(contentsOf: closed.appendingPathComponent("client.key"), encoding: .utf8)
        let line = try #require(pem.split(separator: "\n").dropFirst().first)
        canaries = Canary.all(tlsKey: String(line))
        for canary in canaries where canary.name != Canary.tlsKey {
            try canary.file.write(to: closed.appendingPathComponent(canary.name))
        }
        let password = try #require(canaries.first { $0.name == "password" })
        #expect(
            try ChildProcess.run(
                "mosquitto_passwd",
                ["-c", "-b", broker.file("passwords"), "obisd", String(decoding: password.bytes, as: UTF8.self)]) == 0)
        try await broker.start()

        let keys = "encryption_key=@\(closed.path)/encryption,authentication_key=@\(closed.path)/authentication"
        meters = try MetersProcess(
            folder: open,
            [
                "dlms-push,tcp=0,interval=500ms,\(keys)", "dlms-push,tcp=0,interval=500ms,serial=2,\(keys)",
                "dlms-push,tcp=0,interval=200ms,serial=3,noise=3,flipped_bit=4,lost_frame=5,\(keys)",
            ])
        // A head that echoes gives the password back as well.
        let optical = "iec62056-21,tcp=0,mode=programming,echo,password=\(Canary.meterPassword)"
        others = try MetersProcess(folder: open, ["dsmr-p1,tcp=0,interval=500ms,\(keys)", "mbus,tcp=0", optical])
        var ports = try await meters.ports(of: 3)
        _ = try await others.ports(of: 3)
        for name in ["dsmr-p1", "mbus", "iec62056-21"] { ports.append(try #require(try others.port(of: name))) }
        let credentials = "encryption_key_credential: encryption, authentication_key_credential: authentication"
        let stanzas = [
            ("good", "dlms-push", credentials), ("wrong", "dlms-push", "encryption_key_credential: wrong"),
            ("broken", "dlms-push", credentials), ("p1", "dsmr-p1", credentials),
            ("bus", "mbus", "interval: 1s, address: 1, encryption_key_credential: wrong"),
            (
                "optical", "iec62056-21",
                "interval: 1s, mode: programming, registers: [1.8.0], password_credential: meter-password"
            ),
        ]
        daemon = try DaemonProcess(
            folder: open, brokerPort: tls,
            meters: zip(stanzas, ports).map { stanza, port in
                #"id: \#(stanza.0), protocol: \#(stanza.1), transport: {tcp: "127.0.0.1:\#(port)"}, \#(stanza.2)"#
            },
            broker: """
                username: obisd, password_credential: password, tls: {ca_file: \(broker.file("server.pem")), \
                cert_file: \(closed.path)/client.pem, key_file: \(closed.path)/client.key}
                """)
        subscriber = try Subscriber(port: broker.port, folder: open, filter: "#")
    }

    func start(_ journal: JournalSocket?) throws {
        _ = FileManager.default.createFile(atPath: daemon.log.path, contents: nil)
        var status = stat()
        #expect(stat(daemon.log.path, &status) == 0)
        try daemon.start(
            ["--log-level", "trace", "--capture", open.appendingPathComponent("captures").path]
                + ["--journal-socket", journal?.path ?? open.path + "/none"],
            environment: ["CREDENTIALS_DIRECTORY=\(closed.path)"]
                + (journal == nil ? [] : ["JOURNAL_STREAM=\(status.st_dev):\(status.st_ino)"]))
    }

    /// Asks all that the daemon and the commands tell, of a sound configuration and of one that shows its secrets.
    func ask() async throws {
        let key = try #require(canaries.first { $0.name == "encryption" })
        let bad = open.deletingLastPathComponent().appendingPathComponent("bad.yaml")
        try Data(
            """
            broker: {host: 127.0.0.1, password: \(Hex.lower(key.bytes))}
            meters:
              - {id: a, protocol: dlms-push, transport: {tcp: "127.0.0.1:1"}, encryption_key: \(Hex.lower(key.bytes))}
              - {id: b, protocol: dlms-push, transport: {tcp: "127.0.0.1:2"}, encryption_key_file: closed/password}
            """.utf8
        ).write(to: bad)
        let configuration = ["--config", daemon.configuration]
        let commands: [[String]] = [
            ["status"] + configuration, ["status", "--format", "json"] + configuration, ["check"] + configuration,
            ["readings", "--format", "json"] + configuration, ["anomalies", "list"] + configuration,
            ["check", "--config", bad.path], ["doctor"] + configuration, ["doctor", "--config", bad.path],
            ["capture", "good"] + configuration, ["capture", "p1"] + configuration,
            ["capture", "optical"] + configuration,
            ["doctor", "--bundle", open.appendingPathComponent("bundle.tar.gz").path] + configuration,
        ]
        for (number, arguments) in commands.enumerated() {
            let outcome = try await Program.run(arguments)
            #expect(!(outcome.output + outcome.error).isEmpty, "\(arguments)")
            try Data((outcome.output + outcome.error).utf8).write(to: open.appendingPathComponent("answer-\(number)"))
        }
        #expect(try ChildProcess.run("tar", ["-xzf", open.path + "/bundle.tar.gz", "-C", open.path]) == 0)
    }

    private static func certificate(_ name: String, in folder: URL) throws {
        #expect(
            try ChildProcess.run(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    folder.path + "/\(name).key", "-out", folder.path + "/\(name).pem", "-days", "2", "-subj",
                    "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1",
                ]) == 0)
    }
}

/// A secret that is to be found nowhere.
private struct Canary {
    static let tlsKey = "tls-key"
    static let meterPassword = "canary-Zx93kQ-meter"

    let name: String
    let bytes: [UInt8]
    /// As it stands in its file.
    let file: Data

    static func all(tlsKey line: String) -> [Canary] {
        let keys = [("encryption", 0x1C), ("authentication", 0x3A), ("wrong", 0x57)].map { name, seed in
            let bytes = (0..<16).map { UInt8(truncatingIfNeeded: seed &+ $0 &* 0x4D) }
            return Canary(name: name, bytes: bytes, file: Data(Hex.lower(bytes).utf8))
        }
        let password = Array("canary-Wq7!zK4-password".utf8)
        return keys + [
            Canary(name: "password", bytes: password, file: Data(password)),
            Canary(
                name: "meter-password", bytes: Array(meterPassword.utf8), file: Data((meterPassword + "\n").utf8)),
            Canary(name: tlsKey, bytes: Array(line.utf8), file: Data(line.utf8)),
        ]
    }

    /// Raw, in both kinds of hexadecimal digits, and in Base64 at each of the three places in a group.
    var planted: [Data] {
        let hex = Hex.lower(bytes)
        return [Data(bytes), Data(hex.utf8), Data(hex.uppercased().utf8)]
            + (0..<3).map { offset in
                Data((Array("xyz".utf8.prefix(offset)) + bytes + Array("end".utf8))).base64EncodedData()
            }
    }

    /// What is searched for: of Base64 only the digits that no neighbour changes.
    private var patterns: [Data] {
        planted.prefix(3)
            + (0..<3).map { offset in
                let text = Data(Array("xyz".utf8.prefix(offset)) + bytes).base64EncodedString()
                let first = offset == 0 ? 0 : offset + 1
                let count = (offset + bytes.count) * 8 / 6 - first
                return Data(text.utf8.dropFirst(first).prefix(count))
            }
    }

    static func found(_ canaries: [Canary], in data: Data) -> [String] {
        canaries.filter { canary in canary.patterns.contains { data.range(of: $0) != nil } }.map(\.name)
    }

    /// - Returns: the names of canaries by file.
    static func found(_ canaries: [Canary], below folder: URL) throws -> [String: [String]] {
        var result: [String: [String]] = [:]
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        #expect(paths.contains("journal.db") && paths.contains("log") && paths.contains("captures/p1.capture"))
        #expect(paths.contains("captures/optical.capture"))
        #expect(paths.contains("obisd-bundle/captures/good.capture"))
        for path in paths {
            guard let data = FileManager.default.contents(atPath: folder.path + "/" + path) else { continue }
            let names = found(canaries, in: data)
            if !names.isEmpty { result[path] = names }
        }
        return result
    }
}

private enum Hex {
    static func lower(_ bytes: [UInt8]) -> String {
        bytes.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
    }
}
