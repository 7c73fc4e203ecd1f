import OBIS
public import Wire

/// Where readouts and P1 telegrams say which meter they come from, and their checks. Lines are looked at one by one, so
/// that a damaged message gives away no more than a whole one.
public enum TextSurvey {
    /// Readouts, answers in programming mode, and what a reader sends.
    public static func readout(_ bytes: [UInt8]) -> FrameSurvey {
        var text = SurveyedText(bytes)
        text.noteDataSets(dialect: .readout)
        text.noteRequests()
        text.notePasswords()
        text.noteBlocks()
        text.noteUnchecked()
        return text.survey
    }

    /// P1 telegrams.
    public static func telegrams(_ bytes: [UInt8]) -> FrameSurvey {
        var text = SurveyedText(bytes)
        text.noteDataSets(dialect: .p1)
        text.noteTelegrams()
        return text.survey
    }
}

/// Values that look like a device's number, under a name that says nothing: it may be damaged, and where no check protects a
/// message, nobody would know.
private enum NumberLike {
    private static let digits = 6

    /// No measured value has so many digits without a point and a unit, and none has a name that cannot be read.
    static func isCertain(_ value: ArraySlice<UInt8>, isNameRead: Bool) -> Bool {
        value.count >= (isNameRead ? 16 : 8) && looksLikeOne(value)
    }

    /// Shorter ones are times as well.
    static func isSuspected(_ value: ArraySlice<UInt8>, isNameRead: Bool) -> Bool {
        value.count >= (isNameRead ? 8 : digits) && looksLikeOne(value)
    }

    private static func looksLikeOne(_ value: ArraySlice<UInt8>) -> Bool {
        value.allSatisfy { $0.isDigit || $0.isLetter || $0 == UInt8(ascii: "-") || $0 == 0x20 }
            && value.count(where: \.isDigit) >= digits
    }
}

private struct SurveyedText {
    private(set) var survey = FrameSurvey()
    private let bytes: [UInt8]
    /// Without parity bits.
    private let characters: [UInt8]
    /// Of each byte, whether those of its line have parity bits.
    private var hasParity: [Bool]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        characters = bytes.map(Parity.stripped)
        survey.readsWhole = true
        hasParity = [Bool](repeating: false, count: bytes.count)
        for line in lines() where Self.carriesParity(bytes[line]) {
            for index in line { hasParity[index] = true }
            // Texts are looked for behind parity bits as well.
            survey.contents.append(BytePlaces(line, hasParityBits: true))
        }
    }

    /// Some bits are there, and few are wrong. In what is no text, half of them would be.
    private static func carriesParity(_ line: ArraySlice<UInt8>) -> Bool {
        let wrong = line.count { !$0.nonzeroBitCount.isMultiple(of: 2) }
        return wrong * 8 <= line.count && line.contains { $0 >= 0x80 }
    }

    private func places(_ range: Range<Int>) -> BytePlaces {
        BytePlaces(range, hasParityBits: hasParity[range].contains(true))
    }

    /// What stands between line ends and control characters.
    private func lines() -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        for index in characters.indices where characters[index] < 0x20 && characters[index] != 0x09 {
            if index > start { lines.append(start..<index) }
            start = index + 1
        }
        if start < characters.count { lines.append(start..<characters.count) }
        return lines
    }

    // MARK: Data sets

    /// `address(value)(value)…`, where a line without an address goes on with the one before.
    mutating func noteDataSets(dialect: DataSets.Dialect) {
        var address = ""
        var isContinued = false
        for line in lines() {
            var start = line.lowerBound
            if !isContinued, !characters[line].contains(UInt8(ascii: "(")) { noteLooseText(line) }
            if isContinued {
                let end = endOfValue(from: start, in: line)
                noteValue(start..<end, of: address)
                isContinued = end == line.upperBound && isHexadecimal(start..<end)
                start = min(end + 1, line.upperBound)
            }
            while let opening = characters[start..<line.upperBound].firstIndex(of: UInt8(ascii: "(")) {
                let printed = characters[start..<opening].trimmed
                if !printed.isEmpty { address = Self.lastWord(printed) }
                let end = endOfValue(from: opening + 1, in: line)
                noteValue((opening + 1)..<end, of: address)
                isContinued = dialect == .p1 && end == line.upperBound && isHexadecimal((opening + 1)..<end)
                start = min(end + 1, line.upperBound)
            }
        }
    }

    /// A line that lost its parenthesis has no value, and may hold a number all the same. An identification line stays.
    private mutating func noteLooseText(_ line: Range<Int>) {
        guard characters[line.lowerBound] != UInt8(ascii: "/") else { return }
        for part in characters[line].split(whereSeparator: { !$0.isDigit && !$0.isLetter })
        where NumberLike.isCertain(part, isNameRead: true) {
            survey.identities.append(FrameSurvey.Identity(places(part.startIndex..<part.endIndex), as: .text))
        }
    }

    /// Noise may stand in front of an address.
    private static func lastWord(_ printed: ArraySlice<UInt8>) -> String {
        let known = Set("0123456789CFLP-:.*&".utf8)
        return printed.reversed().prefix { known.contains($0) }.reversed().map { $0 }.text
    }

    private func endOfValue(from start: Int, in line: Range<Int>) -> Int {
        characters[start..<line.upperBound].firstIndex(of: UInt8(ascii: ")")) ?? line.upperBound
    }

    private func isHexadecimal(_ range: Range<Int>) -> Bool {
        !range.isEmpty && characters[range].allSatisfy(\.isHexDigit)
    }

    private mutating func noteValue(_ range: Range<Int>, of address: String) {
        let value = characters[range].trimmed
        guard !value.isEmpty else { return }
        let code = ObisCode(address)
        let isNamed = Self.identifies(address, byCharacters: value.count)
        // Data of the maker have a name of their own, and more digits.
        let isOfMaker = code.map { $0.c == 96 && $0.d == 50 } ?? false
        let isCertain = isNamed || !isOfMaker && NumberLike.isCertain(value, isNameRead: code != nil)
        guard isCertain || NumberLike.isSuspected(value, isNameRead: code != nil) else { return }
        let place = places(value.startIndex..<value.endIndex)
        let isHexadecimal =
            P1Text.decoded(Array(value), isMessage: code.map { $0.c == 96 && $0.d == 13 } ?? false) != nil
        survey.identities.append(
            FrameSurvey.Identity(place, as: isHexadecimal ? .hexadecimalText : .text, isSuspected: !isCertain))
    }

    /// `9.21` is the property number of heat meters (EN 1434-3).
    private static func identifies(_ address: String, byCharacters count: Int) -> Bool {
        guard address != "9.21" else { return true }
        return ObisCode(address)?.identifiesDevice(byCharacters: count) ?? false
    }

    // MARK: What a reader sends

    /// `/?address!`
    mutating func noteRequests() {
        for line in lines() {
            guard let mark = characters[line].firstIndex(of: UInt8(ascii: "?")), mark > line.lowerBound,
                characters[mark - 1] == UInt8(ascii: "/")
            else { continue }
            let end = characters[(mark + 1)..<line.upperBound].firstIndex(of: UInt8(ascii: "!")) ?? line.upperBound
            guard mark + 1 < end else { continue }
            survey.identities.append(FrameSurvey.Identity(places((mark + 1)..<end), as: .text))
        }
    }

    /// `SOH P 1 STX ( … ) ETX`, also `P 2`.
    mutating func notePasswords() {
        for index in characters.indices where characters[index] == Control.soh {
            guard index + 4 < characters.count, characters[index + 1] == UInt8(ascii: "P"),
                characters[index + 2] != UInt8(ascii: "0")
            else { continue }
            let rest = characters[(index + 3)...].prefix { $0 != Control.etx && $0 != Control.carriageReturn }
            guard let opening = rest.firstIndex(of: UInt8(ascii: "(")) else { continue }
            let end = rest[opening...].firstIndex(of: UInt8(ascii: ")")) ?? rest.endIndex
            survey.identities.append(FrameSurvey.Identity(places((opening + 1)..<end), as: .secret))
        }
    }

    // MARK: Block check characters

    /// `STX … ETX BCC` and `SOH … ETX BCC`, with the identification line in front.
    mutating func noteBlocks() {
        var sums: [UInt8] = [0]
        sums.reserveCapacity(characters.count + 1)
        var sum: UInt8 = 0
        for character in characters {
            sum ^= character
            sums.append(sum)
        }
        var starts: (command: Int?, text: Int?) = (nil, nil)
        var head: Int?
        for index in characters.indices {
            switch characters[index] {
            case Control.soh: starts = (index, nil)
            case Control.stx: starts.text = index
            case UInt8(ascii: "/"): head = index
            case Control.etx, Control.eot:
                let check = index + 1
                guard check < characters.count else { return }
                for start in [starts.text, starts.command].compactMap({ $0 })
                where sums[check] ^ sums[start + 1] == characters[check] {
                    noteBlock(start..<check, from: head.flatMap { starts.command == nil && $0 < start ? $0 : nil })
                    break
                }
                (starts, head) = ((nil, nil), nil)
            default: break
            }
        }
    }

    /// - Parameter head: where the identification line begins.
    private mutating func noteBlock(_ block: Range<Int>, from head: Int?) {
        let check = block.upperBound
        let content = places((block.lowerBound + 1)..<check)
        // A wrong parity bit is damage as well.
        let hasWrongParity = bytes[block].contains { !$0.nonzeroBitCount.isMultiple(of: 2) }
        guard !content.hasParityBits || !hasWrongParity else { return }
        let place = BytePlaces(check..<(check + 1), hasParityBits: content.hasParityBits)
        survey.checks.append(
            FrameSurvey.Check(over: content, at: place) { content in [content.reduce(0) { $0 ^ $1 } & 0x7F] })
        survey.whole.append((head ?? block.lowerBound)..<(check + 1))
    }

    /// A readout of modes A and D: `/ … !` without a block.
    mutating func noteUnchecked() {
        var start: Int?
        for index in characters.indices {
            switch characters[index] {
            case UInt8(ascii: "/"): start = index
            case Control.stx, Control.soh: start = nil
            case UInt8(ascii: "!"):
                // An ETX belongs to a block whose beginning was lost.
                let behind = characters[(index + 1)...].first { !$0.isLineEnd }
                if let start, behind != Control.etx { survey.whole.append(start..<(index + 1)) }
                start = nil
            default: break
            }
        }
    }

    // MARK: Checks of P1

    private static let digits = 4

    /// `/ … !` and four hexadecimal digits, or none.
    mutating func noteTelegrams() {
        var heads: [Int] = []
        for index in characters.indices {
            if characters[index] == UInt8(ascii: "/") { heads = heads.suffix(1) + [index] }
            guard characters[index] == UInt8(ascii: "!"), index > 0, characters[index - 1].isLineEnd else { continue }
            let behind = characters[(index + 1)...].prefix(Self.digits).prefix(while: \.isHexDigit)
            let sent = behind.count == Self.digits ? UInt16(behind.text, radix: 16) : nil
            if let sent {
                noteTelegram(heads.reversed(), mark: index, sent: sent)
            } else if behind.isEmpty, let head = heads.last {
                survey.whole.append(head..<(index + 1))
            }
            heads = []
        }
    }

    private mutating func noteTelegram(_ heads: [Int], mark: Int, sent: UInt16) {
        for head in heads where mark - head < Limits.p1Telegram {
            let content = BytePlaces(head..<(mark + 1))
            guard let kind = P1Check(content.bytes(in: bytes)).kind(of: sent, allowing: .auto) else { continue }
            let place = BytePlaces((mark + 1)..<(mark + 1 + Self.digits))
            let isUpper = !characters[place.ranges[0]].contains { $0 >= UInt8(ascii: "a") }
            survey.whole.append(head..<(mark + 1 + Self.digits))
            survey.checks.append(
                FrameSurvey.Check(over: content, at: place) { content in
                    let check = Hex.string(P1Check(content).value(as: kind))
                    return Array((isUpper ? check.uppercased() : check).utf8)
                })
            return
        }
    }
}
