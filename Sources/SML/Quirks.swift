import OBIS

/// What certain meters do otherwise than the standard. Each is bound to the meters that need it: what helps one maker's
/// meter falsifies another's values, or weakens a check for everybody.
struct Quirks: Hashable {
    /// Holley (DTZ541): checksums are CRC-16/Kermit instead of X-25.
    var usesKermit = false
    /// Holley (DTZ541): a time lacks its list and its choice, `65 …` instead of `72 62 01 65 …`.
    var omitsTimeChoice = false
    /// DZG DVS74: an unsigned power is marked as signed. In one to three bytes it would turn negative.
    var marksPowerAsSigned = false

    /// None of them.
    init() {}

    init(_ server: ServerID) {
        switch server.manufacturer {
        case "HLY":
            usesKermit = true
            omitsTimeChoice = true
        case "DZG":
            marksPowerAsSigned = server.number.map { number in Self.dvs74.contains { $0.contains(number) } } ?? false
        default: break
        }
    }

    /// The only register that DVS74 meters mark wrongly.
    static let power = ObisCode(1, 0, 16, 7, 0)

    /// The numbers that DZG gave to DVS74 meters with that firmware. Its other meters do send negative powers.
    private static let dvs74: [ClosedRange<UInt32>] = [42_000_000...48_999_999, 55_000_000...58_999_999]
}
