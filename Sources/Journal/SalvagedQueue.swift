import OBIS

/// The queue of a damaged journal as it goes on: what was found, in its order, and gaps where something is missing. Positions
/// are given anew, so that they are without holes again.
package struct SalvagedQueue {
    enum Content {
        case reading(Salvage.FoundReading)
        case gap(NumberedGap)
    }

    struct NumberedGap {
        var meter: Int64
        var fromSeq: Int64?
        var toSeq: Int64?
        var fromTime: Int64
        var toTime: Int64
        var count: Int64
        var reason: String
    }

    private struct Entry {
        /// Where it was; a gap for missing readings stands before the entry that shows it.
        let position: Int64
        let isBefore: Bool
        let content: Content
    }

    private let salvage: Salvage
    private let known: [Int64]
    /// 0 where no cursor could be read: then everything is explained.
    private let acknowledged: Int64
    private var entries: [Entry] = []
    /// Readings that are missing, as far as their numbers tell.
    package private(set) var missing: Int64 = 0

    package init(_ salvage: Salvage) {
        self.salvage = salvage
        acknowledged = salvage.outlets.values.map(\.complete).min() ?? 0
        known = (salvage.readings.map(\.position) + salvage.gaps.keys).sorted()
        let given = salvage.gaps.values.compactMap { NumberedGap($0) }
        for reading in salvage.readings where salvage.names[reading.meter] != nil {
            // An older version of a page has readings that were given up since.
            guard !given.contains(where: { $0.covers(reading) }) else { continue }
            entries.append(Entry(position: reading.position, isBefore: false, content: .reading(reading)))
        }
        for (position, columns) in salvage.gaps {
            guard let gap = NumberedGap(columns), salvage.names[gap.meter] != nil else { continue }
            entries.append(Entry(position: position, isBefore: false, content: .gap(gap)))
        }
        sort()
        explainHoles()
        sort()
    }

    var contents: [Content] { entries.map(\.content) }

    /// How many entries stand up to what was this position.
    func position(of former: Int64) -> Int64 {
        Int64(entries.count { $0.position <= former })
    }

    func cursor(of former: OutletCursor) -> OutletCursor {
        OutletCursor(position(of: former.position), apart: former.apart.mapValues(position))
    }

    private mutating func sort() {
        entries.sort { ($0.position, $0.isBefore ? 0 : 1) < ($1.position, $1.isBefore ? 0 : 1) }
    }

    // MARK: Holes

    private mutating func explainHoles() {
        var next: [Int64: (seq: Int64, time: Int64)] = [:]
        for entry in entries {
            guard entry.position > salvage.formerEnd, let numbers = entry.content.numbers else { continue }
            let meter = entry.content.meter
            let expected = next[meter]?.seq ?? firstMissing(before: numbers.from, at: entry.position)
            explain(
                meter, expected, numbers.from - 1, from: next[meter]?.time ?? numbers.time, to: numbers.time,
                at: entry.position, isBefore: true)
            next[meter] = (numbers.to + 1, numbers.time)
        }
        for (id, meter) in salvage.meters where salvage.names[id] != nil {
            let expected = next[id]?.seq ?? firstMissing(before: meter.lastSeq + 1, at: meter.lastPosition + 1)
            let time = next[id]?.time ?? salvage.readings.last?.capturedAt ?? 0
            explain(id, expected, meter.lastSeq, from: time, to: time, at: meter.lastPosition, isBefore: false)
        }
    }

    /// The first number of a meter that may be missing where nothing before is left of it: no more than positions are.
    private func firstMissing(before seq: Int64, at position: Int64) -> Int64 {
        guard position - 1 > acknowledged else { return seq }
        let present = known.count { $0 > acknowledged && $0 < position }
        return max(1, seq - max(0, position - 1 - acknowledged - Int64(present)))
    }

    private mutating func explain(
        _ meter: Int64, _ first: Int64, _ last: Int64, from: Int64, to: Int64, at position: Int64, isBefore: Bool
    ) {
        // What every outlet had needs no explanation.
        guard first <= last, position > acknowledged else { return }
        missing += last - first + 1
        let gap = NumberedGap(
            meter: meter, fromSeq: first, toSeq: last, fromTime: min(from, to), toTime: max(from, to),
            count: last - first + 1, reason: JournalGap.Reason.journalDamaged.rawValue)
        entries.append(Entry(position: position, isBefore: isBefore, content: .gap(gap)))
    }
}

extension SalvagedQueue.Content {
    var meter: Int64 {
        switch self {
        case .reading(let reading): reading.meter
        case .gap(let gap): gap.meter
        }
    }

    /// Of the meter's readings that it stands for; nil for those that never had a number.
    fileprivate var numbers: (from: Int64, to: Int64, time: Int64)? {
        switch self {
        case .reading(let reading): return (reading.seq, reading.seq, reading.capturedAt)
        case .gap(let gap):
            guard let from = gap.fromSeq, let to = gap.toSeq else { return nil }
            return (from, to, gap.toTime)
        }
    }
}

extension SalvagedQueue.NumberedGap {
    func covers(_ reading: Salvage.FoundReading) -> Bool {
        guard meter == reading.meter, let fromSeq, let toSeq else { return false }
        return fromSeq <= reading.seq && reading.seq <= toSeq
    }

    init?(_ columns: [StoredValue]) {
        guard let meter = columns[1].integer, let fromTime = columns[4].integer, let toTime = columns[5].integer,
            let count = columns[6].integer, let reason = columns[7].string
        else { return nil }
        self.init(
            meter: meter, fromSeq: columns[2].integer, toSeq: columns[3].integer, fromTime: fromTime, toTime: toTime,
            count: count, reason: reason)
    }
}
