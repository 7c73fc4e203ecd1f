import OBIS

/// What a viewer sees without a terminal: a sentence for each meter and question, and one when the daemon goes away.
struct WatchLines {
    private var lastProblem: String?

    mutating func lines(of history: WatchHistory, now: Timestamp) -> [String] {
        let problem = history.problem
        defer { lastProblem = problem }
        if let problem { return problem == lastProblem ? [] : ["\(now) \(Printable.text(problem, isUTF8: true))"] }
        return (history.newest?.meters ?? []).map { meter in
            let row = WatchRow(meter, now: now, isUTF8: true)
            func plain(_ line: Line) -> String { line.text(isColoured: false) }
            let reading = meter.lastReading == nil ? "no reading yet" : "last reading \(plain(row.age)) ago"
            return "\(now) \(row.id): \(plain(row.state)), \(reading), power \(plain(row.power)), "
                + "link \(plain(row.link)), waiting \(plain(row.waiting)), anomalies \(plain(row.anomalies))"
        }
    }
}
