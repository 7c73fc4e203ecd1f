import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

/// Meters of every kind on lines of every kind, at the same time, with the real program and a real broker.
@Suite("Every kind of meter")
struct EveryKindTests {
    private struct Kind {
        let id: String
        /// What `simulate` makes; the place is added.
        let simulated: String
        let place: Place
        /// The stanza, without id and transport.
        let stanza: String

        enum Place { case pty(line: String), tcp, rfc2217(line: String), udp, call }
    }

    private static let kinds: [Kind] = [
        Kind(
            id: "hdlc", simulated: "dlms-push,interval=1s", place: .pty(line: "2400 8E1"),
            stanza: "protocol: dlms-push, profile: lg-e450"),
        Kind(
            id: "segments", simulated: "dlms-push,carrier=segments,interval=1s", place: .tcp,
            stanza: "protocol: dlms-push, profile: lg-e450"),
        Kind(
            id: "mbus", simulated: "dlms-push,carrier=mbus,list=pairs,interval=1s,encryption_key=@KEY",
            place: .pty(line: "2400 8E1"),
            stanza: "protocol: dlms-push, profile: lg-e450-steiermark, encryption_key_file: key"),
        Kind(
            id: "udp", simulated: "dlms-push,carrier=wrapper,interval=1s", place: .udp,
            stanza: "protocol: dlms-push, profile: lg-e450"),
        Kind(
            id: "calling", simulated: "dlms-push,carrier=wrapper,interval=1s", place: .call,
            stanza: "protocol: dlms-push, profile: lg-e450"),
        Kind(
            id: "bare", simulated: "dlms-push,carrier=apdu,interval=4s", place: .tcp,
            stanza: "protocol: dlms-push, profile: lg-e450"),
        Kind(
            id: "mode-a", simulated: "iec62056-21,mode=a,baud=300", place: .pty(line: "300 7E1"),
            stanza: "protocol: iec62056-21, interval: 1s"),
        Kind(
            id: "mode-b", simulated: "iec62056-21,mode=b,baud=4800", place: .rfc2217(line: "300 7E1"),
            stanza: "protocol: iec62056-21, interval: 1s"),
        Kind(
            id: "mode-c", simulated: "iec62056-21,mode=c,baud=9600,echo", place: .rfc2217(line: "300 7E1"),
            stanza: "protocol: iec62056-21, interval: 1s"),
        Kind(
            id: "mode-d", simulated: "iec62056-21,mode=d,interval=2s", place: .pty(line: "2400 7E1"),
            stanza: "protocol: iec62056-21, mode: d"),
        Kind(
            id: "battery", simulated: "iec62056-21,mode=c,baud=2400,wake_up", place: .pty(line: "300 7E1"),
            stanza: "protocol: iec62056-21, interval: 1s, wake_up: true"),
        Kind(
            id: "p1", simulated: "dsmr-p1,version=v50,interval=1s", place: .pty(line: "115200 8N1"),
            stanza:
                "protocol: dsmr-p1, time_zone: Europe/Amsterdam, sub_meters: [{channel: 1, id: gas, name: Gas}]"),
        Kind(
            id: "p1-old", simulated: "dsmr-p1,version=v22,interval=2s", place: .pty(line: "9600 7E1"),
            stanza: "protocol: dsmr-p1"),
        Kind(
            id: "p1-encrypted", simulated: "dsmr-p1,version=v50,interval=1s,encryption_key=@KEY", place: .tcp,
            stanza: "protocol: dsmr-p1, encryption_key_file: key"),
        Kind(id: "sml", simulated: "sml,interval=1s", place: .pty(line: "9600 8N1"), stanza: "protocol: sml"),
    ]

    @Test("is read to the broker at the same time, while one line gives nothing but noise")
    func together() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let key = folder.appendingPathComponent("key").path
            try Data(UInt8(0xA5).keyFile.utf8).write(to: URL(fileURLWithPath: key))
            var simulated: [String] = []
            var stanzas: [String] = []
            for kind in Self.kinds {
                let (place, transport) = try Self.place(kind, in: folder)
                simulated.append(kind.simulated.replacingOccurrences(of: "KEY", with: key) + "," + place)
                stanzas.append("id: \(kind.id), \(kind.stanza), transport: {\(transport)}")
            }
            let noise = try await SimulatedLine(
                path: folder.appendingPathComponent("noise").path, line: LineSettings(baud: 9600))
            stanzas.append("id: noise, protocol: sml, transport: {serial: \(noise.path), line: 9600 8N1}")

            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(folder: folder, brokerPort: broker.port, meters: stanzas)
            // Meters that call need a daemon that listens; those on lines are found when they come.
            try daemon.start()
            let meters = try MetersProcess(folder: folder, simulated)
            defer { meters.end() }
            let hissing = Task {
                var random = SeededGenerator(seed: 5)
                while !Task.isCancelled {
                    await noise.send(random.bytes(200))
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            defer { hissing.cancel() }

            try await subscriber.wait(for: "three readings of every meter", within: .seconds(150)) { subscriber in
                Self.kinds.allSatisfy { subscriber.newest($0.id) >= 3 } && subscriber.newest("gas") >= 1
            }
            for kind in Self.kinds { try expectGood(kind.id, subscriber) }
            try expectGas(subscriber)
            #expect(subscriber.newest("noise") == 0)
            #expect(subscriber.last("obisd/e2e/noise/availability")?.payload == "offline")
            #expect(subscriber.last("obisd/e2e/noise/state") == nil)
            print("kinds of meters read together: \(Self.kinds.count) of \(Self.kinds.count)")
            #expect(try await daemon.terminate() == 0)
            await noise.close()
        }
    }

    /// The place on the simulator's command line, and the transport of the stanza.
    private static func place(_ kind: Kind, in folder: URL) throws -> (String, String) {
        let path = folder.appendingPathComponent(kind.id).path
        switch kind.place {
        case .pty(let line): return ("pty=\(path)", "serial: \(path), line: \(line)")
        case .tcp:
            let port = try FreePort.tcp()
            return ("tcp=\(port)", "tcp: \"127.0.0.1:\(port)\"")
        case .rfc2217(let line):
            let port = try FreePort.tcp()
            return ("rfc2217=\(port)", "rfc2217: \"127.0.0.1:\(port)\", line: \(line)")
        case .udp:
            let port = try FreePort.udp()
            return ("udp=127.0.0.1:\(port)", "listen: \"udp://127.0.0.1:\(port)\", from: [127.0.0.0/8]")
        case .call:
            let port = try FreePort.tcp()
            return ("call=127.0.0.1:\(port)", "listen: \"tcp://127.0.0.1:\(port)\", from: [127.0.0.1]")
        }
    }

    /// Each simulated house counts energy and has 220 to 240 V; every kind of meter must say so.
    private func expectGood(_ id: String, _ subscriber: Subscriber) throws {
        let reading = try #require(subscriber.readings(id).last, "\(id)")
        let json = reading.json
        #expect(json["quality"]?.string == "good", "\(id): \(json["issues"] ?? .null)")
        let energy = json["energies"]?["active_import"]?.digits.flatMap { FixedDecimal($0) }
        #expect(energy.map { $0 > 0 } == true, "\(id)")
        #expect(json["powers"]?["active"]?.digits != nil, "\(id)")
        #expect(subscriber.sequenceProblems(id) == [])
        #expect(subscriber.last("obisd/e2e/\(id)/availability")?.payload == "online", "\(id)")
        #expect(subscriber.last("obisd/e2e/\(id)/state")?.json?["energies"]?["active_import"]?.digits != nil, "\(id)")
    }

    /// The gas meter behind the P1 port: a meter of its own with its own time, and not a reading each second.
    private func expectGas(_ subscriber: Subscriber) throws {
        let gas = try #require(subscriber.readings("gas").first)
        #expect(gas.json["volumes"]?["volume"]?.digits != nil && gas.json["energies"] == nil)
        let register = try #require(gas.json["registers"]?["0-1:24.2.1*255"])
        #expect(register["unit"]?.string == "m3" && register["index"] == nil)
        #expect(register["value"]?.digits == gas.json["volumes"]?["volume"]?.digits)
        let time = try #require(register["time"]?.string)
        #expect(time.hasSuffix("+01:00") || time.hasSuffix("+02:00"))
        #expect(subscriber.newest("gas") <= 2 && subscriber.newest("gas") < subscriber.newest("p1"))
        #expect(subscriber.last("obisd/e2e/gas/availability")?.payload == "online")
        let main = try #require(subscriber.readings("p1").last)
        #expect(main.json["registers"]?["0-1:24.2.1*255"]?["time"]?.string == time || subscriber.newest("gas") == 2)
    }
}
