import OBIS

/// What a viewer sees without a terminal: a sentence for each meter and question, and one when the daemon goes away.
struct WatchLines {
    private var lastProblem: String?

    mutating func lines(of history: WatchHistory, now: Timestamp) -> [String] {
        let news = news(of: history, now: now)
        guard history.problem == nil else { return news.map { [$0] } ?? [] }
        return (history.newest?.meters ?? []).map { meter in
            let row = WatchRow(meter, now: now, isUTF8: true)
            func plain(_ line: Line) -> String { line.text(isColoured: false) }
            let reading = meter.lastReading == nil ? "no reading yet" : "last reading \(plain(row.age)) ago"
            return "\(now) \(row.id): \(plain(row.state)), \(reading), power \(plain(row.power)), "
                + "link \(plain(row.link)), waiting \(plain(row.waiting)), anomalies \(plain(row.anomalies))"
        }
    }

    /// That the daemon does not answer, when it has just begun.
    mutating func news(of history: WatchHistory, now: Timestamp) -> String? {
        let problem = history.problem
        defer { lastProblem = problem }
        guard let problem, problem != lastProblem else { return nil }
        return "\(now) \(Printable.text(problem, isUTF8: true))"
    }
}
