import OBIS
import Wire

/// One address of a data block with the values behind it (IEC 62056-21, 6.3.4):
///
///     address ( value * unit ) ( value * unit ) … CR LF
///
/// The values of a line without an address belong to the address before.
struct DataSet: Equatable {
    /// As printed; empty where values stand without any address.
    var address: [UInt8]
    /// What stands between each pair of parentheses.
    var values: [[UInt8]]
}

/// The lines of a data block taken apart.
struct DataSets {
    private(set) var sets: [DataSet] = []
    private(set) var valueCount = 0
    /// Whether the line `!` ended the block.
    private(set) var hasEndLine = false
    /// Numbers of lines that are not data sets, from 1. What stood well-formed before the fault is kept.
    private(set) var malformedLines: [Int] = []
    /// A bound that the block exceeds.
    private(set) var limitError: WireError?

    /// What lines may look like.
    enum Dialect {
        /// As the standard has it.
        case readout
        /// A P1 telegram: lines may be longer, an opening parenthesis may stand inside of a value (`((ER11))`), and
        /// hexadecimal digits may go on in the next line.
        case p1
    }

    private enum Place { case address, value, continuation, junk, behindEnd }
    private let dialect: Dialect
    private let maximumValues: Int
    private var place = Place.address
    private var text: [UInt8] = []
    private var line = 1
    private var lineLength = 0
    /// Where a value of more than one line began, and how much of it stands in the lines before.
    private var continued = (line: 0, length: 0)

    init(_ bytes: some Sequence<UInt8>, dialect: Dialect = .readout, maximumValues: Int = Limits.registers) {
        self.dialect = dialect
        self.maximumValues = maximumValues
        for byte in bytes where limitError == nil { consume(byte) }
        endLine()
        if place == .continuation { fail(at: continued.line) }
    }

    /// Whether every line is made of data sets.
    var isWellFormed: Bool { malformedLines.isEmpty && limitError == nil }

    private mutating func consume(_ byte: UInt8) {
        if byte.isLineEnd {
            endLine()
            if byte == Control.lineFeed { line += 1 }
        } else {
            lineLength += 1
            let longest = dialect == .p1 ? Limits.p1Line : Limits.readoutLine
            if lineLength > longest {
                limitError = WireError(.limit, "a line of the readout is longer than \(longest) characters")
            }
            switch place {
            case .address: consumeAddress(byte)
            case .value: consumeValue(byte)
            case .continuation: continueValue(byte)
            case .junk: break
            case .behindEnd: if !byte.isFiller { fail() }
            }
        }
    }

    private mutating func consumeAddress(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "("):
            openSet(Array(text.trimmed))
            text = []
            place = .value
        case UInt8(ascii: "!") where text.trimmed.isEmpty:
            hasEndLine = true
            place = .behindEnd
        case _ where byte.isPrintable && byte != UInt8(ascii: ")") && byte != UInt8(ascii: "!") || byte.isBlank:
            text.append(byte)
        case _ where byte.isFiller && text.isEmpty:
            break
        default:
            fail()
        }
    }

    private mutating func consumeValue(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: ")"):
            addValue(text)
            text = []
            place = .address
        case UInt8(ascii: "(") where dialect == .readout:
            fail()
        case _ where byte.isPrintable || byte.isBlank:
            text.append(byte)
        default:
            fail()
        }
    }

    /// In the next line of a value of hexadecimal digits. Anything else is a new line behind one without its end.
    private mutating func continueValue(_ byte: UInt8) {
        if byte == UInt8(ascii: ")") || byte.isHexDigit {
            consumeValue(byte)
        } else {
            let start = text.dropFirst(continued.length)
            fail(at: continued.line)
            text = Array(start)
            place = .address
            consumeAddress(byte)
        }
    }

    private mutating func openSet(_ address: [UInt8]) {
        if !address.isEmpty || sets.isEmpty { sets.append(DataSet(address: address, values: [])) }
    }

    private mutating func addValue(_ value: [UInt8]) {
        valueCount += 1
        guard valueCount <= maximumValues else {
            limitError = WireError(.limit, "the readout has more than \(maximumValues) values")
            return
        }
        if let last = sets.indices.last { sets[last].values.append(value) }
    }

    /// The rest of the line is not looked at. A set that was opened and got no value is taken back.
    private mutating func fail(at line: Int? = nil) {
        let line = line ?? self.line
        if malformedLines.last != line { malformedLines.append(line) }
        if sets.last?.values.isEmpty == true { sets.removeLast() }
        text = []
        place = .junk
    }

    private var isHexadecimal: Bool { !text.isEmpty && text.allSatisfy(\.isHexDigit) }

    private mutating func endLine() {
        lineLength = 0
        if place == .continuation || (dialect == .p1 && place == .value && isHexadecimal) {
            continued = (place == .continuation ? continued.line : line, text.count)
            place = .continuation
            return
        }
        if place == .value || (place == .address && !text.trimmed.isEmpty) { fail() }
        if place != .behindEnd { place = .address }
        text = []
    }
}
