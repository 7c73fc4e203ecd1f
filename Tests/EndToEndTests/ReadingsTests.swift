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
            #expect(csv.lines.first == "time,meter,seq,import kWh,export kWh,power W,volume m3,heat kWh,quality")
            let first = try #require(subscriber.readings("main").first?.json)
            let row = try #require(csv.lines.dropFirst().first).split(separator: ",", omittingEmptySubsequences: false)
            #expect(row[2] == "1" && row[3] == first["energies"]?["active_import"]?.digits ?? "-")
            #expect(row[5] == first["powers"]?["active"]?.digits ?? "-" && row[8] == "good")
            #expect(try await Program.run(["readings", "--since", "1h", "--format", "json"] + config).lines.count >= 2)
            #expect(
                try await Program.run(["readings", "--until", "2020-01-01", "--format", "json"] + config).lines == [])
            #expect(try await Program.run(["readings", "--meter", "other"] + config).exitCode == 64)

            let copy = folder.appendingPathComponent("copy.db").path
            #expect(try await Program.run(["backup", copy] + config).exitCode == 0)
            #expect(try await Program.run(["backup", copy] + config).exitCode == 66)
            let copied = try await Program.run(["readings", "--journal", copy, "--format", "json"])
            #expect(copied.lines.starts(with: published))
            #expect(try await daemon.terminate() == 0)
            await push.line.close()
        }
    }

    @Test("say that there is no journal")
    func missing() async throws {
        let outcome = try await Program.run(["readings", "--journal", "/nowhere/journal.db"])
        #expect(outcome.exitCode == 66 && outcome.error.contains("There is no journal"))
        #expect(try await Program.run(["readings", "--since", "yesterday"]).exitCode == 64)
    }
}
