import Foundation
import GRDB
import OBIS

/// Columns of a file that may be damaged: a value of another type is an error here, where the row's own
/// subscripts would end the process.
extension Row {
    func integer(_ column: Int) throws(JournalError) -> Int64 {
        guard let value = try optionalInteger(column) else { throw Self.mistyped }
        return value
    }

    func optionalInteger(_ column: Int) throws(JournalError) -> Int64? {
        switch (self[column] as DatabaseValue).storage {
        case .null: return nil
        case .int64(let value): return value
        default: throw Self.mistyped
        }
    }

    func text(_ column: Int) throws(JournalError) -> String {
        guard case .string(let value) = (self[column] as DatabaseValue).storage else { throw Self.mistyped }
        return value
    }

    func bytes(_ column: Int) throws(JournalError) -> [UInt8] {
        guard case .blob(let value) = (self[column] as DatabaseValue).storage else { throw Self.mistyped }
        return [UInt8](value)
    }

    func timestamp(_ column: Int) throws(JournalError) -> Timestamp {
        Timestamp(milliseconds: try integer(column))
    }

    private static var mistyped: JournalError { .corrupt("a value has the wrong type") }
}

extension Int64 {
    /// The next number of a count that comes from the file. No journal gets to 2^62, so that sums with what is
    /// below cannot overflow.
    func successor() throws(JournalError) -> Int64 {
        guard self >= 0, self < 1 << 62 else { throw .corrupt("a counter stands at \(self)") }
        return self + 1
    }
}
