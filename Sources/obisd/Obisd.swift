import ArgumentParser
import Daemon

@main
struct Obisd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "obisd",
        abstract: "Reads utility meters, keeps every reading, and publishes it over MQTT.",
        discussion: """
            Exit codes are those of sysexits: 64 usage, 65 bad data, 66 no input, 69 service unavailable, 74 I/O, \
            77 permission, 78 configuration.
            """,
        version: DaemonService.version,
        subcommands: [
            Run.self, Check.self, Decode.self, Probe.self, Scan.self, Simulate.self, Status.self, Readings.self,
            Anomalies.self, Replaced.self, Backup.self, CaptureLine.self, Replay.self, Doctor.self,
        ])
}
