import Wire

/// Characters that IEC 62056-21 gives a meaning.
enum Control {
    /// Start of a command message.
    static let soh: UInt8 = 0x01
    /// Start of text.
    static let stx: UInt8 = 0x02
    /// End of text.
    static let etx: UInt8 = 0x03
    /// End of a partial block.
    static let eot: UInt8 = 0x04
    /// Acknowledge.
    static let ack: UInt8 = 0x06
    /// Repeat request.
    static let nak: UInt8 = 0x15

    static let nul: UInt8 = 0x00
    static let delete: UInt8 = 0x7F
    static let carriageReturn: UInt8 = 0x0D
    static let lineFeed: UInt8 = 0x0A
}

extension UInt8 {
    var isLineEnd: Bool { self == Control.carriageReturn || self == Control.lineFeed }

    /// Line ends, and what a line gives while a head or a converter switches. It means nothing between messages.
    var isFiller: Bool { isLineEnd || self == Control.nul || self == Control.delete }

    var isPrintable: Bool { self >= 0x20 && self <= 0x7E }

    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    var isLetter: Bool {
        let lower = self | 0x20
        return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }

    var isHexDigit: Bool {
        let lower = self | 0x20
        return isDigit || (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "f"))
    }

    /// What may stand in an identification line.
    var isOfIdentification: Bool {
        switch self {
        case UInt8(ascii: "/"), UInt8(ascii: "!"), UInt8(ascii: "("), UInt8(ascii: ")"): false
        default: isPrintable
        }
    }

    /// 0 to 15; nil for what is no hexadecimal digit.
    var hexDigitValue: UInt8? { isHexDigit ? (isDigit ? self & 0x0F : (self & 0x0F) + 9) : nil }

    var isBlank: Bool { self == 0x20 || self == 0x09 }
}

extension Collection where Element == UInt8 {
    /// The same bytes as text. Every byte is known to be ASCII.
    var text: String { String(decoding: self, as: UTF8.self) }
}

extension BidirectionalCollection where Element == UInt8 {
    /// Without blanks around it.
    var trimmed: SubSequence {
        guard let first = firstIndex(where: { !$0.isBlank }), let last = lastIndex(where: { !$0.isBlank }) else {
            return self[endIndex...]
        }
        return self[first...last]
    }
}

extension Span<UInt8> {
    /// The same bytes as text. Every byte is known to be ASCII.
    var text: String { unsafe bytes.text }

    /// The same bytes for keeping.
    var array: [UInt8] { unsafe bytes.array }

    /// Where the bytes stand without blanks around them.
    var content: Range<Int> {
        var end = count
        while end > 0, self[end - 1].isBlank { end -= 1 }
        var start = 0
        while start < end, self[start].isBlank { start += 1 }
        return start..<end
    }
}
