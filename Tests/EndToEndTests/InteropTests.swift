import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// Against pyMeterBus, an implementation of M-Bus that shares nothing with this one. Without the network from which it is
/// installed, below the folder of the test, nothing is tested.
@Suite("M-Bus with another implementation")
struct InteropTests {
    private static let version = "0.8.5"

    /// Its Python; nil where it cannot be installed.
    private func install(in folder: URL) async throws -> String? {
        let python = folder.appendingPathComponent("venv/bin/python3").path
        let steps = [
            ["python3", "-m", "venv", folder.appendingPathComponent("venv").path],
            [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "pyMeterBus==\(Self.version)"],
        ]
        for step in steps {
            let process = try ChildProcess("/usr/bin/env", step, error: folder.appendingPathComponent("install").path)
            guard try await process.waitForExit(within: .seconds(90)) == 0 else {
                print("skipped: pyMeterBus \(Self.version) cannot be installed here (\(step.joined(separator: " ")))")
                return nil
            }
        }
        return python
    }

    @Test("reads the simulated slaves, and is read", .timeLimit(.minutes(5)))
    func pyMeterBus() async throws {
        try await withFolder { folder in
            guard let python = try await install(in: folder) else { return }
            for kind in MBusSlave.Kind.allCases { try await isRead(kind, by: python, folder) }
            try await reads(from: python, folder)
        }
    }

    // MARK: It is the master

    private static let master = """
        import json, sys, serial, meterbus
        port = serial.serial_for_url("socket://127.0.0.1:" + sys.argv[1], timeout=2)
        def acknowledged():
            assert isinstance(meterbus.load(meterbus.recv_frame(port, 1)), meterbus.TelegramACK)
        def show():
            frame = meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))
            print(json.dumps(json.loads(frame.to_JSON())))
        meterbus.send_ping_frame(port, 5)
        acknowledged()
        meterbus.send_request_frame_multi(port, 5)
        show()
        meterbus.send_select_frame(port, "20254711FFFFFFFF")
        acknowledged()
        meterbus.send_request_frame(port, 253)
        show()
        meterbus.send_select_frame(port, "2025471FFFFFFFFF")
        acknowledged()
        meterbus.send_ping_frame(port, 253)
        acknowledged()
        """

    private func isRead(_ kind: MBusSlave.Kind, by python: String, _ folder: URL) async throws {
        let slaves = (0..<2).map { index in
            MBusSlave(
                configuration: .init(kind: kind, address: UInt8(5 + index), serial: "\(20_254_711 + 100 * index)"))
        }
        let house = try await BusHouse(slaves.map { .init($0) }, seed: 7)
        let script = folder.appendingPathComponent("master.py")
        let output = LineFile(folder.appendingPathComponent("\(kind)").path)
        try Data(Self.master.utf8).write(to: script)
        let process = try ChildProcess(
            python, [script.path, "\(house.port)"], output: output.path, error: output.path + "-error")
        #expect(try await process.waitForExit(within: .seconds(60)) == 0, "\(kind)")
        try output.read()
        let frames = output.lines.compactMap { ExactJSON($0)?["body"] }
        #expect(frames.count == 2)
        for frame in frames {
            #expect(frame["header"]?["identification"]?.string == "0x20, 0x25, 0x47, 0x11")
            #expect(frame["header"]?["manufacturer"]?.string == "OBI")
            let records = frame["records"]?.items ?? []
            func value(_ type: String) -> FixedDecimal? {
                let record = records.first { $0["type"]?.string == "VIFUnit.\(type)" }
                return record?["value"]?.digits.flatMap { FixedDecimal($0) }
            }
            #expect(value("FABRICATION_NO") == 20_254_711, "\(kind)")
            // It calculates in binary floating point.
            let start = Household(seed: 7)
            let (litres, energy) = (Double(start.imported / 10) / 1000, Double(start.imported))
            switch kind {
            case .gas, .water: #expect(value("VOLUME").map { abs($0.double - litres) < 0.1 } == true, "\(kind)")
            case .heat:
                #expect(value("VOLUME").map { abs($0.double - litres) < 0.1 } == true, "\(kind)")
                #expect(value("ENERGY_WH").map { abs($0.double - energy) <= 1000 } == true, "\(kind)")
            case .electricity: #expect(records.count == 16, "\(kind)")
            }
        }
        print("pyMeterBus reads \(kind): \(frames.count) of 2")
        await house.close()
    }

    // MARK: It is the slave

    private static let slave = """
        import socket, sys, meterbus
        def answer(records):
            frame = meterbus.TelegramLong()
            frame.header.cField.parts = [0x08]
            frame.header.aField.parts = [5]
            frame.body.bodyHeaderLength = 13
            frame.body.bodyHeader = [0x72] + list(bytes.fromhex("785634124D6A01072A000000"))
            frame.body.bodyPayload.set_payload(list(bytes.fromhex(records)))
            return bytes(bytearray(frame))
        answers = {0x7B: answer("0C1345230100" + "1F"), 0x5B: answer("0A5A2301" + "023B0700")}
        server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        while True:
            line, _ = server.accept()
            waiting = b""
            while True:
                received = line.recv(100)
                if not received:
                    break
                waiting += received
                while len(waiting) >= 5:
                    frame = meterbus.TelegramShort.parse(list(waiting[:5]))
                    waiting = waiting[5:]
                    control, address = frame.header.cField.parts[0], frame.header.aField.parts[0]
                    if address == 5:
                        line.sendall(b"\\xE5" if control == 0x40 else answers[control])
        """

    private func reads(from python: String, _ folder: URL) async throws {
        let port = try FreePort.tcp()
        let script = folder.appendingPathComponent("slave.py")
        try Data(Self.slave.utf8).write(to: script)
        let process = try ChildProcess(
            python, [script.path, "\(port)"], error: folder.appendingPathComponent("slave-error").path)
        defer { process.end(SIGTERM) }
        let broker = try await MosquittoBroker()
        let subscriber = try Subscriber(port: broker.port, folder: folder)
        let daemon = try DaemonProcess(
            folder: folder, brokerPort: broker.port,
            meters: ["id: peer, protocol: mbus, transport: {tcp: \"127.0.0.1:\(port)\"}, address: 5, interval: 1s"])
        try daemon.start()
        try await subscriber.wait(for: "three readings") { $0.newest("peer") >= 3 }
        for reading in subscriber.readings("peer") {
            let json = reading.json
            #expect(json["device"]?["id"]?.string?.hasSuffix("12345678") == true)
            #expect(json["volumes"]?["volume"]?.digits == "12.345" && json["quality"]?.string == "good")
            #expect(json["flows"]?["volume"]?.digits == "0.007", "\(json["flows"] ?? .null)")
            #expect(json["registers"]?.keys.count == 3)
        }
        print("pyMeterBus is read: \(subscriber.readings("peer").count) readings")
        #expect(try await daemon.terminate() == 0)
    }
}
