import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

/// From a port to the broker, with the real program and a real broker.
@Suite("The way of a reading")
struct WayOfAReadingTests {
    @Test("an encrypted push and an optical readout arrive as the contract says, with every digit")
    func bothProtocols() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            var configuration = PushMeter.Configuration(serial: "12345678")
            configuration.encryptionKey = .sample(0xA5)
            configuration.authenticationKey = .sample(0x5A)
            let push = try await PushLine(
                path: folder.appendingPathComponent("push").path, configuration: configuration)
            let optical = try await SimulatedLine(
                path: folder.appendingPathComponent("optical").path,
                line: LineSettings(baud: 300, dataBits: 7, parity: .even))
            let answering = Task {
                await SimulatedMeter(kind: .optical(.init(manufacturer: "LGZ"), .init()), seed: 3).run(
                    over: optical)
            }
            defer { answering.cancel() }

            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    """
                    id: main, protocol: dlms-push, transport: {serial: \(push.line.path), line: 2400 8E1}, \
                    profile: lg-e450, time_zone: "+01:00", serial: "12345678", encryption_key_file: key, \
                    authentication_key_file: auth-key, interval: 5s
                    """,
                    """
                    id: optical, protocol: iec62056-21, transport: {serial: \(optical.path), line: 300 7E1}, interval: 1s
                    """,
                ])
            try daemon.write(UInt8(0xA5).keyFile, to: "key")
            try daemon.write(UInt8(0x5A).keyFile, to: "auth-key")
            try daemon.start()

            try await push.pushUntilRead("main", subscriber)
            try expectReading(try #require(subscriber.readings("main").last), of: push.house)
            try await subscriber.wait(for: "two optical readings") { $0.newest("optical") >= 2 }
            try expectOptical(try #require(subscriber.readings("optical").last))
            try await expectLive(subscriber, push)
            try await expectRetained(broker, folder)
            #expect(try await daemon.terminate() == 0)
            await push.line.close()
            await optical.close()
        }
    }

    @Test("a reading that waits for the end of its window is journaled when the daemon is told to end")
    func heldBack() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let push = try await PushLine(path: folder.appendingPathComponent("line").path, configuration: .init())
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: main, protocol: dlms-push, transport: {serial: \(push.line.path), line: 2400 8E1}, "
                        + "profile: lg-e450, record: {every: 1d}"
                ])
            try daemon.start()
            try await push.waitForReader()
            func isShown() -> Bool { Self.energy(subscriber.last("obisd/e2e/main/state")?.json) == push.house.imported }
            var shown = 0
            for _ in 0..<30 where shown < 3 {
                await push.push()
                do {
                    try await subscriber.wait(for: "the state", within: .seconds(3)) { _ in isShown() }
                    shown += 1
                } catch is NotInTime { continue }
            }
            #expect(shown == 3)
            #expect(try await daemon.terminate() == 0)
            let journaled = try await daemon.journaled()
            // Two where midnight passed.
            #expect((1...2).contains(journaled.count))
            let last = journaled.last.flatMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
            #expect(Self.energy(last) == push.house.imported)
            await push.line.close()
        }
    }

    private static func energy(_ reading: ExactJSON?) -> Int? {
        reading?["registers"]?["1-1:1.8.0*255"]?["value"]?.int
    }

    static let keys = [
        "schema", "node", "meter", "stream", "seq", "source", "epoch", "device", "time", "captured_at",
        "clock",
        "meter_time", "energies", "powers", "voltages", "currents", "grid", "quality", "issues",
        "registers",
    ]

    /// Every number as the simulated house has it.
    private func expectReading(_ reading: Subscriber.Reading, of house: Household) throws {
        let json = reading.json
        #expect(json.keys == Self.keys)
        #expect(
            json["schema"]?.int == 1 && json["node"]?.string == "e2e" && json["meter"]?.string == "main")
        #expect(json["source"]?.string == "live" && json["epoch"]?.int == 1)
        #expect(json["device"] == ExactJSON(#"{"id":"LGZ0012345678","manufacturer":"LGZ"}"#))
        #expect(reading.stream.count == 32)
        #expect(json["time"] == json["captured_at"])
        #expect(json["meter_time"]?.string?.hasSuffix("+01:00") == true)
        #expect(json["quality"]?.string == "good" && json["issues"]?.items.isEmpty == true)
        func kilo(_ value: Int) -> String { FixedDecimal(Int64(value), exponent: -3).description }
        #expect(
            json["energies"]
                == ExactJSON(
                    """
                    {"active_import":\(kilo(house.imported)),"active_export":\(kilo(house.exported)),\
                    "reactive_import":null,"reactive_export":null}
                    """))
        #expect(
            json["powers"] == ExactJSON(#"{"active":\#(house.power),"reactive":null,"apparent":null}"#))
        let voltages = house.phases.map(\.voltage)
        #expect(
            json["voltages"]
                == ExactJSON(#"{"l1":\#(voltages[0]),"l2":\#(voltages[1]),"l3":\#(voltages[2])}"#))
        let currents = house.phases.map { FixedDecimal(Int64($0.current), exponent: -2).description }
        #expect(
            json["currents"]
                == ExactJSON(#"{"l1":\#(currents[0]),"l2":\#(currents[1]),"l3":\#(currents[2]),"n":null}"#))
        #expect(
            json["grid"]
                == ExactJSON(
                    #"{"frequency":null,"power_factor":null,"thd_voltage":null,"thd_current":null}"#))
        #expect(
            json["registers"]?["1-1:1.8.0*255"] == ExactJSON(#"{"value":\#(house.imported),"unit":"Wh"}"#)
        )
        #expect(
            json["registers"]?["1-0:31.7.0*255"] == ExactJSON(#"{"value":\#(currents[0]),"unit":"A"}"#))
        #expect(json["registers"]?["0-0:96.1.1*255"] == ExactJSON(#"{"value":"12345678","unit":null}"#))
    }

    /// The named values are those of the registers, moved to the units of the contract.
    private func expectOptical(_ reading: Subscriber.Reading) throws {
        let json = reading.json
        #expect(json.keys == Self.keys && json["quality"]?.string == "good")
        #expect(json["device"]?["manufacturer"]?.string == "LGZ")
        let registers = try #require(json["registers"])
        func digits(_ code: String) -> String? { registers[code]?["value"]?.digits }
        #expect(registers["1-0:1.8.0*255"]?["unit"]?.string == "kWh")
        #expect(json["energies"]?["active_import"]?.digits == digits("1-0:1.8.0*255"))
        #expect(json["energies"]?["active_import"]?.digits?.split(separator: ".").last?.count == 3)
        let kilowatt = try #require(digits("1-0:16.7.0*255").flatMap { FixedDecimal($0) })
        #expect(json["powers"]?["active"]?.digits == kilowatt.scaled(byPowerOfTen: 3)?.description)
        for (index, phase) in ["l1", "l2", "l3"].enumerated() {
            #expect(json["voltages"]?[phase]?.digits == digits("1-0:\(32 + 20 * index).7.0*255"))
            #expect(json["currents"]?[phase]?.digits == digits("1-0:\(31 + 20 * index).7.0*255"))
        }
    }

    /// `state` follows the readings, and the daemon tells of itself.
    private func expectLive(_ subscriber: Subscriber, _ push: PushLine) async throws {
        let power = "\(push.house.power)"
        try await subscriber.wait(for: "a state with the newest power") {
            $0.last("obisd/e2e/main/state")?.json?["powers"]?["active"]?.digits == power
        }
        let state = try #require(subscriber.last("obisd/e2e/main/state")?.json)
        #expect(state.keys == Self.keys + ["totals", "register_totals"])
        #expect(state["totals"] == state["energies"])
        #expect(subscriber.last("obisd/e2e/main/availability")?.payload == "online")
        #expect(subscriber.last("obisd/e2e/optical/availability")?.payload == "online")
        #expect(subscriber.last("obisd/e2e/status")?.payload == "online")
        try await subscriber.wait(for: "info") { $0.last("obisd/e2e/info") != nil }
        let info = try #require(subscriber.last("obisd/e2e/info")?.json)
        #expect(
            info["node"]?.string == "e2e"
                && info["stream"] == subscriber.readings("main").last?.json["stream"])
        #expect(info["meters"]?.items.map { $0["id"]?.string } == ["main", "optical"])
        #expect(info["degraded"]?.bool == false)
    }

    /// What a later subscriber finds.
    private func expectRetained(_ broker: MosquittoBroker, _ folder: URL) async throws {
        let late = try Subscriber(port: broker.port, folder: folder)
        try await late.wait(for: "every retained topic") { late in
            let kinds = Set(late.messages.filter(\.isRetained).map { "\($0.meter)/\($0.kind)" })
            return kinds.isSuperset(of: [
                "e2e/status", "e2e/info", "main/state", "main/availability", "optical/state",
                "optical/availability",
            ])
        }
        #expect(!late.messages.contains { $0.isRetained && $0.kind == "reading" })
    }
}
