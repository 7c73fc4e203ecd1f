import OBIS
import Wire

/// One address of a data block with the values behind it (IEC 62056-21, 6.3.4):
///
///     address ( value * unit ) ( value * unit ) … CR LF
///
/// The values of a line without an address belong to the address before. All of it are places in `DataSets`.
struct DataSet {
    /// As printed; empty where values stand without any address.
    let address: Range<Int>
    /// Which of the values belong to it.
    var values: Range<Int>
}

/// The lines of a data block taken apart. Nothing is copied: addresses and values are places among the characters.
struct DataSets {
    private(set) var characters: [UInt8]
    private(set) var sets: [DataSet] = []
    /// What stands between each pair of parentheses.
    private(set) var values: [Range<Int>] = []
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
    /// Where the address or the value began that is being read.
    private var start = 0
    private var line = 1
    private var lineStart = 0
    /// Where a value of more than one line began, and what of it stands in the lines before.
    private var continued = (line: 0, text: [UInt8]())

    /// - Parameter range: of the block among the characters; nil: all of them.
    init(
        _ characters: [UInt8], in range: Range<Int>? = nil, dialect: Dialect = .readout,
        maximumValues: Int = Limits.registers
    ) {
        self.characters = characters
        self.dialect = dialect
        self.maximumValues = maximumValues
        let range = range ?? characters.indices
        // A line of the usual length holds one value.
        sets.reserveCapacity(range.count / 16)
        values.reserveCapacity(range.count / 16)
        (start, lineStart) = (range.lowerBound, range.lowerBound)
        let block = characters.span.extracting(0..<range.upperBound)
        read(block)
        endLine(at: block.count, block)
        if place == .continuation { fail(at: continued.line) }
    }

    /// Whether every line is made of data sets.
    var isWellFormed: Bool { malformedLines.isEmpty && limitError == nil }
    var valueCount: Int { values.count }

    /// An address or a value.
    subscript(range: Range<Int>) -> ArraySlice<UInt8> { characters[range] }

    func values(of set: DataSet) -> [[UInt8]] { values[set.values].map { Array(characters[$0]) } }

    // MARK: Lines

    private mutating func read(_ text: Span<UInt8>) {
        let longest = dialect == .p1 ? Limits.p1Line : Limits.readoutLine
        var position = start
        while position < text.count, limitError == nil {
            // Most characters are in the middle of something.
            if place == .address || place == .value { position = Self.endOfPlain(text, from: position) }
            guard position < text.count, position - lineStart <= longest else { break }
            let byte = text[position]
            if byte.isLineEnd {
                if position > lineStart { endLine(at: position, text) }
                if byte == Control.lineFeed { line += 1 }
                (start, lineStart) = (position + 1, position + 1)
            } else {
                consume(byte, at: position, text)
            }
            position += 1
        }
        guard limitError == nil, position - lineStart > longest else { return }
        limitError = WireError(.limit, "a line of the readout is longer than \(longest) characters")
    }

    /// The first place of a character that may not stand in an address or a value, or that ends one.
    private static func endOfPlain(_ text: Span<UInt8>, from start: Int) -> Int {
        var position = start
        while position < text.count {
            let byte = text[position]
            guard byte > UInt8(ascii: ")"), byte < Control.delete else { break }
            position += 1
        }
        return position
    }

    private mutating func consume(_ byte: UInt8, at position: Int, _ text: Span<UInt8>) {
        switch place {
        case .address: consumeAddress(byte, at: position, text)
        case .value: consumeValue(byte, at: position)
        case .continuation: continueValue(byte, at: position, text)
        case .junk: break
        case .behindEnd: if !byte.isFiller { fail() }
        }
    }

    private mutating func consumeAddress(_ byte: UInt8, at position: Int, _ text: Span<UInt8>) {
        switch byte {
        case UInt8(ascii: "("):
            openSet(trimmed(start..<position, text))
            start = position + 1
            place = .value
        case UInt8(ascii: "!") where trimmed(start..<position, text).isEmpty:
            hasEndLine = true
            place = .behindEnd
        case _ where byte.isPrintable && byte != UInt8(ascii: ")") && byte != UInt8(ascii: "!") || byte.isBlank:
            break
        case _ where byte.isFiller && start == position:
            start = position + 1
        default:
            fail()
        }
    }

    private mutating func consumeValue(_ byte: UInt8, at position: Int) {
        switch byte {
        case UInt8(ascii: ")"):
            addValue(start..<position)
            start = position + 1
            place = .address
        case UInt8(ascii: "(") where dialect == .readout:
            fail()
        case _ where byte.isPrintable || byte.isBlank:
            break
        default:
            fail()
        }
    }

    /// In the next line of a value of hexadecimal digits. Anything else is a new line behind one without its end.
    private mutating func continueValue(_ byte: UInt8, at position: Int, _ text: Span<UInt8>) {
        if byte == UInt8(ascii: ")") {
            let value = continued.text + text.extracting(start..<position).array
            addValue(characters.count..<(characters.count + value.count))
            characters += value
            start = position + 1
            place = .address
        } else if !byte.isHexDigit {
            let begin = start
            fail(at: continued.line)
            start = begin
            place = .address
            consumeAddress(byte, at: position, text)
        }
    }

    private mutating func openSet(_ address: Range<Int>) {
        if !address.isEmpty || sets.isEmpty {
            sets.append(DataSet(address: address, values: values.count..<values.count))
        }
    }

    private mutating func addValue(_ value: Range<Int>) {
        guard values.count < maximumValues else {
            limitError = WireError(.limit, "the readout has more than \(maximumValues) values")
            return
        }
        guard let last = sets.indices.last else { return }
        values.append(value)
        sets[last].values = sets[last].values.lowerBound..<values.count
    }

    /// The rest of the line is not looked at. A set that was opened and got no value is taken back.
    private mutating func fail(at line: Int? = nil) {
        let line = line ?? self.line
        if malformedLines.last != line { malformedLines.append(line) }
        if sets.last?.values.isEmpty == true { sets.removeLast() }
        place = .junk
    }

    private mutating func endLine(at end: Int, _ text: Span<UInt8>) {
        if place == .continuation || (dialect == .p1 && place == .value && isHexadecimal(start..<end, text)) {
            if place == .value { continued = (line, []) }
            continued.text += text.extracting(start..<end).array
            place = .continuation
            return
        }
        if place == .value || (place == .address && !trimmed(start..<end, text).isEmpty) { fail() }
        if place != .behindEnd { place = .address }
    }

    private func isHexadecimal(_ range: Range<Int>, _ text: Span<UInt8>) -> Bool {
        !range.isEmpty && range.allSatisfy { text[$0].isHexDigit }
    }

    private func trimmed(_ range: Range<Int>, _ text: Span<UInt8>) -> Range<Int> {
        let content = text.extracting(range).content
        return (range.lowerBound + content.lowerBound)..<(range.lowerBound + content.upperBound)
    }
}
