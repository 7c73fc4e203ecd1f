import OBIS

/// What a register is called, and how its value behaves, as far as its code says so (IEC 62056-6-1).
struct RegisterMeaning: Hashable {
    enum Behaviour: Hashable {
        /// It is what it is at the moment.
        case present
        /// Counted, of something without a unit.
        case count
        /// Of a time that is over, or of the kind that has no statistics.
        case other
        /// Kept from an earlier billing period: of interest to few.
        case stored
    }

    var name: String
    var behaviour: Behaviour
    /// About the meter itself, and not about what it measures.
    var isDiagnostic = false

    /// - Parameter traits: of the register.
    init(_ traits: RegisterTraits) {
        let code = traits.obis.flatMap { ObisCode($0) }
        let known = code.flatMap { $0.a == 1 ? Self.electric($0) : $0.a == 0 ? Self.abstract($0) : nil }
        let isRecord = traits.quantity != nil
        self = known ?? (isRecord ? Self.record(traits) : Self.unknown(traits, code))
        if let code, code.f != 255 {
            name += ", period \(code.f)"
            behaviour = .stored
        }
    }

    private init(_ name: String, _ behaviour: Behaviour = .other, isDiagnostic: Bool = false) {
        self.name = name
        self.behaviour = behaviour
        self.isDiagnostic = isDiagnostic
    }

    // MARK: Electricity

    /// C names the quantity, 20 apart for each phase; D what was made of it; E the tariff.
    private static func electric(_ code: ObisCode) -> RegisterMeaning? {
        let tariff = code.e == 0 || code.e == 255 ? "" : ", tariff \(code.e)"
        let phase = phase(code.c)
        func named(_ quantity: String, _ front: String = "") -> String {
            let text = front.isEmpty ? quantity : front + lowercasedFirst(quantity)
            return text + phase.suffix
        }
        switch code.d {
        case 8, 9, 29:
            guard let energy = energies[phase.quantity] else { return nil }
            let interval = code.d == 8 ? "" : code.d == 9 ? " of this period" : " of the last interval"
            return RegisterMeaning(named(energy) + interval + tariff, .other)
        case 7:
            guard let quantity = powers[phase.quantity] else { return nil }
            let harmonic = code.e == 0 || code.e == 255 ? "" : code.e == 124 ? ", distortion" : ", harmonic \(code.e)"
            return RegisterMeaning(named(quantity) + harmonic, .present)
        case 6: return powers[phase.quantity].map { RegisterMeaning(named($0, "Highest ") + tariff, .present) }
        case 2: return powers[phase.quantity].map { RegisterMeaning(named($0, "Sum of highest ") + tariff, .other) }
        case 3: return powers[phase.quantity].map { RegisterMeaning(named($0, "Lowest ") + tariff, .present) }
        case 4, 24: return powers[phase.quantity].map { RegisterMeaning(named($0, "Mean "), .present) }
        case 5, 25: return powers[phase.quantity].map { RegisterMeaning(named($0, "Last mean "), .present) }
        case 32 where phase.quantity == 12: return RegisterMeaning("Voltage sags" + phase.suffix, .count)
        case 36 where phase.quantity == 12: return RegisterMeaning("Voltage swells" + phase.suffix, .count)
        default: return nil
        }
    }

    private static func phase(_ c: UInt8) -> (quantity: UInt8, suffix: String) {
        switch c {
        case 21...40: (c - 20, " L1")
        case 41...60: (c - 40, " L2")
        case 61...80: (c - 60, " L3")
        case 91: (11, " neutral")
        case 92: (12, " neutral")
        default: (c, "")
        }
    }

    private static let energies: [UInt8: String] = [
        1: "Energy import", 2: "Energy export", 3: "Reactive energy import", 4: "Reactive energy export",
        5: "Reactive energy, quadrant 1", 6: "Reactive energy, quadrant 2", 7: "Reactive energy, quadrant 3",
        8: "Reactive energy, quadrant 4", 9: "Apparent energy import", 10: "Apparent energy export",
        15: "Energy, both directions", 16: "Energy, import less export",
    ]

    private static let powers: [UInt8: String] = [
        1: "Power import", 2: "Power export", 3: "Reactive power import", 4: "Reactive power export",
        5: "Reactive power, quadrant 1", 6: "Reactive power, quadrant 2", 7: "Reactive power, quadrant 3",
        8: "Reactive power, quadrant 4", 9: "Apparent power import", 10: "Apparent power export", 11: "Current",
        12: "Voltage", 13: "Power factor", 14: "Frequency", 15: "Power, both directions", 16: "Power",
    ]

    private static func lowercasedFirst(_ text: String) -> String {
        text.prefix(1).lowercased() + text.dropFirst()
    }

    // MARK: The meter itself

    private static func abstract(_ code: ObisCode) -> RegisterMeaning? {
        let number = code.e == 0 || code.e == 255 ? "" : " \(code.e)"
        func about(_ name: String, _ behaviour: Behaviour = .other) -> RegisterMeaning {
            RegisterMeaning(name, behaviour, isDiagnostic: true)
        }
        return switch (code.c, code.d) {
        case (0, 0): about("Address" + number)
        case (0, 2): about("Firmware" + number)
        case (1, 0): about("Clock of the meter", .stored)
        case (17, 0): about("Limiter" + number)
        case (24, 1): about("Device type, channel \(code.b)")
        case (24, 2): RegisterMeaning("Meter on channel \(code.b)")
        case (24, 4): about("Valve, channel \(code.b)")
        case (42, 0): about("Device name")
        case (96, 1): about(code.b == 0 ? "Identification" + number : "Identification, channel \(code.b)")
        case (96, 3): about("Breaker" + number)
        case (96, 5): about("Status" + number)
        case (96, 6): about("Battery" + number)
        case (96, 7):
            about(code.e == 9 ? "Long power failures" : "Power failures" + (code.e == 21 ? "" : number), .count)
        case (96, 8): about("Operating time" + number)
        case (96, 13): about("Message" + number)
        case (96, 14): about("Tariff" + number)
        case (97, 97): about("Error register" + number)
        default: nil
        }
    }

    // MARK: Anything else

    private static func record(_ traits: RegisterTraits) -> RegisterMeaning {
        var name = traits.quantity ?? ""
        switch traits.function {
        case "maximum": name += ", maximum"
        case "minimum": name += ", minimum"
        case "error": name += ", in error"
        default: break
        }
        if let tariff = traits.tariff { name += ", tariff \(tariff)" }
        if let subunit = traits.subunit { name += ", unit \(subunit)" }
        guard let storage = traits.storage else { return RegisterMeaning(name, .present) }
        return RegisterMeaning(name + ", storage \(storage)", .stored)
    }

    private static func unknown(_ traits: RegisterTraits, _ code: ObisCode?) -> RegisterMeaning {
        let isPresent = code.map { $0.a != 0 && $0.d == 7 } ?? false
        return RegisterMeaning("Register \(traits.key)", isPresent ? .present : .other)
    }
}
