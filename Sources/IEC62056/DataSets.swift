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

    private enum Place { case address, value, junk, behindEnd }
    private var place = Place.address
    private var text: [UInt8] = []
    private var line = 1
    private var lineLength = 0

    init(_ bytes: some Sequence<UInt8>) {
        for byte in bytes where limitError == nil { consume(byte) }
        endLine()
    }

    /// Whether every line is made of data sets.
    var isWellFormed: Bool { malformedLines.isEmpty && limitError == nil }

    private mutating func consume(_ byte: UInt8) {
        if byte.isLineEnd {
            endLine()
            if byte == Control.lineFeed { line += 1 }
        } else {
            lineLength += 1
            if lineLength > Limits.readoutLine {
                limitError = WireError(.limit, "a line of the readout is longer than \(Limits.readoutLine) characters")
            }
            switch place {
            case .address: consumeAddress(byte)
            case .value: consumeValue(byte)
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
        case _ where byte.isPrintable && byte != UInt8(ascii: "(") || byte.isBlank:
            text.append(byte)
        default:
            fail()
        }
    }

    private mutating func openSet(_ address: [UInt8]) {
        if !address.isEmpty || sets.isEmpty { sets.append(DataSet(address: address, values: [])) }
    }

    private mutating func addValue(_ value: [UInt8]) {
        valueCount += 1
        guard valueCount <= Limits.registers else {
            limitError = WireError(.limit, "the readout has more than \(Limits.registers) values")
            return
        }
        if let last = sets.indices.last { sets[last].values.append(value) }
    }

    /// The rest of the line is not looked at. A set that was opened and got no value is taken back.
    private mutating func fail() {
        if malformedLines.last != line { malformedLines.append(line) }
        if sets.last?.values.isEmpty == true { sets.removeLast() }
        text = []
        place = .junk
    }

    private mutating func endLine() {
        if place == .value || (place == .address && !text.trimmed.isEmpty) { fail() }
        if place != .behindEnd { place = .address }
        text = []
        lineLength = 0
    }
}
