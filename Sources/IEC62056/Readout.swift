import OBIS
import Wire

/// What the data sets of one message say, as a telegram.
enum Readout {
    /// - Parameters:
    ///   - identification: of the meter, where its line was received.
    ///   - warnings: what was odd so far.
    /// - Throws: `meterError` for a message of the meter about an error of its own, `malformed` when there is no
    ///   value, `limit`.
    static func telegram(
        identification: Identification?, sets: DataSets, warnings: [String] = []
    ) throws(WireError) -> Telegram {
        if let limit = sets.limitError { throw limit }
        let isHeat = isHeatMeter(sets)
        let registers = registers(sets, isHeat: isHeat)
        guard !registers.isEmpty else { throw WireError(.malformed, "the message holds no data set") }
        if let message = errorMessage(registers) {
            throw WireError(.meterError, "the meter answered with the error message (\(message))")
        }
        var meter = identification?.meter ?? MeterIdentity()
        meter.id = isHeat ? heatIdentity(in: registers) : identity(in: registers)
        meter.medium = isHeat ? .heat : medium(registers)
        return Telegram(
            meter: meter, meterTime: MeterClock.time(in: registers), registers: registers,
            warnings: warnings + sets.malformedLines.map { "Line \($0) is not a data set and was left out." })
    }

    private static func registers(_ sets: DataSets, isHeat: Bool) -> [Register] {
        let characters = sets.characters.span
        var registers: [Register] = []
        registers.reserveCapacity(sets.valueCount)
        for set in sets.sets {
            let address = characters.extracting(set.address)
            let isIndexed = set.values.count > 1 || address.isEmpty
            for place in set.values {
                registers.append(
                    Register(
                        address: address, printed: characters.extracting(sets.values[place]),
                        index: isIndexed ? place - set.values.lowerBound : nil))
            }
            guard isHeat, !address.indices.contains(where: { address[$0] == UInt8(ascii: ":") }) else { continue }
            for index in set.values { registers[index].readHeat() }
        }
        return registers
    }

    /// `(ER07)`, `(ERROR)`: an error message stands alone in its block (IEC 62056-21, 6.3).
    private static func errorMessage(_ registers: [Register]) -> String? {
        guard registers.count == 1, case .text(let text) = registers[0].value else { return nil }
        return isErrorMessage(text) ? text : nil
    }

    static func isErrorMessage(_ text: String) -> Bool {
        text == "ERROR" || (text.hasPrefix("ER") && text.utf8.count <= 6)
    }

    // MARK: Who

    /// The first of these that carries something: the meter's number 0.0.0, the maker's number C.1.0, then the
    /// device number 96.1.0 under electricity, 96.1.255 and any other 0-0:96.1.x.
    private static func identity(in registers: [Register]) -> String? {
        var best: (rank: Int, id: String)?
        for index in registers.indices {
            guard let rank = registers[index].obis.flatMap(rank), rank < best?.rank ?? .max,
                registers[index].value != .unavailable, let text = registers[index].text
            else { continue }
            let id = Array(text.utf8).trimmed
            // Zeros are a number that nobody has set.
            if id.contains(where: { $0 != UInt8(ascii: "0") }) { best = (rank, id.text) }
        }
        return best?.id
    }

    /// Of a heat meter: its number 0.0 or, where it prints none, that of the device 9.21.
    private static func heatIdentity(in registers: [Register]) -> String? {
        for code in ["0.0", "9.21"] {
            guard let text = registers.first(where: { $0.printedCode == code })?.text else { continue }
            let id = Array(text.utf8).trimmed
            if id.contains(where: { $0 != UInt8(ascii: "0") }) { return id.text }
        }
        return nil
    }

    /// 0 for the best name of a meter; nil for what is none.
    private static func rank(_ code: ObisCode) -> Int? {
        switch (code.a, code.c, code.d, code.e) {
        case _ where code.f != 255: nil
        case (1, 0, 0, 0): 0
        case (0, 96, 1, 0): 1
        case (1, 96, 1, 0): 2
        case (0...1, 96, 1, 255): 3
        case (0, 96, 1, _): 4
        default: nil
        }
    }

    // MARK: What

    /// Value group A of the codes: electricity unless they all belong to another medium.
    private static func medium(_ registers: [Register]) -> Medium {
        var group: UInt8?
        for index in registers.indices {
            guard let a = registers[index].obis?.a, a != 0 else { continue }
            if let group, group != a { return .electricity }
            group = a
        }
        switch group {
        case 4, 5, 6: return .heat
        case 7: return .gas
        case 8, 9: return .water
        default: return .electricity
        }
    }

    /// Heat meters print codes of their own (EN 1434-3, EN 61107): 6.8 is heat in GJ or MWh and 6.26 a volume.
    /// Read as OBIS codes they would be reactive energy.
    private static func isHeatMeter(_ sets: DataSets) -> Bool {
        sets.sets.contains { set in
            let address = sets[set.address]
            // Nearly all addresses are others.
            guard address.first == UInt8(ascii: "6"), let value = set.values.first else { return false }
            let unit = sets[sets.values[value]].split(separator: UInt8(ascii: "*")).dropFirst().last
            switch (address.text, unit?.trimmed.text) {
            case ("6.8", "GJ"), ("6.8", "MJ"), ("6.8", "kWh"), ("6.8", "MWh"), ("6.8", "GWh"), ("6.26", "m3"):
                return true
            default: return false
            }
        }
    }
}

extension Register {
    /// Keeps the name as it is printed, and gives the two that every heat meter has the codes of heat (EN 13757-1).
    fileprivate mutating func readHeat() {
        printedCode = code
        switch code {
        case "6.8": obis = ObisCode(6, 0, 1, 0, 0)
        case "6.26": obis = ObisCode(6, 0, 2, 0, 0)
        default: obis = nil
        }
        // The period of a mean value; there is no length in a heat meter.
        if code == "6.35", unit == .metre { unit = .minute }
    }
}
