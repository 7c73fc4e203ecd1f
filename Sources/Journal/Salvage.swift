import OBIS

/// What a damaged file still says. Every row carries a checksum, so that none is taken for what it is not, and the
/// trees that lead to the rows are not needed.
package struct Salvage {
    struct FoundMeter {
        var lastSeq: Int64
        var lastPosition: Int64
    }

    /// Where a reading stands, and what its place in the queue depends on.
    struct FoundReading {
        let position: Int64
        let meter: Int64
        let seq: Int64
        let capturedAt: Int64
        let page: Int
        let index: Int
        let isBehindDamage: Bool
    }

    private(set) var stream: String?
    private(set) var names: [Int64: String] = [:]
    private(set) var meters: [Int64: FoundMeter] = [:]
    private(set) var readings: [FoundReading] = []
    private(set) var gaps: [Int64: [StoredValue]] = [:]
    private(set) var outlets: [String: OutletCursor] = [:]
    private(set) var values: [[StoredValue]: [UInt8]] = [:]
    private(set) var events: [Int64: JournalEvent] = [:]
    private(set) var formerEnd: Int64 = 0
    /// Whether the journal that it was copied from may have gone on.
    private(set) var isCopy = false

    /// Looks at every page once.
    package init(_ file: borrowing DamagedFile) {
        // Versions first: what stands on the page itself counts more.
        for page in file.places.reversed() {
            for index in 0..<file.rowCount(page) {
                guard let row = file.row(page: page, index: index) else { continue }
                if row.rowID == nil {
                    addKeyed(row.values)
                } else {
                    add(row, page: page, index: index, file.isBehindDamage(page))
                }
            }
        }
        readings.sort { ($0.position, $0.isBehindDamage ? 1 : 0) < ($1.position, $1.isBehindDamage ? 1 : 0) }
        // The same reading on two pages, of which one is no longer used, or one that was refused in the place of one that
        // was accepted.
        readings = readings.reduce(into: []) { kept, reading in
            if kept.last?.position != reading.position { kept.append(reading) }
        }
    }

    /// Whether every meter's last number is known, so that the next one is certain. Ids are given without holes.
    package var isCertain: Bool {
        let last = max(names.keys.max() ?? 0, meters.keys.max() ?? 0, readings.map(\.meter).max() ?? 0)
        return stream != nil && !meters.isEmpty && meters.count == last
    }

    // MARK: Rows

    private mutating func add(_ row: FoundRow, page: Int, index: Int, _ isBehindDamage: Bool) {
        guard let rowID = row.rowID else { return }
        if let reading = JournaledReading(row), let meter = row.values[1].integer {
            readings.append(
                FoundReading(
                    position: reading.position, meter: meter, seq: reading.seq,
                    capturedAt: reading.capturedAt.milliseconds, page: page, index: index,
                    isBehindDamage: isBehindDamage))
        } else if let columns = row.verified(.meters), let name = columns[1].string,
            let lastSeq = columns[2].integer, let lastPosition = columns[3].integer,
            lastSeq >= meters[rowID]?.lastSeq ?? 0
        {
            names[rowID] = name
            meters[rowID] = FoundMeter(lastSeq: lastSeq, lastPosition: lastPosition)
        } else if let columns = row.verified(.gaps) {
            gaps[rowID] = columns
        } else if let columns = row.verified(.events) {
            events[rowID] = JournalEvent(columns)
        }
    }

    private mutating func addKeyed(_ values: [StoredValue]) {
        let row = FoundRow(rowID: nil, values: values)
        if let columns = row.verified(.facts) ?? row.verified(.copies) {
            addFact(columns)
        } else if let columns = row.verified(.outlets) ?? row.verified(.formerOutlets) {
            addOutlet(columns)
        } else if let columns = row.verified(.values), let value = columns[2].bytes {
            self.values[[columns[0], columns[1]]] = value
        }
    }

    /// Of several versions of a cursor the farthest counts; where they differ only in who stands apart, what is not certain
    /// is given again.
    private mutating func addOutlet(_ columns: [StoredValue]) {
        guard let name = columns[0].string, let position = columns[1].integer,
            let cursor = OutletCursor(position, apartText: columns.count > 2 ? columns[2].string ?? "" : "")
        else { return }
        guard let known = outlets[name], known.position >= position else {
            outlets[name] = cursor
            return
        }
        guard known.position == position else { return }
        outlets[name] = OutletCursor(position, apart: known.apart.merging(cursor.apart, uniquingKeysWith: min))
    }

    private mutating func addFact(_ columns: [StoredValue]) {
        guard let key = columns[0].string, let value = columns[1].string else { return }
        if key == Fact.stream { stream = value }
        if key == Fact.isCopy { isCopy = true }
        if key == Fact.formerEnd { formerEnd = Int64(value) ?? 0 }
        if let id = Fact.meter(key) { names[id] = value }
    }
}

/// The keys of the tables `journal` and `copy`.
enum Fact {
    static let stream = "stream"
    /// Up to here the readings have numbers of a former stream.
    static let formerEnd = "former_end"
    /// The file is a copy. A journal that goes on from one would give numbers a second time.
    static let isCopy = "is_copy"

    /// The name of a meter, by its id.
    static func name(_ id: Int64) -> String { "meter \(id)" }

    static func meter(_ key: String) -> Int64? {
        key.hasPrefix("meter ") ? Int64(key.dropFirst(6)) : nil
    }
}

extension FoundRow {
    /// - Returns: the table's columns without the checksum; nil where it is no row of the table.
    func verified(_ table: CheckedTable) -> [StoredValue]? {
        guard values.count == table.columns.count + 1 else { return nil }
        var columns = Array(values.dropLast())
        if let rowID {
            guard columns.first == .null else { return nil }
            columns[0] = .integer(rowID)
        }
        return values.last == .integer(table.checksum(columns)) ? columns : nil
    }
}

extension JournaledReading {
    /// Without the meter's name, which stands elsewhere.
    init?(_ row: FoundRow) {
        guard let position = row.rowID, row.values.count == 6, row.values[0] == .null,
            let meter = row.values[1].integer, let seq = row.values[2].integer, let time = row.values[3].integer,
            let payload = row.values[5].bytes
        else { return nil }
        self.init(
            position: position, meter: "", seq: seq, capturedAt: Timestamp(milliseconds: time), payload: payload)
        guard row.values[4] == .integer(Int64(checksum(meter: meter))) else { return nil }
    }
}
