import OBIS
import Testing

@testable import obisd

/// What a viewer sees, drawn without a terminal.
@Suite("The view of `obisd status --watch`")
struct WatchViewTests {
    private static let start = Timestamp(milliseconds: 1_768_476_896_000)
    private static let now = after(0)

    private static func after(_ seconds: Int64) -> Timestamp {
        Timestamp(milliseconds: start.milliseconds + 200_000_000 + seconds * 1000)
    }

    // MARK: Sparklines

    struct Spark: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var values: [Double?]
        var width = 8
        var blocks: String
        var ascii: String
    }

    static let sparks: [Spark] = [
        Spark(testDescription: "nothing", values: [], blocks: "        ", ascii: "        "),
        Spark(
            testDescription: "from the lowest to the highest", values: [0, 1, 2, 3, 4, 5, 6, 7], blocks: "▁▂▃▄▅▆▇█",
            ascii: ".:-=+*#@"),
        Spark(
            testDescription: "scaled over what is shown", values: [9000, 200, 300, 400], width: 3, blocks: "▁▅█",
            ascii: ".+@"),
        Spark(
            testDescription: "a missing value is a blank, not zero", values: [5, nil, 10], width: 4, blocks: " ▁ █",
            ascii: " . @"),
        Spark(
            testDescription: "negative values are lower than zero", values: [-700, 0, -350], width: 3, blocks: "▁█▅",
            ascii: ".@+"),
        Spark(testDescription: "what never changes", values: [240, 240], width: 3, blocks: " ▄▄", ascii: " =="),
        Spark(testDescription: "nothing known", values: [nil, nil], width: 2, blocks: "  ", ascii: "  "),
        Spark(testDescription: "no room", values: [1, 2], width: 0, blocks: "", ascii: ""),
    ]

    @Test("a sparkline", arguments: sparks)
    func sparkline(_ expected: Spark) {
        func text(_ glyphs: Sparkline.Glyphs) -> String {
            String(Sparkline.marks(expected.values, width: expected.width, glyphs).map(\.glyph))
        }
        #expect(text(.blocks) == expected.blocks)
        #expect(text(.ascii) == expected.ascii)
    }

    @Test("marks below zero are known as such")
    func negative() {
        #expect(Sparkline.marks([-1, nil, 0, 1], width: 4, .ascii).map(\.isNegative) == [true, false, false, false])
    }

    // MARK: Ages, sizes, foreign text

    @Test(
        "an age is short",
        arguments: [
            (-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (172_799, "47h"),
            (172_800, "2d"),
        ] as [(Int64, String)])
    func age(seconds: Int64, expected: String) {
        #expect(Age.text(from: Self.now, to: Self.after(seconds)) == expected)
    }

    @Test(
        "a size has a unit",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (.max, "838860.7 TiB"),
            (-1, "0 B"),
        ] as [(Int64, String)])
    func size(bytes: Int64, expected: String) {
        #expect(Printable.text(bytes: bytes) == expected)
    }

    @Test("what others have written commands no terminal")
    func printable() {
        #expect(Printable.text("a\u{1B}[31m\u{9B}2J\n\u{202E}é", isUTF8: true) == "a?[31m?2J??é")
        #expect(Printable.text("é…", isUTF8: false) == "??")
    }

    @Test(
        "the first variable that is set says which characters there are",
        arguments: [
            ([:], false), (["LANG": "de_CH.UTF-8"], true), (["LC_ALL": "C", "LANG": "de_CH.UTF-8"], false),
            (["LC_ALL": "", "LC_CTYPE": "C.utf8"], true), (["LC_CTYPE": "POSIX", "LANG": "C.UTF-8"], false),
        ] as [([String: String], Bool)])
    func locale(environment: [String: String], isUTF8: Bool) {
        #expect(Terminal.isUTF8(environment) == isUTF8)
    }

    // MARK: The view

    private static func meter(
        _ id: String, online: Bool = true, age: Int64? = 3, power: String? = "240", link: Double? = 1,
        waiting: Int? = 0,
        _ anomalies: String = #"{"count":0,"worst":null,"types":[]}"#
    ) -> String {
        let reading = age.map { "\"\(after(-$0))\"" } ?? "null"
        let power = power.map { #"{"value":\#($0),"unit":"W"}"# } ?? "null"
        return """
            {"id":"\(id)","online":\(online),"last_reading":\(reading),"power":\(power),
             "link_quality":\(link.map { "\($0)" } ?? "null"),"waiting":\(waiting.map { "\($0)" } ?? "null"),
             "anomalies":\(anomalies),"unknown":[1]}
            """
    }

    private static func status(_ meters: [String], connected: Bool = true, reasons: String = "", error: String = "null")
        throws -> StatusSnapshot
    {
        try #require(
            StatusSnapshot(
                Array(
                    """
                    {"schema":1,"version":"0.1.0","node":"cellar","started_at":"\(start)","reasons":[\(reasons)],
                     "meters":[\(meters.joined(separator: ","))],
                     "journal":{"readings":9,"backlog":17,"bytes":1572864,"error":\(error)},
                     "broker":{"connected":\(connected)}}
                    """.utf8)))
    }

    private static let overload = #"{"count":2,"worst":"high","types":["overload","swell"]}"#
    private static let longName = "a-very-long-name-of-a-meter-that-goes-on"

    private static func house() throws -> WatchHistory {
        var history = WatchHistory()
        for power in ["-700", "-350.5", "0"] {
            let meters = [
                meter("main", power: power, link: 0.975, waiting: 12, overload),
                meter(longName, age: 240, power: power == "0" ? nil : power),
                meter("dead", online: false, age: nil, power: nil, link: nil, waiting: nil),
            ]
            history.answered(try status(meters), at: now)
        }
        return history
    }

    @Test("has a head and a line for each meter, in columns")
    func whole() throws {
        let view = WatchView(size: .init(columns: 100, rows: 24))
        #expect(
            view.lines(of: try Self.house(), now: Self.now) == [
                "cellar  obisd 0.1.0  up 2d  broker connected  backlog 17  journal 1.5 MiB",
                "",
                "METER                  STATE    AGE  POWER                       LINK  WAIT  ANOMALIES",
                "main                   online    3s    0 W                  ▁▄█   97%    12  2 high: overload, swell",
                "a-very-long-name-of-…  online    4m      -                  ▁█   100%     0  none",
                "dead                   offline    -      -                          -     -  none",
            ])
    }

    @Test("without UTF-8 it is ASCII throughout")
    func ascii() throws {
        let view = WatchView(size: .init(columns: 100, rows: 24), isUTF8: false)
        let lines = view.lines(of: try Self.house(), now: Self.now)
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { (0x20..<0x7F).contains($0) } })
        #expect(lines.contains { $0.hasPrefix("main ") && $0.contains(".=@") })
        #expect(lines.contains { $0.hasPrefix("a-very-long-name-of-~ ") })
    }

    @Test("no line is longer than the terminal is wide, and there are no more than it has", arguments: 1...140)
    func fits(columns: Int) throws {
        for rows in [1, 2, 3, 5, 24] {
            let lines = WatchView(size: .init(columns: columns, rows: rows)).lines(of: try Self.house(), now: Self.now)
            #expect(lines.allSatisfy { $0.count <= columns })
            #expect(lines.count <= rows)
        }
    }

    @Test("what does not fit is counted")
    func tooMany() throws {
        var history = WatchHistory()
        history.answered(try Self.status((1...20).map { Self.meter("m\($0)") }), at: Self.now)
        let lines = WatchView(size: .init(columns: 80, rows: 10)).lines(of: history, now: Self.now)
        #expect(lines.count == 10 && lines.last == "and 14 more lines")
    }

    @Test("colour is there only where it is wanted, and changes no width")
    func colour() throws {
        let history = try Self.house()
        let plain = WatchView(size: .init(columns: 100, rows: 24)).lines(of: history, now: Self.now)
        let coloured = WatchView(size: .init(columns: 100, rows: 24), isColoured: true).lines(
            of: history, now: Self.now)
        #expect(!plain.joined().contains("\u{1B}"))
        #expect(coloured.contains { $0.contains("\u{1B}[31moffline\u{1B}[0m") })
        // What flows out.
        #expect(coloured.contains { $0.contains("\u{1B}[36m▁▄\u{1B}[0m█") })
        let bare = coloured.map { $0.replacing(/\u{1B}\[[0-9]+m/, with: "") }
        #expect(bare == plain)
    }

    @Test("an absent daemon is said, with how old is what follows; its time is a blank in the sparkline")
    func absent() throws {
        var history = WatchHistory()
        history.missed("no daemon runs")
        let view = WatchView(size: .init(columns: 100, rows: 24))
        #expect(view.lines(of: history, now: Self.now) == ["no daemon runs"])
        history.answered(try Self.status([Self.meter("main", power: "1")]), at: Self.now)
        history.missed("no daemon runs")
        let lines = view.lines(of: history, now: Self.after(61))
        #expect(lines[1] == "what follows is of 1m ago; no daemon runs")
        history.answered(try Self.status([Self.meter("main", power: "2")]), at: Self.now)
        #expect(view.lines(of: history, now: Self.now).last?.contains(" ▁ █ ") == true)
        #expect(!view.lines(of: history, now: Self.now).contains { $0.contains("no daemon") })
    }

    @Test("trouble stands in the head")
    func trouble() throws {
        var history = WatchHistory()
        let status = try Self.status([], connected: false, reasons: #""disk\u001b[2J full""#, error: #""full""#)
        history.answered(status, at: Self.now)
        let lines = WatchView(size: .init(columns: 100, rows: 24)).lines(of: history, now: Self.now)
        #expect(lines[0] == "cellar  obisd 0.1.0  up 2d  broker not connected  backlog 17  journal failed")
        #expect(lines[1] == "degraded: disk?[2J full")
    }

    @Test("a meter that is gone is forgotten, and no more is kept than a terminal shows")
    func memory() throws {
        var history = WatchHistory()
        for _ in 0..<500 {
            history.answered(try Self.status([Self.meter("main"), Self.meter("gone")]), at: Self.now)
        }
        #expect(history.powers(of: "main").count == WatchHistory.length)
        history.answered(try Self.status([Self.meter("main")]), at: Self.now)
        #expect(history.powers(of: "gone").isEmpty)
    }

    @Test("a daemon that says less is shown as well, and what is no status is none")
    func otherVersion() throws {
        var history = WatchHistory()
        history.answered(try Self.status([#"{"id":"main","online":true}"#]), at: Self.now)
        #expect(WatchView().lines(of: history, now: Self.now).last?.hasPrefix("main   online") == true)
        #expect(StatusSnapshot(Array("{}".utf8)) == nil)
        #expect(StatusSnapshot(Array("nonsense".utf8)) == nil)
    }

    // MARK: Without a terminal

    @Test("plain lines are one for each meter, and one when the daemon goes away")
    func plain() throws {
        var lines = WatchLines()
        var history = try Self.house()
        let time = "\(Self.now)"
        let meters = lines.lines(of: history, now: Self.now)
        #expect(
            meters == [
                "\(time) main: online, last reading 3s ago, power 0 W, link 97%, waiting 12, anomalies 2 high: overload, swell",
                "\(time) \(Self.longName): online, last reading 4m ago, power -, link 100%, waiting 0, anomalies none",
                "\(time) dead: offline, no reading yet, power -, link -, waiting -, anomalies none",
            ])
        history.missed("no daemon runs")
        #expect(lines.lines(of: history, now: Self.now) == ["\(time) no daemon runs"])
        #expect(lines.lines(of: history, now: Self.now).isEmpty)
        history.answered(try Self.status([Self.meter("main")]), at: Self.now)
        #expect(lines.lines(of: history, now: Self.now).count == 1)
    }
}
