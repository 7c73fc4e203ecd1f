/// One row that was found on a page.
struct FoundRow {
    /// Nil in tables without one.
    let rowID: Int64?
    /// As they stand in the record: in place of an `INTEGER PRIMARY KEY` there is a null.
    let values: [StoredValue]
}

/// Rows by the pages that they stand on, without the trees that lead there. Whether they are what they seem is for
/// their checksums to say.
extension DamagedFile {
    private static let tableLeaf: UInt8 = 0x0D
    private static let indexLeaf: UInt8 = 0x0A
    /// More than any row has.
    private static let largestRow = JournalLimits.payload + 4096

    /// How many rows the page says it has; 0 where it is not the leaf of a tree, or is free.
    func rowCount(_ number: Int) -> Int {
        guard let page = page(number), let header = Self.leafHeader(page, number), !isFree(number) else { return 0 }
        return min(page.bigEndian(at: header + 3, bytes: 2), (pageSize - header - 8) / 2)
    }

    /// - Parameter index: below the count.
    /// - Returns: nil where there is none that can be read.
    func row(page number: Int, index: Int) -> FoundRow? {
        guard let page = page(number), let header = Self.leafHeader(page, number) else { return nil }
        var place = page.bigEndian(at: header + 8 + 2 * index, bytes: 2)
        guard place > header + 8, let size = page.variableLength(at: &place), (1...Int64(Self.largestRow)) ~= size
        else { return nil }
        let isTable = page[header] == Self.tableLeaf
        var rowID: Int64?
        if isTable {
            guard let number = page.variableLength(at: &place) else { return nil }
            rowID = number
        }
        guard let record = record(page, at: place, size: Int(size), isTable: isTable),
            let values = Self.values(record)
        else { return nil }
        return FoundRow(rowID: rowID, values: values)
    }

    private static func leafHeader(_ page: [UInt8], _ number: Int) -> Int? {
        let header = number == 1 ? 100 : 0
        return page[header] == tableLeaf || page[header] == indexLeaf ? header : nil
    }

    /// Pages that were given back keep the rows that they had. The maps of the pages, one before each stretch that it
    /// describes, tell them.
    private func isFree(_ number: Int) -> Bool {
        guard hasMaps, number <= pageCount else { return false }
        let stretch = pageSize / 5 + 1
        let map = (number - 2) / stretch * stretch + 2
        guard number > map, let entries = page(map) else { return false }
        // A map that says what no map says is damaged, and hides nothing.
        let kinds = stride(from: 0, to: min(stretch - 1, pageCount - map) * 5, by: 5).map { entries[$0] }
        guard kinds.allSatisfy({ (1...5) ~= $0 }) else { return false }
        return kinds[number - map - 1] == 2
    }

    /// What stands on the page, and what goes on in others.
    private func record(_ page: [UInt8], at start: Int, size: Int, isTable: Bool) -> [UInt8]? {
        let largest = isTable ? pageSize - 35 : (pageSize - 12) * 64 / 255 - 23
        guard size > largest else {
            return start + size <= page.count ? Array(page[start..<(start + size)]) : nil
        }
        let least = (pageSize - 12) * 32 / 255 - 23
        let filling = least + (size - least) % (pageSize - 4)
        let local = filling <= largest ? filling : least
        guard start + local + 4 <= page.count else { return nil }
        var record = Array(page[start..<(start + local)])
        record.reserveCapacity(size)
        var next = page.bigEndian(at: start + local, bytes: 4)
        // Each page adds to the record, so that a ring of pages ends.
        while record.count < size {
            guard let more = self.page(next) else { return nil }
            record += more[4..<min(pageSize, 4 + size - record.count)]
            next = more.bigEndian(at: 0, bytes: 4)
        }
        return record
    }

    private static func values(_ record: [UInt8]) -> [StoredValue]? {
        var place = 0
        guard let headerSize = record.variableLength(at: &place), headerSize <= Int64(record.count), headerSize < 64
        else { return nil }
        let headerEnd = Int(headerSize)
        var content = headerEnd
        var values: [StoredValue] = []
        while place < headerEnd {
            guard let type = record.variableLength(at: &place), let value = value(record, type, at: &content)
            else { return nil }
            values.append(value)
        }
        return place == headerEnd ? values : nil
    }

    private static func value(_ record: [UInt8], _ type: Int64, at content: inout Int) -> StoredValue? {
        switch type {
        case 0: return .null
        case 1...6:
            let size = [1, 2, 3, 4, 6, 8][Int(type) - 1]
            guard content + size <= record.count else { return nil }
            defer { content += size }
            let bytes = record[content..<(content + size)]
            let isNegative = (bytes.first ?? 0) & 0x80 != 0
            return .integer(bytes.reduce(isNegative ? -1 : 0) { $0 << 8 | Int64($1) })
        case 8, 9: return .integer(type - 8)
        case 12...Int64(2 * largestRow):
            let size = Int(type - 12) / 2
            guard content + size <= record.count else { return nil }
            defer { content += size }
            let bytes = Array(record[content..<(content + size)])
            return type % 2 == 0 ? .blob(bytes) : .text(bytes)
        default: return nil
        }
    }
}

extension [UInt8] {
    /// SQLite's numbers of one to nine bytes.
    fileprivate func variableLength(at place: inout Int) -> Int64? {
        var value: UInt64 = 0
        for index in 0..<9 {
            guard place >= 0, place < count else { return nil }
            let byte = self[place]
            place += 1
            guard index < 8 else { return Int64(bitPattern: value << 8 | UInt64(byte)) }
            value = value << 7 | UInt64(byte & 0x7F)
            if byte & 0x80 == 0 { return Int64(bitPattern: value) }
        }
        return nil
    }
}
