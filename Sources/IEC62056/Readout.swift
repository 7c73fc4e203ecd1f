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
        let codes = sets.sets.map { ObisCode(ascii: $0.address.span) }
        let isHeat = isHeatMeter(sets.sets)
        var registers: [Register] = []
        registers.reserveCapacity(sets.valueCount)
        for set in sets.sets {
            let isIndexed = set.values.count > 1 || set.address.isEmpty
            for (index, value) in set.values.enumerated() {
                var register = Register(address: set.address, printed: value, index: isIndexed ? index : nil)
                if isHeat, !set.address.contains(UInt8(ascii: ":")) { register.forgetObis() }
                registers.append(register)
            }
        }
        guard !registers.isEmpty else { throw WireError(.malformed, "the message holds no data set") }
        if let message = errorMessage(registers) {
            throw WireError(.meterError, "the meter answered with the error message (\(message))")
        }
        var meter = identification?.meter ?? MeterIdentity()
        meter.id = identity(in: registers)
        meter.medium = isHeat ? .heat : medium(codes)
        return Telegram(
            meter: meter, meterTime: MeterClock.time(in: registers), registers: registers,
            warnings: warnings + sets.malformedLines.map { "Line \($0) is not a data set and was left out." })
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
        let ranks: [(ObisCode) -> Bool] = [
            { $0.a == 1 && $0.c == 0 && $0.d == 0 && $0.e == 0 },
            { $0.a == 0 && $0.c == 96 && $0.d == 1 && $0.e == 0 },
            { $0.a == 1 && $0.c == 96 && $0.d == 1 && $0.e == 0 },
            { $0.a <= 1 && $0.c == 96 && $0.d == 1 && $0.e == 255 },
            { $0.a == 0 && $0.c == 96 && $0.d == 1 },
        ]
        for matches in ranks {
            for register in registers {
                guard let code = register.obis, code.f == 255, matches(code), let text = register.text else { continue }
                let id = Array(text.utf8).trimmed
                // Zeros are a number that nobody has set.
                if register.value != .unavailable, id.contains(where: { $0 != UInt8(ascii: "0") }) { return id.text }
            }
        }
        return nil
    }

    // MARK: What

    /// Value group A of the codes: electricity unless they all belong to another medium.
    private static func medium(_ codes: [ObisCode?]) -> Medium {
        let groups = Set(codes.compactMap { $0?.a }.filter { $0 != 0 })
        guard groups.count == 1, let group = groups.first else { return .electricity }
        switch group {
        case 4, 5, 6: return .heat
        case 7: return .gas
        case 8, 9: return .water
        default: return .electricity
        }
    }

    /// Heat meters print codes of their own (EN 1434-3, EN 61107): 6.8 is heat in GJ or MWh and 6.26 a volume.
    /// Read as OBIS codes they would be reactive energy.
    private static func isHeatMeter(_ sets: [DataSet]) -> Bool {
        let heat = Set(["GJ", "MJ", "kWh", "MWh", "GWh"])
        return sets.contains { set in
            guard let value = set.values.first else { return false }
            let unit = value.split(separator: UInt8(ascii: "*")).dropFirst().last.map { $0.trimmed.text }
            guard let unit else { return false }
            return (set.address.text == "6.8" && heat.contains(unit)) || (set.address.text == "6.26" && unit == "m3")
        }
    }
}

extension Register {
    /// Keeps the name as it is printed only.
    fileprivate mutating func forgetObis() {
        printedCode = code
        obis = nil
    }
}
