import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// One bad line, wrong key or unwilling broker: said once, counted, and nothing to the others.
@Suite("Bad input")
struct BadInputTests {
    @Test("noise, flipped bits, cut-off and lost frames cost themselves alone, and few log lines")
    func badLine() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let bad = try await PushLine(
                path: folder.appendingPathComponent("bad").path, configuration: .init())
            let good = try await PushLine(
                path: folder.appendingPathComponent("good").path, configuration: .init(serial: "22222222"))
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [stanza("bad", bad.line.path), stanza("good", good.line.path)])
            try daemon.start()
            for meter in [("bad", bad), ("good", good)] {
                try await meter.1.pushUntilRead(meter.0, subscriber)
            }

            var random = SystemRandomNumberGenerator()
            let began = Date()
            let before = subscriber.newest("bad")
            for round in 0..<60 {
                await bad.push { bytes in
                    switch round % 4 {
                    case 0: bytes.map { $0 ^ 0x10 }
                    case 1: Self.flipped(bytes, &random)
                    case 2: Array(bytes.prefix(bytes.count / 2))
                    default: (0..<300).map { _ in UInt8.random(in: 0...255, using: &random) }
                    }
                }
                await good.push()
            }
            // What comes next is read again, and by then all of the bad has been looked at.
            try await bad.pushUntilRead("bad", subscriber)
            #expect(subscriber.readings("bad").last?.json["powers"]?["active"]?.int == bad.house.power)
            #expect(subscriber.newest("bad") == before + 1, "a damaged push gave a reading")
            try await subscriber.wait(for: "the other meter's readings") { $0.newest("good") >= 61 }
            #expect(subscriber.sequenceProblems("good") == [] && subscriber.sequenceProblems("bad") == [])
            #expect(!subscriber.readings("good").contains { $0.json["quality"]?.string != "good" })

            // Each kind of line comes once a minute.
            let minutes = Int(Date().timeIntervalSince(began) / 60) + 1
            let lines = try daemon.logLines("meter=bad")
            let dropped = lines.filter { $0.contains("A message was dropped") }
            print("bad messages: 60, log lines about them: \(dropped.count)")
            #expect((1...(4 * minutes)).contains(dropped.count), "\(dropped)")
            #expect(lines.count <= 10 * minutes)
            #expect(try daemon.logLines("meter=good").filter { $0.contains("WARNING") }.isEmpty)
            #expect(try await daemon.terminate() == 0)
            await bad.line.close()
            await good.line.close()
        }
    }

    @Test("simulated faults at full speed leave only whole readings")
    func simulatedFaults() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=20ms,noise=3,flipped_bit=5,lost_frame=7"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            try daemon.start()
            try await subscriber.wait(for: "200 readings") { $0.newest("main") >= 200 }
            #expect(subscriber.sequenceProblems("main") == [])
            let odd = subscriber.readings("main").filter {
                $0.json["registers"]?.keys.count != 13 || $0.json["quality"]?.string != "good"
            }
            #expect(odd.map(\.payload) == [])
            #expect(try await daemon.terminate() == 0)
            meters.end()
        }
    }

    @Test("each wrong key has its own sentence, and the keys stand in none")
    func wrongKeys() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            var configuration = PushMeter.Configuration()
            configuration.encryptionKey = .sample(0xA5)
            configuration.authenticationKey = .sample(0x5A)
            let names = ["right", "none", "encryption", "authentication"]
            var lines: [String: PushLine] = [:]
            for name in names {
                lines[name] = try await PushLine(
                    path: folder.appendingPathComponent(name).path, configuration: configuration)
            }
            let keys = [
                "right": "encryption_key_file: a5, authentication_key_file: 5a", "none": "",
                "encryption": "encryption_key_file: 11",
                "authentication": "encryption_key_file: a5, authentication_key_file: 11",
            ]
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: names.map { name in
                    stanza(name, lines[name]?.line.path ?? "")
                        + (keys[name].map { $0.isEmpty ? "" : ", \($0)" } ?? "")
                })
            for byte: UInt8 in [0xA5, 0x5A, 0x11] {
                try daemon.write(byte.keyFile, to: Hex.string([byte]))
            }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            try daemon.start()
            for name in names { try await lines[name]?.waitForReader() }
            for name in names.dropFirst() {
                let isSaid = {
                    try !daemon.logLines("meter=\(name)").filter { $0.contains("dropped") }.isEmpty
                }
                for _ in 0..<30 where try !isSaid() {
                    await lines[name]?.push()
                    try? await waitFor("a line about \(name)", within: .seconds(3), isSaid)
                }
            }
            try await lines["right"]?.pushUntilRead("right", subscriber)
            let said = try names.dropFirst().map { name in
                try #require(try daemon.logLines("meter=\(name)").first { $0.contains("dropped") })
            }
            #expect(said[0].contains("error=key-missing"))
            #expect(said[1].contains("error=decryption"))
            #expect(said[2].contains("error=authentication"))
            #expect(Set(subscriber.messages.filter { $0.kind == "reading" }.map(\.meter)) == ["right"])
            let everything = daemon.log.lines.joined() + subscriber.messages.map(\.payload).joined()
            for byte: UInt8 in [0xA5, 0x5A, 0x11] {
                let key = Hex.string([UInt8](repeating: byte, count: 16))
                #expect(!everything.lowercased().contains(key))
            }
            #expect(try await daemon.terminate() == 0)
            for line in lines.values { await line.line.close() }
        }
    }

    @Test("a port that vanishes and comes back needs no restart, and changes nothing for another")
    func unplugged() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let bad = try await PushLine(
                path: folder.appendingPathComponent("bad").path, configuration: .init())
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=100ms,serial=22222222"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    stanza("bad", bad.line.path) + ", interval: 1s",
                    #"id: good, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#,
                ])
            try daemon.start()
            for round in 1...2 {
                try await bad.pushUntilRead("bad", subscriber)
                try await subscriber.wait(for: "`online`") {
                    $0.last("obisd/e2e/bad/availability")?.payload == "online"
                }
                await bad.line.unplug()
                try await subscriber.wait(for: "`offline` in round \(round)") {
                    $0.last("obisd/e2e/bad/availability")?.payload == "offline"
                }
                try await bad.line.replug()
            }
            try await bad.pushUntilRead("bad", subscriber)
            #expect(subscriber.sequenceProblems("bad") == [] && subscriber.sequenceProblems("good") == [])
            let states = subscriber.messages.filter { $0.topic == "obisd/e2e/good/availability" }.map(
                \.payload)
            #expect(states.last == "online")
            #expect(!states.drop { $0 == "offline" }.contains("offline"))
            let lines = try daemon.logLines("meter=bad").filter { $0.contains("The line is not open") }
            #expect((1...6).contains(lines.count), "\(lines)")
            #expect(try await daemon.terminate() == 0)
            meters.end()
            await bad.line.close()
        }
    }

    // MARK: Brokers

    @Test(
        "a reading that the broker refuses stays queued, is told, and arrives in order when it is allowed"
    )
    func refused() async throws {
        try await withFolder { folder in
            let allowed = "topic readwrite #\n"
            let retained = ["status", "info", "+/state", "+/availability", "+/problem/+", "+/summary/+"].map {
                "topic write obisd/e2e/\($0)\n"
            }
            let broker = try await MosquittoBroker(
                ["acl_file FOLDER/acl"], files: ["acl": "topic read #\n" + retained.joined()])
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=200ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            try daemon.start()
            try await daemon.waitForLog("The broker refused the message")
            // What is not refused goes on meanwhile.
            try await subscriber.wait(for: "ten states") { subscriber in
                subscriber.messages.count { $0.topic == "obisd/e2e/main/state" } >= 10
            }
            #expect(subscriber.readings("main").isEmpty)
            try broker.write(allowed, to: "acl")
            broker.reload()
            try await subscriber.wait(for: "the readings that waited") { $0.newest("main") >= 20 }
            #expect(subscriber.sequenceProblems("main") == [])
            let lines = try daemon.logLines("The broker refused the message")
            print("log lines about refused readings: \(lines.count)")
            #expect((1...4).contains(lines.count), "\(lines)")
            try await subscriber.wait(for: "info that counts the refusals") { subscriber in
                let broker = subscriber.last("obisd/e2e/info")?.json?["broker"]
                return broker?["refused"]?.int ?? 0 > 0
            }
            #expect(try await daemon.terminate() == 0)
            meters.end()
        }
    }

    // MARK: Support

    private func stanza(_ id: String, _ path: String) -> String {
        "id: \(id), protocol: dlms-push, transport: {serial: \(path), line: 2400 8E1}, profile: lg-e450"
    }

    private static func flipped(_ bytes: [UInt8], _ random: inout SystemRandomNumberGenerator)
        -> [UInt8]
    {
        var bytes = bytes
        // Within the first frame, behind its flag and before its end.
        bytes[Int.random(in: 20..<80, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        return bytes
    }
}
