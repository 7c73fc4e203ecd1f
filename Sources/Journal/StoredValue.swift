import Foundation
import GRDB

/// A column's content as it stands in the file.
enum StoredValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case text([UInt8])
    case blob([UInt8])

    static func text(_ text: String) -> StoredValue { .text(Array(text.utf8)) }

    /// Nil for a number with a fraction, which no column has.
    init?(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let number): self = .integer(number)
        case .string(let text): self = .text(text)
        case .blob(let data): self = .blob([UInt8](data))
        case .double: return nil
        }
    }

    var integer: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    var string: String? {
        if case .text(let bytes) = self { String(validating: bytes, as: UTF8.self) } else { nil }
    }

    var bytes: [UInt8]? {
        if case .blob(let bytes) = self { bytes } else { nil }
    }
}

/// The tables whose rows carry a checksum over all their other columns. Those of `reading` have one of their own.
struct CheckedTable: Sendable {
    let name: String
    let columns: [String]
    /// How many of the columns are the primary key.
    let key: Int

    static let facts = CheckedTable(name: "journal", columns: ["key", "value"], key: 1)
    static let copies = CheckedTable(name: "copy", columns: ["key", "value"], key: 1)
    static let meters = CheckedTable(name: "meter", columns: ["id", "name", "last_seq", "last_position"], key: 1)
    static let gaps = CheckedTable(
        name: "gap",
        columns: ["position", "meter", "from_seq", "to_seq", "from_time", "to_time", "count", "reason"], key: 1)
    static let outlets = CheckedTable(name: "outlet", columns: ["name", "position", "apart"], key: 1)
    /// In formats 1 and 2.
    static let formerOutlets = CheckedTable(name: "outlet", columns: ["name", "position"], key: 1)
    static let values = CheckedTable(name: "state", columns: ["meter", "key", "value"], key: 2)

    static let events = CheckedTable(name: "event", columns: ["number", "meter", "kind", "at", "payload"], key: 1)

    /// Those that are verified when the file is opened. Events are many, and each is verified when it is read.
    static let all = [facts, copies, meters, gaps, outlets, values]

    /// The CRC-32 of the table's name and each value: a byte for its type, its length or itself as eight bytes, its bytes.
    func checksum(_ values: [StoredValue]) -> Int64 {
        var checksum = CRC32()
        checksum.update(Array(name.utf8))
        for value in values {
            switch value {
            case .null: checksum.update(UInt8(0))
            case .integer(let number):
                checksum.update(UInt8(1))
                checksum.update(number)
            case .text(let bytes), .blob(let bytes):
                if case .text = value {
                    checksum.update(UInt8(2))
                } else {
                    checksum.update(UInt8(3))
                }
                checksum.update(Int64(bytes.count))
                checksum.update(bytes)
            }
        }
        return Int64(checksum.value)
    }
}

extension Database {
    /// Gives each row its checksum.
    func seal(_ table: CheckedTable) throws {
        let columns = table.columns.joined(separator: ", ")
        let condition = table.columns.prefix(table.key).map { "\($0) = ?" }.joined(separator: " AND ")
        for row in try Row.fetchAll(self, sql: "SELECT \(columns) FROM \(table.name)") {
            let key = (0..<table.key).map { row[$0] as DatabaseValue }
            try execute(
                sql: "UPDATE \(table.name) SET checksum = ? WHERE \(condition)",
                arguments: StatementArguments([table.checksum(try storedValues(row, table)).databaseValue] + key))
        }
    }

    /// - Throws: `corrupt` at the first row that does not match.
    func verify(_ table: CheckedTable) throws {
        let columns = table.columns.joined(separator: ", ")
        let rows = try Row.fetchCursor(self, sql: "SELECT \(columns), checksum FROM \(table.name)")
        while let row = try rows.next() {
            guard try row.integer(table.columns.count) == table.checksum(try storedValues(row, table)) else {
                throw JournalError.corrupt("a row of the table \(table.name) does not match its checksum")
            }
        }
    }

    private func storedValues(_ row: Row, _ table: CheckedTable) throws -> [StoredValue] {
        try table.columns.indices.map { column in
            guard let value = StoredValue(row[column]) else { throw JournalError.corrupt("a value has the wrong type") }
            return value
        }
    }
}
