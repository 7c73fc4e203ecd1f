import Foundation
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// What a person asks of the journal while the daemon writes it.
@Suite("`obisd readings` and `obisd backup`")
struct ReadingsTests {
    @Test("show every reading as it was published, with every digit, while the daemon runs")
    func whileRunning() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let push = try await PushLine(path: folder.appendingPathComponent("line").path, configuration: .init())
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    "id: main, protocol: dlms-push, transport: {serial: \(push.line.path), line: 2400 8E1}, "
                        + "profile: lg-e450"
                ])
            try daemon.start()
            try await push.pushUntilRead("main", subscriber)
            await push.push()
            try await subscriber.wait(for: "another reading") { $0.newest("main") >= 2 }
            let config = ["--config", folder.appendingPathComponent("obisd.yaml").path]

            let json = try await Program.run(["readings", "--format", "json"] + config)
            let published = subscriber.readings("main").map(\.payload)
            #expect(json.exitCode == 0 && json.lines.starts(with: published))
            let csv = try await Program.run(["readings", "--format", "csv", "--meter", "main"] + config)
            #expect(csv.lines.first == "time,meter,seq,import kWh,export kWh,power W,volume m3,heat kWh,quality,source")
            let first = try #require(subscriber.readings("main").first?.json)
            let row = try #require(csv.lines.dropFirst().first).split(separator: ",", omittingEmptySubsequences: false)
            #expect(row[2] == "1" && row[3] == first["energies"]?["active_import"]?.digits ?? "-")
            #expect(row[5] == first["powers"]?["active"]?.digits ?? "-" && row[8] == "good")
            #expect(try await Program.run(["readings", "--since", "1h", "--format", "json"] + config).lines.count >= 2)
            #expect(
                try await Program.run(["readings", "--until", "2020-01-01", "--format", "json"] + config).lines == [])
            #expect(try await Program.run(["readings", "--meter", "other"] + config).exitCode == 64)

            let influx = try await Program.run(["readings", "--format", "influx"] + config)
            #expect(influx.exitCode == 0 && influx.lines.count >= 2)
            try expectPoint(influx.lines[0], first)
            let registers = try await Program.run(["readings", "--format", "influx", "--registers"] + config)
            let energy = try #require(first["registers"]?["1-1:1.8.0*255"]?["value"]?.digits)
            #expect(registers.lines.first?.contains(",1-1:1.8.0*255=\(energy),") == true)
            #expect(try await Program.run(["readings", "--registers"] + config).exitCode == 64)

            let copy = folder.appendingPathComponent("copy.db").path
            #expect(try await Program.run(["backup", copy] + config).exitCode == 0)
            #expect(try await Program.run(["backup", copy] + config).exitCode == 77)
            let copied = try await Program.run(["readings", "--journal", copy, "--format", "json"])
            #expect(copied.lines.starts(with: published))
            #expect(try await daemon.terminate() == 0)
            await push.line.close()
        }
    }

    /// The line of a reading, letter by letter: what is unknown is left out.
    private func expectPoint(_ line: String, _ reading: ExactJSON) throws {
        func digits(_ group: String, _ key: String) throws -> String { try #require(reading[group]?[key]?.digits) }
        let time = try #require(reading["time"]?.string.flatMap { Timestamp($0) })
        let names = [
            ("active_import", "energies", "active_import"), ("active_export", "energies", "active_export"),
            ("active_power", "powers", "active"), ("voltage_l1", "voltages", "l1"), ("voltage_l2", "voltages", "l2"),
            ("voltage_l3", "voltages", "l3"), ("current_l1", "currents", "l1"), ("current_l2", "currents", "l2"),
            ("current_l3", "currents", "l3"),
        ]
        let fields = try names.map { "\($0)=\(try digits($1, $2))" }.joined(separator: ",")
        #expect(
            line == """
                obisd,meter=main,node=e2e,source=live seq=1i,epoch=1i,device="LGZ0012345678",\(fields),quality="good" \
                \(time.milliseconds)000000
                """)
    }

    @Test("say that there is no journal")
    func missing() async throws {
        let outcome = try await Program.run(["readings", "--journal", "/nowhere/journal.db"])
        #expect(outcome.exitCode == 66 && outcome.error.contains("There is no journal"))
        #expect(try await Program.run(["readings", "--since", "yesterday"]).exitCode == 64)
    }
}
