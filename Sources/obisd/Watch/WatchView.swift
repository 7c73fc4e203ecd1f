import OBIS

/// Draws what a viewer has seen: a head, and a line for each meter.
struct WatchView {
    struct Size: Equatable {
        var columns = 80
        var rows = 24
    }

    var size = Size()
    var isUTF8 = true
    var isColoured = false

    /// - Returns: as many lines as fit, none longer than the terminal is wide.
    func lines(of history: WatchHistory, now: Timestamp) -> [String] {
        var lines: [Line] = []
        if let status = history.newest { lines += head(status, now: now) }
        if let problem = history.problem { lines.append(notice(problem, history.answeredAt, now: now)) }
        if let status = history.newest {
            lines += status.reasons.map { Line(words("degraded: \($0)"), .yellow) }
            lines += [Line()] + table(status, history, now: now)
        }
        if lines.isEmpty { lines.append(Line("waiting for the daemon")) }
        return fitting(lines).map { $0.cut(to: size.columns, ellipsis).text(isColoured: isColoured) }
    }

    private func fitting(_ lines: [Line]) -> [Line] {
        guard lines.count > size.rows, size.rows > 1 else { return Array(lines.prefix(max(1, size.rows))) }
        let shown = size.rows - 1
        return lines.prefix(shown) + [Line("and \(lines.count - shown) more lines", .faint)]
    }

    private var ellipsis: Character { isUTF8 ? "…" : "~" }

    // MARK: The head

    private func head(_ status: StatusSnapshot, now: Timestamp) -> [Line] {
        let isConnected = status.broker.connected
        return flowing([
            Line(words(status.node), .bold), Line(words("obisd \(status.version)")),
            Line("up \(Age.text(from: status.startedAt, to: now))"),
            Line(isConnected ? "broker connected" : "broker not connected", isConnected ? nil : .red),
            Line("backlog \(status.journal.backlog)", status.journal.backlog > 0 && !isConnected ? .yellow : nil),
            status.journal.error == nil
                ? Line("journal \(Printable.text(bytes: status.journal.bytes))") : Line("journal failed", .red),
        ])
    }

    /// As many on one line as fit.
    private func flowing(_ items: [Line]) -> [Line] {
        var lines: [Line] = []
        for item in items {
            if let last = lines.last, last.width + 2 + item.width <= size.columns {
                lines[lines.count - 1] = last + Line("  ") + item
            } else {
                lines.append(item)
            }
        }
        return lines
    }

    private func notice(_ problem: String, _ answeredAt: Timestamp?, now: Timestamp) -> Line {
        let age = answeredAt.map { "what follows is of \(Age.text(from: $0, to: now)) ago; " } ?? ""
        return Line(words("\(age)\(problem)"), .red)
    }

    /// What others have written cannot move the cursor, nor set a colour.
    private func words(_ text: String) -> String { Printable.text(text, isUTF8: isUTF8) }

    // MARK: The meters

    private func table(_ status: StatusSnapshot, _ history: WatchHistory, now: Timestamp) -> [Line] {
        let rows = status.meters.map { WatchRow($0, now: now, isUTF8: isUTF8) }
        let layout = WatchLayout(rows, columns: size.columns)
        let titles = layout.line(WatchRow.titles, sparkline: Line(), ellipsis)
        return [Line(titles.text(isColoured: false), .bold)]
            + rows.map { row in
                let marks = Sparkline.marks(
                    history.powers(of: row.id), width: layout.sparkline, isUTF8 ? .blocks : .ascii)
                return layout.line(row, sparkline: line(of: marks), ellipsis)
            }
    }

    /// What flows out has a colour of its own.
    private func line(of marks: [Sparkline.Mark]) -> Line {
        var pieces: [Line.Piece] = []
        for mark in marks {
            let colour: Line.Colour? = mark.isNegative ? .cyan : nil
            if pieces.last?.colour == colour, !pieces.isEmpty {
                pieces[pieces.count - 1].text.append(mark.glyph)
            } else {
                pieces.append(Line.Piece(text: String(mark.glyph), colour: colour))
            }
        }
        return Line(pieces)
    }
}
