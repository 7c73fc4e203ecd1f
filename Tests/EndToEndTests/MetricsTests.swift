import Foundation
import TestSupport
import Testing

/// The file for Prometheus, from a daemon that runs.
@Suite("Metrics")
struct MetricsTests {
    @Test("stand beside the configuration while the daemon runs, follow a reload, and are gone when it has ended")
    func file() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=100ms"])
            let port = try #require(try await meters.ports(of: 1).first)
            let stanza = #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
            let daemon = try DaemonProcess(folder: folder, brokerPort: broker.port, meters: [])
            func configure(_ file: String) throws {
                try daemon.configure(
                    brokerPort: broker.port, meters: [stanza], more: "metrics: {file: \(file), every: 1s}")
            }
            let files = ["obisd.prom", "other.prom"].map { folder.appendingPathComponent($0).path }
            /// Every look finds all of it.
            func value(_ series: String, in file: String) throws -> String? {
                guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
                return try PrometheusText(text).values[series]
            }
            try configure("obisd.prom")
            try daemon.start()
            try await waitFor("published readings") {
                try value("obisd_published_total", in: files[0]).flatMap { Int($0) } ?? 0 >= 3
            }
            let labels = #"{meter="main",protocol="dlms-push"}"#
            #expect(try value("obisd_meter_up\(labels)", in: files[0]) == "1")
            #expect(try value("obisd_broker_connected", in: files[0]) == "1")
            #expect(try value("obisd_meter_link_quality_ratio\(labels)", in: files[0]) != nil)
            let rights = try FileManager.default.attributesOfItem(atPath: files[0])[.posixPermissions] as? Int
            #expect(rights == 0o644)

            try configure("other.prom")
            daemon.signal(SIGHUP)
            try await waitFor("the other file") { try value("obisd_degraded", in: files[1]) == "0" }
            #expect(!FileManager.default.fileExists(atPath: files[0]))
            #expect(try await daemon.terminate() == 0)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.contains(".prom") })
            meters.end()
        }
    }
}
