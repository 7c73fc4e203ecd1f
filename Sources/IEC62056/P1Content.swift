import OBIS
import Wire

/// What the lines of one P1 telegram say.
enum P1Content {
    /// - Parameters:
    ///   - content: from `/` to `!`, without parity bits.
    ///   - identificationLength: of the identification line with the first character of its end.
    ///   - lacksCheck: whether no check was sent, and nobody said that there is none.
    ///   - warnings: what was odd so far.
    /// - Throws: `malformed` when there is no value, `unsupported` for a readout with a block check, `limit`.
    static func telegram(
        _ content: [UInt8], identificationLength: Int, lacksCheck: Bool, warnings: [String]
    ) throws(WireError) -> Telegram {
        let line = content.prefix(identificationLength)
        let data = line.endIndex..<max(line.endIndex, content.count - 1)
        if content[data].first(where: { !$0.isFiller }) == Control.stx {
            throw WireError(
                .unsupported, "this is a readout with a block check: read it as protocol iec62056-21",
                offset: line.count)
        }
        let sets = DataSets(content, in: data, dialect: .p1)
        if let limit = sets.limitError { throw limit }
        let registers = registers(sets)
        guard !registers.isEmpty else {
            throw WireError(.malformed, "the telegram holds no data set", offset: line.count)
        }
        var warnings = warnings
        if lacksCheck, promisesCheck(registers) {
            warnings.append("A telegram of this version has a check, this one has none: damage is not noticed.")
        }
        warnings += sets.malformedLines.map { "Line \($0) is not a data set and was left out." }
        let identification = Identification(line: line.filter(\.isPrintable))
        var meter = identification.meter
        meter.id = identity(in: registers)
        meter.medium = .electricity
        meter.version = version(in: registers) ?? meter.version
        return Telegram(meter: meter, meterTime: time(in: registers), registers: registers, warnings: warnings)
    }

    // MARK: Who and when

    /// `1-3:0.2.8(50)`, in Belgium `0-0:96.1.4(50217)`.
    private static func version(in registers: [Register]) -> String? {
        for code in [ObisCode(1, 3, 0, 2, 8), ObisCode(0, 0, 96, 1, 4)] {
            for index in registers.indices where registers[index].obis == code {
                guard let text = registers[index].text, !text.isEmpty else { continue }
                // Some print the digits of its characters.
                let isSpelledOut = text.utf8.count >= 10
                return isSpelledOut ? P1Text.decoded(Array(text.utf8), isMessage: true) ?? text : text
            }
        }
        return nil
    }

    /// Whether the telegram says that it is of a version that has a check: DSMR 4.0 and later, and all of eMUCs.
    private static func promisesCheck(_ registers: [Register]) -> Bool {
        guard let number = FixedDecimal(version(in: registers) ?? "") else { return false }
        return number >= 40
    }

    /// The first of these that says something. Where both 96.1.0 and 96.1.1 stand, as in Hungary, 96.1.1 is the type.
    private static let identities = [
        ObisCode(0, 0, 96, 1, 0), ObisCode(0, 0, 96, 1, 1), ObisCode(0, 0, 42, 0, 0), ObisCode(1, 0, 0, 0, 0),
        ObisCode(1, 0, 96, 1, 0), ObisCode(1, 0, 96, 1, 1),
    ]

    private static func identity(in registers: [Register]) -> String? {
        for code in identities {
            for index in registers.indices {
                if let id = registers[index].identity(under: code) { return id }
            }
        }
        return nil
    }

    private static func time(in registers: [Register]) -> MeterTime? {
        for index in registers.indices where registers[index].obis == ObisCode(0, 0, 1, 0, 0) {
            if case .time(let time) = registers[index].value { return time }
        }
        return MeterClock.time(in: registers)
    }
}

// MARK: - Values

extension P1Content {
    /// One register for each value of the data sets.
    private static func registers(_ sets: DataSets) -> [Register] {
        let characters = sets.characters.span
        var registers: [Register] = []
        registers.reserveCapacity(sets.valueCount)
        for set in sets.sets {
            let address = characters.extracting(set.address)
            let code = ObisCode(ascii: address)
            let isIndexed = set.values.count > 1 || address.isEmpty
            for place in set.values {
                let printed = characters.extracting(sets.values[place])
                registers.append(
                    Register(
                        address: address, code: code, printed: PrintedValue(printed), printed,
                        index: isIndexed ? place - set.values.lowerBound : nil))
            }
            guard let code else { continue }
            if code.isIdentity || code.isMessage {
                for index in set.values { registers[index].readText(isMessage: code.isMessage) }
            } else if code.a == 0, code.c == 24, code.d == 3 {
                readProfile(&registers, set, sets)
            } else {
                readTimes(&registers, code, set, sets)
            }
        }
        return registers
    }

    /// Time stamps hold for the values behind them, up to the next one. Iskra MIE5T print that of a maximum behind it.
    private static func readTimes(_ registers: inout [Register], _ code: ObisCode, _ set: DataSet, _ sets: DataSets) {
        var stamp: (index: Int, time: MeterTime?)?
        if code.d == 6, set.values.count == 2, readTimeBehind(&registers, set, sets) { return }
        for index in set.values {
            // Nothing so short is a time.
            if stamp == nil, sets.values[index].count < P1TimeStamp.shortest { continue }
            let printed = sets.characters.span.extracting(sets.content(ofValue: index))
            if let time = time(printed, at: index, in: registers, code) {
                registers[index].value = .time(time)
                stamp = (index, time)
            } else if P1TimeStamp.hasSeason(printed) {
                stamp = (index, nil)
            } else if let stamp {
                registers[index].time = stamp.time
                if stamp.index == index - 1 { registers[stamp.index].isTimeOfNext = stamp.time != nil }
                // Before the first value of a sub-meter some meters send a date like month 25, and zero.
                if stamp.time == nil, registers[index].value.number?.isZero == true {
                    registers[index].value = .unavailable
                }
            }
        }
    }

    private static func readTimeBehind(_ registers: inout [Register], _ set: DataSet, _ sets: DataSets) -> Bool {
        let (value, stamp) = (set.values.lowerBound, set.values.lowerBound + 1)
        guard registers[value].unit != nil, registers[stamp].unit == nil,
            let time = P1TimeStamp.time(sets.characters.span.extracting(sets.content(ofValue: stamp)))
        else { return false }
        registers[value].time = time
        registers[stamp].value = .time(time)
        return true
    }

    /// Twelve digits without a season are a time only where one must stand: in the clock, and beside a value
    /// with a unit.
    private static func time(
        _ printed: Span<UInt8>, at index: Int, in registers: [Register], _ code: ObisCode
    ) -> MeterTime? {
        guard registers[index].unit == nil else { return nil }
        if P1TimeStamp.mayLackSeason(printed) {
            let isInFront = index + 1 < registers.count && registers[index + 1].unit != nil
            return isInFront || code.isClock ? P1TimeStamp.time(printed) : nil
        }
        return P1TimeStamp.hasSeason(printed) || code.isClock ? P1TimeStamp.time(printed) : nil
    }

    /// The hourly value of DSMR 2.2 and 3.0, the buffer of a profile as IEC 62056-21 prints it:
    ///
    ///     0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)
    ///     (00024.123)
    ///
    /// Time, status, period in minutes, number of columns; the code and the unit of each column; the values. With one
    /// column its value has that code, that unit and that time.
    private static func readProfile(_ registers: inout [Register], _ set: DataSet, _ sets: DataSets) {
        let first = set.values.lowerBound
        let value = first + 6
        let printed = sets.characters.span.extracting(sets.content(ofValue: first))
        guard set.values.count == 7, registers[first + 3].value.number == 1,
            let code = ObisCode(registers[first + 4].text ?? ""), let time = P1TimeStamp.time(printed)
        else { return }
        registers[first].value = .time(time)
        registers[first].isTimeOfNext = true
        registers[value].printedCode = registers[value].code
        registers[value].obis = code
        registers[value].unit = Unit(printed: registers[first + 5].text ?? "")
        registers[value].time = time
    }
}

extension DataSets {
    /// The place of a value without its unit and the blanks around it.
    fileprivate func content(ofValue index: Int) -> Range<Int> {
        let place = values[index]
        let content = PrintedValue(characters.span.extracting(place)).content
        return (place.lowerBound + content.lowerBound)..<(place.lowerBound + content.upperBound)
    }
}

extension Register {
    /// What is printed, without blanks around it.
    fileprivate var printed: [UInt8] { Array(Array((text ?? "").utf8).trimmed) }

    /// Identities and messages are usually the hexadecimal digits of ASCII. `text` stays as printed.
    fileprivate mutating func readText(isMessage: Bool) {
        guard value != .unavailable else { return }
        let printed = printed
        if let decoded = P1Text.decoded(printed, isMessage: isMessage) {
            value = .text(decoded)
        } else if isMessage || value.number == nil {
            value = .text(printed.text)
        }
    }

    /// The text of this register if it is the one with this code, and not empty or all zeros: nobody has set those.
    func identity(under code: ObisCode) -> String? {
        guard obis == code else { return nil }
        let id: String
        switch value {
        case .text(let text): id = text
        case .number: id = printed.text
        case .wide, .flag, .time, .unavailable: return nil
        }
        return id.contains { $0 != "0" && $0 != " " } ? id : nil
    }
}

extension ObisCode {
    fileprivate var isClock: Bool { a == 0 && c == 1 && d == 0 && e == 0 }

    /// Serial numbers and other device identifiers of the meter (B = 0) or a sub-meter.
    fileprivate var isIdentity: Bool {
        switch (a, c) {
        case (0, 96), (1, 96): d == 1
        case (0, 42), (1, 0): d == 0
        default: false
        }
    }

    fileprivate var isMessage: Bool { a == 0 && c == 96 && d == 13 }
}

/// Text that is printed as the hexadecimal digits of its characters.
enum P1Text {
    /// Identities of fewer characters are left as they are: their digits could be a number.
    private static let shortestIdentity = 10

    /// - Returns: nil where the digits are none, or could be meant as they stand.
    static func decoded(_ digits: [UInt8], isMessage: Bool) -> String? {
        guard let characters = characters(digits.span), !characters.isEmpty else { return nil }
        guard !isMessage else { return characters.text }
        let content = characters.trimmed
        guard content.count >= shortestIdentity, content.allSatisfy({ $0.isDigit || $0.isLetter }) else { return nil }
        return content.text
    }

    /// The printable characters that pairs of digits are; blanks between the digits count nothing.
    private static func characters(_ digits: Span<UInt8>) -> [UInt8]? {
        var characters: [UInt8] = []
        characters.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for index in digits.indices where !digits[index].isBlank && !digits[index].isLineEnd {
            guard let digit = digits[index].hexDigitValue else { return nil }
            guard let first = high else {
                high = digit
                continue
            }
            let character = first << 4 | digit
            guard character.isPrintable else { return nil }
            characters.append(character)
            high = nil
        }
        return high == nil ? characters : nil
    }
}
