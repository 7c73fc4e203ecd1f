import OBIS

/// How libmbus, whose names and units the recordings of M-Bus carry, calls what this project calls otherwise.
public enum Libmbus {
    /// How libmbus prints what a meter reports, and how this project does.
    public static let reports = [
        "Unspecified error": "unspecified error", "Unimplemented CI-Field": "unimplemented CI field",
        "Buffer too long, truncated": "buffer too long, truncated", "Too many records": "too many records",
        "Premature end of record": "premature end of record", "More than 10 DIFE´s": "more than 10 DIFE",
        "More than 10 VIFE´s": "more than 10 VIFE", "Reserved": "reserved error",
        "Application too busy for handling readout request": "too busy for a readout",
        "Too many readouts": "too many readouts",
    ]

    public static let media: [String: Medium] = [
        "Electricity": .electricity, "Gas": .gas, "Water": .water, "Cold water": .water,
        "Warm water (30-90°C)": .water, "Hot water": .water, "Heat: Outlet": .heat, "Heat: Inlet": .heat,
        "Heat / Cooling load meter": .heat, "Other": .other, "Bus/System": .other, "Ambient Sensor": .other,
        "Heat Cost Allocator": .other,
    ]

    /// Names that differ.
    public static let names = [
        "%RH": "%RH", "Averaging Duration": "Averaging duration", "Actuality Duration": "Actuality duration",
        "Fabrication No": "Fabrication number", "Digital Input": "Digital input", "Digital Output": "Digital output",
        "H.C.A.": "HCA units", "Model / Version": "Model / version",
    ]

    /// What our value is multiplied by to be theirs; nil for units that are no pair.
    public static func factor(_ ours: String?, _ theirs: String) -> Double? { factors[Pair(ours, theirs)] }

    private struct Pair: Hashable {
        let ours: String?
        let theirs: String

        init(_ ours: String?, _ theirs: String) {
            self.ours = ours
            self.theirs = theirs
        }
    }

    /// What ours is multiplied by to be theirs: libmbus turns durations into seconds.
    private static let factors: [Pair: Double] = [
        Pair(nil, ""): 1, Pair(nil, "-"): 1, Pair("%", "-"): 1, Pair("Wh", "Wh"): 1, Pair("W", "W"): 1,
        Pair("J", "J"): 1, Pair("V", "V"): 1, Pair("A", "A"): 1, Pair("m3", "m^3"): 1, Pair("m3/h", "m^3/h"): 1,
        Pair("degC", "°C"): 1, Pair("K", "K"): 1, Pair("s", "s"): 1, Pair("min", "s"): 60, Pair("h", "s"): 3600,
        Pair("d", "s"): 86400, Pair(nil, "Units for H.C.A."): 1, Pair("m3", "l"): 1000,
        // A counter in the unit of the other one has that unit.
        Pair("m3", "reserved but historic"): 1000,
        // libmbus names the unit of VIF FB 08 "Reserved".
        Pair("J", "Reserved"): 1,
    ]

    /// libmbus prints binary floating point with six decimals: the number is compared as far as that goes.
    public static func isSame(_ number: FixedDecimal, times factor: Double, as text: String) -> Bool {
        guard let exact = FixedDecimal(text) else { return false }
        if factor == 1, number == exact { return true }
        let (ours, theirs) = (number.double * factor, exact.double)
        return abs(ours - theirs) <= max(0.000_000_51, abs(theirs) * 1e-7)
    }
}
