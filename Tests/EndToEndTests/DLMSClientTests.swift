import Foundation
import OBIS
import TestSupport
import Testing

@Suite("A meter that is asked by DLMS, end to end")
struct DLMSClientTests {
    /// A way to a meter: what the simulator opens, and what the stanza says.
    enum Path: String, CaseIterable {
        case wrapperTCP, wrapperUDP, hdlcSerial, hdlcSignOn, hdlcTCP

        func simulator(_ place: Place) -> String {
            switch self {
            case .wrapperTCP: "tcp=\(place.port)"
            case .wrapperUDP: "udp=\(place.port)"
            case .hdlcSerial: "pty=\(place.path)"
            case .hdlcSignOn: "pty=\(place.path),sign_on"
            case .hdlcTCP: "tcp=\(place.port),framing=hdlc"
            }
        }

        func stanza(_ place: Place) -> String {
            switch self {
            case .wrapperTCP: "transport: {tcp: \"127.0.0.1:\(place.port)\"}"
            case .wrapperUDP: "transport: {udp: \"127.0.0.1:\(place.port)\"}"
            case .hdlcSerial: "transport: {serial: \(place.path)}"
            case .hdlcSignOn: "transport: {serial: \(place.path)}, mode: e"
            case .hdlcTCP: "transport: {tcp: \"127.0.0.1:\(place.port)\"}, framing: hdlc"
            }
        }
    }

    struct Place {
        let port: Int
        let path: String
    }

    /// How the simulator and the stanza name the same security.
    struct Security {
        let id: String
        let simulator: String
        let stanza: String

        static let password = "password=12345678"
        static let keys = "encryption_key=@guek.hex,authentication_key=@gak.hex"
        static let keyFiles = "encryption_key_file: guek.hex, authentication_key_file: gak.hex"
        static let all: [Security] =
            [
                Security(id: "none", simulator: "security=none", stanza: "security: none"),
                Security(
                    id: "none-ciphered", simulator: "security=none,\(keys)", stanza: "security: none, \(keyFiles)"),
                Security(id: "gmac", simulator: "security=hls-gmac,\(keys)", stanza: "security: hls-gmac, \(keyFiles)"),
                Security(
                    id: "gmac-plain", simulator: "security=hls-gmac,\(keys),plain",
                    stanza: "security: hls-gmac, \(keyFiles), ciphering: none"),
            ]
            + ["lls", "hls-md5", "hls-sha1", "hls-sha256"].map {
                Security(
                    id: $0, simulator: "security=\($0),\(password)",
                    stanza: "security: \($0), password_file: password, load_profile: off")
            } + [
                Security(
                    id: "lls-ciphered", simulator: "security=lls,\(password),\(keys)",
                    stanza: "security: lls, password_file: password, \(keyFiles), dedicated_key: true")
            ]
    }

    @Test("is read over each of the five paths at every level of security", arguments: Path.allCases)
    func reads(path: Path) async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            try "000102030405060708090A0B0C0D0E0F\n".write(
                to: folder.appendingPathComponent("guek.hex"), atomically: true, encoding: .utf8)
            try "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF\n".write(
                to: folder.appendingPathComponent("gak.hex"), atomically: true, encoding: .utf8)
            let places = try Security.all.map {
                Place(
                    port: path == .wrapperUDP ? try FreePort.udp() : try FreePort.tcp(),
                    path: folder.appendingPathComponent("line-\($0.id)").path)
            }
            let meters = try MetersProcess(
                folder: folder,
                zip(Security.all, places).map { security, place in
                    let options = security.simulator.replacing("@", with: "@\(folder.path)/")
                    return "dlms-client,\(path.simulator(place)),\(options)"
                })
            defer { meters.end() }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: zip(Security.all, places).map { security, place in
                    "id: \(security.id), protocol: dlms-client, client: 1, interval: 1s, "
                        + "registers: [\"1-0:1.8.0*255\", \"1-0:16.7.0*255\", \"1-0:32.7.0*255\"], "
                        + "\(path.stanza(place)), \(security.stanza)"
                })
            for (name, secret) in [
                ("password", "12345678"), ("guek.hex", "000102030405060708090A0B0C0D0E0F"),
                ("gak.hex", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
            ] {
                try daemon.write(secret + "\n", to: name)
            }
            try daemon.start()
            try await subscriber.wait(for: "two readings of each meter", within: .seconds(150)) { subscriber in
                Security.all.allSatisfy { subscriber.newest($0.id) >= 2 }
            }
            for security in Security.all {
                let json = try #require(subscriber.readings(security.id).last?.json, "\(security.id)")
                #expect(json["quality"]?.string == "good", "\(security.id): \(json["issues"] ?? .null)")
                #expect(json["energies"]?["active_import"]?.digits?.contains(".") == true, "\(security.id)")
                #expect(json["voltages"]?["l1"]?.digits != nil || json["voltage"] != nil, "\(security.id)")
                #expect(json["meter_time"]?.string != nil, "\(security.id)")
                #expect(subscriber.sequenceProblems(security.id) == [])
            }
            #expect(try await daemon.terminate() == 0)
            print("DLMS over \(path.rawValue): \(Security.all.count) of \(Security.all.count)")
        }
    }

    @Test("a hole is filled from its load profile, every interval once, also by a daemon that is killed again")
    func fillsHole() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let port = try FreePort.tcp()
            let meters = try MetersProcess(folder: folder, ["dlms-client,tcp=\(port),profile_period=1s"])
            defer { meters.end() }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: main, protocol: dlms-client, client: 1, interval: 1s, registers: [\"1-0:1.8.0*255\"], "
                        + "transport: {tcp: \"127.0.0.1:\(port)\"}"
                ])
            try daemon.start()
            try await subscriber.wait(for: "readings") { $0.newest("main") >= 3 }
            daemon.kill()
            // The hole itself: longer than the meter may be silent.
            try await Task.sleep(for: .seconds(16))
            try daemon.start()
            // What a kill repeats has the same number.
            func filled(_ subscriber: Subscriber) -> [String] {
                var seen: Set<Int> = []
                return subscriber.readings("main").filter { seen.insert($0.seq).inserted }
                    .filter { $0.json["source"]?.string == "load-profile" }.compactMap { $0.json["time"]?.string }
            }
            try await subscriber.wait(for: "the hole to be filled") { filled($0).count >= 14 }
            let last = subscriber.newest("main")
            daemon.kill()
            try daemon.start()
            try await subscriber.wait(for: "live readings behind it") { $0.newest("main") >= last + 3 }
            let times = filled(subscriber)
            #expect(Set(times).count == times.count && times == times.sorted())
            // One for each second, without one missing in between.
            let seconds = times.compactMap { Timestamp($0).map { $0.milliseconds / 1000 } }
            #expect(seconds == Array((seconds.first ?? 0)...(seconds.last ?? 0)))
            #expect(subscriber.sequenceProblems("main") == [])
            #expect(try await daemon.terminate() == 0)
        }
    }
}
