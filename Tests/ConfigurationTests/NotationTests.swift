import OBIS
import Testing

@testable import Configuration

@Suite("Notation")
struct NotationTests {
    @Test(
        "durations",
        arguments: [
            ("500ms", Duration.milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("1h", .seconds(3600)),
            ("30d", .seconds(2_592_000)), ("1500ms", .milliseconds(1500)), ("0s", .zero),
        ])
    func durations(text: String, duration: Duration) {
        #expect(Notation.duration(text) == duration)
        #expect(Notation.text(duration) == text)
    }

    @Test(
        "the shortest spelling of a duration is chosen",
        arguments: [("60s", "1m"), ("24h", "1d"), ("90m", "90m"), ("2000ms", "2s")])
    func shortest(text: String, shorter: String) {
        #expect(Notation.duration(text).map(Notation.text) == shorter)
    }

    @Test(
        "what is no duration",
        arguments: ["", "5", "s", "5 min", "1.5s", "-1s", "5S", "1h30m", "9223372036854775807d", "٣s", "1s "])
    func noDurations(text: String) {
        #expect(Notation.duration(text) == nil)
    }

    @Test(
        "sizes",
        arguments: [("64MiB", 67_108_864), ("1GiB", 1 << 30), ("1KiB", 1024), ("3B", 3), ("2TiB", 2 << 40), ("0B", 0)])
    func sizes(text: String, bytes: Int64) {
        #expect(Notation.size(text) == bytes)
        #expect(Notation.text(bytes: bytes) == text)
    }

    @Test("what is no size", arguments: ["", "64", "64MB", "64mib", "1.5GiB", "9223372036854775807KiB", "-1B"])
    func noSizes(text: String) {
        #expect(Notation.size(text) == nil)
    }

    @Test("quantities are exact and have a known unit")
    func quantities() throws {
        let power = try #require(Notation.quantity("9 kVA"))
        #expect(power.value == 9 && power.unit == .kilovoltAmpere)
        let fraction = try #require(Notation.quantity("0.25kW"))
        #expect(fraction.value.description == "0.25" && fraction.unit == .kilowatt)
        for text in ["", "9", "kVA", "9 horses", "9,5 A", "1e3 A"] {
            #expect(Notation.quantity(text) == nil, "\(text)")
        }
    }

    @Test("times of the day")
    func times() {
        #expect(TimeOfDay("00:00")?.minutesSinceMidnight == 0)
        #expect(TimeOfDay("23:59")?.description == "23:59")
        for text in ["24:00", "1:00", "01:60", "0100", "", "-1:00", "01:00:00"] {
            #expect(TimeOfDay(text) == nil, "\(text)")
        }
    }

    @Test("hosts and ports")
    func hosts() {
        #expect(HostPort("gateway.example:10001").map { "\($0.host) \($0.port)" } == "gateway.example 10001")
        #expect(HostPort("[fe80::1%eth0]:4059").map { "\($0.host) \($0.port)" } == "fe80::1%eth0 4059")
        for text in ["h", "h:", ":1", "h:0", "h:65536", "[h]:1", "a:b:1", "fd00::1:80", "h h:1", "[fd00::1]"] {
            #expect(HostPort(text) == nil, "\(text)")
        }
    }

    @Test(
        "patterns of file names",
        arguments: [
            ("a.yaml", "*.yaml", true), ("a.yml", "*.yaml", false), (".a.yaml", "*.yaml", false),
            (".a.yaml", ".*.yaml", true),
            ("10-main.yaml", "??-*.yaml", true), ("1-main.yaml", "??-*.yaml", false), ("abcabd", "*abd", true),
            ("", "*", true),
            ("a", "", false), ("yaml", "*yaml*", true),
        ])
    func patterns(name: String, pattern: String, matches: Bool) {
        #expect(Path.matches(name, pattern: pattern) == matches)
    }

    @Test(
        "what was meant is found by the smallest number of slips",
        arguments: [
            ("transprot", "transport"), ("TIME_ZONE", "time_zone"), ("time-zone", "time_zone"), ("serail", "serial"),
            ("xx", nil),
            ("", nil), ("intervall", "interval"),
        ])
    func suggestions(text: String, meant: String?) {
        #expect(Suggestion.nearest(to: text, among: ["transport", "time_zone", "serial", "interval"]) == meant)
    }
}
