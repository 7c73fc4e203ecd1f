import Foundation
import OBIS

/// What stands in the line of one meter, beside its sparkline.
struct WatchRow: Equatable {
    let id: String
    var state: Line
    var age: Line
    var power: Line
    var link: Line
    var waiting: Line
    var anomalies: Line

    static let titles = WatchRow(
        id: "METER", state: Line("STATE"), age: Line("AGE"), power: Line("POWER"), link: Line("LINK"),
        waiting: Line("WAIT"), anomalies: Line("ANOMALIES"))
}

extension WatchRow {
    /// What is not known is a dash.
    private static let unknown = Line("-")

    init(_ meter: StatusSnapshot.Meter, now: Timestamp, isUTF8: Bool) {
        id = Printable.text(meter.id, isUTF8: isUTF8)
        state = meter.online ? Line("online") : Line("offline", .red)
        age = meter.lastReading.map { Line(Age.text(from: $0, to: now)) } ?? Self.unknown
        power = meter.power.map { Line(Printable.text("\($0.value) \($0.unit)", isUTF8: isUTF8)) } ?? Self.unknown
        link = meter.linkQuality.map(Self.link) ?? Self.unknown
        waiting = meter.waiting.map { Line("\($0)") } ?? Self.unknown
        anomalies = Self.anomalies(meter.anomalies, isUTF8: isUTF8)
    }

    /// Rounded down: 100 % is said only where every message was whole.
    private static func link(_ share: Double) -> Line {
        let percent = Int((min(max(share, 0), 1) * 100).rounded(.down))
        return Line("\(percent)%", percent < 90 ? .yellow : nil)
    }

    private static func anomalies(_ anomalies: StatusSnapshot.Meter.Anomalies?, isUTF8: Bool) -> Line {
        guard let anomalies else { return unknown }
        guard anomalies.count > 0 else { return Line("none", .faint) }
        let worst = anomalies.worst ?? "?"
        let text = "\(anomalies.count) \(worst): " + anomalies.types.joined(separator: ", ")
        return Line(Printable.text(text, isUTF8: isUTF8), ["high", "critical"].contains(worst) ? .red : .yellow)
    }
}

/// How wide the columns are.
struct WatchLayout: Equatable {
    let id: Int
    let state: Int
    let age: Int
    let power: Int
    /// 0 where there is no room for it.
    let sparkline: Int
    let link: Int
    let waiting: Int
    let anomalies: Int

    private static let gap = 2
    /// Fewer marks say nothing.
    private static let shortestSparkline = 6
    private static let longestSparkline = 60
    /// As many say enough: what else there is room for is left to the anomalies.
    private static let goodSparkline = 16

    init(_ rows: [WatchRow], columns: Int) {
        let all = [WatchRow.titles] + rows
        func widest(_ cell: (WatchRow) -> Int) -> Int { all.map(cell).max() ?? 0 }
        state = widest(\.state.width)
        age = widest(\.age.width)
        power = widest(\.power.width)
        link = widest(\.link.width)
        waiting = widest(\.waiting.width)
        let room = max(0, columns - state - age - power - link - waiting - 6 * Self.gap)
        // Ids are cut before anything else, as their beginnings tell them apart.
        id = min(widest(\.id.count), max(8, room / 3))
        let rest = max(0, room - id)
        let wanted = widest(\.anomalies.width)
        let words = min(wanted, max(rest / 2, rest - Self.gap - Self.goodSparkline))
        let spark = min(Self.longestSparkline, rest - Self.gap - words)
        sparkline = spark < Self.shortestSparkline ? 0 : spark
        anomalies = min(wanted, max(0, rest - (sparkline == 0 ? 0 : sparkline + Self.gap)))
    }

    func line(_ row: WatchRow, sparkline marks: Line, _ ellipsis: Character) -> Line {
        var cells = [
            Line(row.id).padded(to: id, isRight: false, ellipsis),
            row.state.padded(to: state, isRight: false, ellipsis),
            row.age.padded(to: age, isRight: true, ellipsis), row.power.padded(to: power, isRight: true, ellipsis),
        ]
        if sparkline > 0 { cells.append(marks.padded(to: sparkline, isRight: false, ellipsis)) }
        cells += [
            row.link.padded(to: link, isRight: true, ellipsis),
            row.waiting.padded(to: waiting, isRight: true, ellipsis),
            row.anomalies.cut(to: anomalies, ellipsis),
        ]
        return cells.dropFirst().reduce(cells[0]) { $0 + Line(String(repeating: " ", count: Self.gap)) + $1 }
    }
}
