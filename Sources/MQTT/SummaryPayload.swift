import OBIS

/// The JSON of `summary/hour` and `summary/day`. Keys stand in a fixed order, and what is not known is null.
public enum SummaryPayload {
    /// The version of the shape: within one, keys are only added.
    public static let schema = 1

    public static func json(_ summary: Summary, node: String, meter: String, stream: String?) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("schema", schema)
            json.member("node", node)
            json.member("meter", meter)
            json.member("stream", stream)
            json.member("period", summary.period.rawValue)
            json.member("from", summary.from)
            json.member("to", summary.to)
            json.member("local", summary.local)
            json.member("clock", summary.isClockSynchronized ? "synced" : "unsynced")
            json.member("readings", summary.readings)
            json.member("coverage", summary.coverage)
            json.member("qualities") { json in
                for quality in Quality.allCases {
                    json.member(named: quality.rawValue, summary.qualities[quality] ?? 0)
                }
            }
            json.member("counters") { json in
                json.member("from", summary.countersFrom)
                json.member("to", summary.countersTo)
            }
            figures(summary, &json)
            json.member("anomalies") { json in
                for (type, count) in summary.anomalies.sorted(by: { $0.key < $1.key }) {
                    json.member(named: type, count)
                }
            }
        }
        return json.bytes
    }

    private static func figures(_ summary: Summary, _ json: inout JSONWriter) {
        // By group, as in a reading.
        let totals = NamedField.totals(of: summary.medium)
        for group in NamedField.Group.groups(of: summary.medium) {
            let rising = group.fields.filter(totals.contains)
            guard !rising.isEmpty else { continue }
            json.member(named: group.rawValue) { json in
                for field in rising { json.member(field.name, summary.rises[field]) }
            }
        }
        guard totals.contains(.activeImport) else { return }
        json.member("powers") { json in
            json.member(NamedField.activePower.name) { json in distribution(summary.power, &json) }
        }
        json.member("voltage_band") { json in
            json.member("from", summary.voltageBand.lowerBound)
            json.member("to", summary.voltageBand.upperBound)
        }
        json.member("voltages") { json in
            for (field, voltage) in zip([NamedField.voltageL1, .voltageL2, .voltageL3], summary.voltages) {
                json.member(field.name) { json in
                    distribution(voltage.distribution, &json)
                    json.member("inside", voltage.inside)
                }
            }
        }
    }

    private static func distribution(_ distribution: Summary.Distribution, _ json: inout JSONWriter) {
        json.member("min", distribution.min)
        json.member("mean", distribution.mean)
        json.member("max", distribution.max)
        json.member("p5", distribution.p5)
        json.member("p50", distribution.p50)
        json.member("p95", distribution.p95)
    }
}
