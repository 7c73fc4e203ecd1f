import MQTT
import OBIS
import Wire

/// The figures of `info` in Prometheus's text format, version 0.0.4.
///
/// Which series there are follows from the configuration alone: a label holds an id or a protocol that is configured, or
/// one of a set that the program knows. What arrives on a wire is a value at most. What is unknown has no line.
struct MetricsText {
    private(set) var bytes: [UInt8] = []

    init(_ info: DaemonInfo) {
        daemon(info)
        broker(info.broker)
        journal(info.journal)
        meters(info.meters)
    }

    // MARK: The daemon

    private mutating func daemon(_ info: DaemonInfo) {
        family(
            "build_info", .gauge, "The version that runs, and its node.",
            [Sample([("version", info.version), ("node", info.node)], 1)])
        single("start_time_seconds", .gauge, "When the daemon started.", Self.seconds(info.startedAt))
        single(
            "degraded", .gauge, "Whether the daemon cannot do all that it should.", Self.flag(!info.degraded.isEmpty))
    }

    private mutating func broker(_ broker: DaemonInfo.Broker) {
        single(
            "broker_connected", .gauge, "Whether there is a connection to the broker.", Self.flag(broker.isConnected))
        single(
            "published_total", .counter, "Entries that the broker has acknowledged.", Self.count(broker.acknowledged))
        single("refused_total", .counter, "Publishes that the broker has refused.", Self.count(broker.refused))
        single(
            "set_aside_total", .counter, "Readings that the broker will never take.", Self.count(broker.setAside))
    }

    private mutating func journal(_ journal: DaemonInfo.Journal) {
        single("journal_readings", .gauge, "Readings in the journal.", Self.count(journal.readings))
        single("journal_size_bytes", .gauge, "Size of the journal and its log.", Self.count(journal.bytes))
        single("journal_failed", .gauge, "Whether the journal cannot be written.", Self.flag(journal.error != nil))
        single(
            "journal_given_up_total", .counter, "Readings that were dropped before they were published.",
            Self.count(journal.givenUp))
        single("backlog_entries", .gauge, "Entries that the broker does not have yet.", Self.count(journal.backlog))
        single(
            "backlog_oldest_timestamp_seconds", .gauge, "When the oldest reading that waits was captured.",
            journal.oldestWaiting.map(Self.seconds))
    }

    // MARK: Meters

    private mutating func meters(_ meters: [DaemonInfo.Meter]) {
        each(meters, "up", .gauge, "Whether the meter delivers readings.") { Self.flag($0.isOnline) }
        each(meters, "readings_total", .counter, "Readings that were journaled.") { Self.count($0.readings) }
        each(meters, "backfilled_total", .counter, "Those of them that were read from the load profile.") {
            Self.count($0.backfilled)
        }
        each(meters, "unjournaled_readings_total", .counter, "Readings that were lost, each told in a gap.") {
            Self.count($0.unjournaled)
        }
        each(meters, "waiting_readings", .gauge, "Readings that the broker does not have yet.") {
            $0.waiting.map(Self.count)
        }
        each(meters, "last_reading_timestamp_seconds", .gauge, "When the newest reading arrived.") {
            $0.lastReading.map(Self.seconds)
        }
        each(meters, "active_power_watts", .gauge, "Active power; negative is export.") { $0.power }
        each(meters, "link_quality_ratio", .gauge, "Share of the newest messages that arrived whole.") {
            $0.linkQuality
        }
        each(meters, "noise_bytes_total", .counter, "Bytes that belonged to no message.") { Self.count($0.noiseBytes) }
        each(meters, "errors_total", .counter, "Messages that were dropped, by error code.", by: "code") {
            (meter, code: WireError.Code) in Self.count(meter.rejected[code.rawValue] ?? 0)
        }
        each(meters, "open_anomalies", .gauge, "What is wrong now, by severity.", by: "severity") {
            (meter, severity: Anomaly.Severity) in Self.count(meter.anomalies.counts[severity] ?? 0)
        }
    }

    /// One line for each meter.
    private mutating func each(
        _ meters: [DaemonInfo.Meter], _ name: String, _ kind: Kind, _ help: String,
        _ value: (DaemonInfo.Meter) -> FixedDecimal?
    ) {
        family("meter_\(name)", kind, help, meters.map { Sample(Self.labels($0), value($0)) })
    }

    /// One line for each meter and each of a set that is known.
    private mutating func each<Name: CaseIterable & RawRepresentable<String>>(
        _ meters: [DaemonInfo.Meter], _ name: String, _ kind: Kind, _ help: String, by label: String,
        _ value: (DaemonInfo.Meter, Name) -> FixedDecimal?
    ) {
        let samples = meters.flatMap { meter in
            Name.allCases.map { Sample(Self.labels(meter) + [(label, $0.rawValue)], value(meter, $0)) }
        }
        family("meter_\(name)", kind, help, samples)
    }

    private static func labels(_ meter: DaemonInfo.Meter) -> [(String, String)] {
        [("meter", meter.id), ("protocol", meter.protocolName)]
    }

    // MARK: Numbers

    private static func flag(_ isTrue: Bool) -> FixedDecimal { isTrue ? 1 : 0 }
    private static func count(_ count: some BinaryInteger) -> FixedDecimal { FixedDecimal(Int64(clamping: count)) }
    private static func seconds(_ time: Timestamp) -> FixedDecimal { FixedDecimal(time.milliseconds, exponent: -3) }
}

// MARK: - The format

extension MetricsText {
    enum Kind: String { case counter, gauge }

    private struct Sample {
        let labels: [(name: String, value: String)]
        let value: FixedDecimal?

        init(_ labels: [(String, String)], _ value: FixedDecimal?) {
            self.labels = labels
            self.value = value
        }
    }

    private mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: FixedDecimal?) {
        family(name, kind, help, [Sample([], value)])
    }

    private mutating func family(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        let known = samples.compactMap { sample in sample.value.map { (sample.labels, $0) } }
        guard !known.isEmpty else { return }
        line("# HELP obisd_\(name) \(help)")
        line("# TYPE obisd_\(name) \(kind.rawValue)")
        for (labels, value) in known {
            let list = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            line("obisd_\(name)" + (list.isEmpty ? "" : "{\(list)}") + " \(value)")
        }
    }

    private mutating func line(_ text: String) {
        bytes += text.utf8
        bytes.append(UInt8(ascii: "\n"))
    }

    /// In a label's value a backslash, a quotation mark and a line end are escaped.
    static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
