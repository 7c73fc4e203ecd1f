import OBIS
import Wire

/// What makes a readout without block check unbelievable (modes A and D): one fault refuses all of it, since
/// nothing says that the rest is whole.
enum UncheckedReadout {
    /// - Parameter isFromLine: from a line every address must look like one; recordings hold what makers invent.
    static func fault(in sets: DataSets, isFromLine: Bool) -> WireError? {
        if let line = sets.malformedLines.first {
            return WireError(.malformed, "line \(line) of the readout is not a data set")
        }
        if let first = sets.sets.first, !ObisAddress.isPlausible(first.address) {
            return WireError(.malformed, "the readout starts with \"\(first.address.text)\", which is no address")
        }
        return isFromLine ? damage(in: sets) : nil
    }

    private static func damage(in sets: DataSets) -> WireError? {
        for (index, set) in sets.sets.enumerated() {
            if !ObisAddress.isPlausible(set.address) {
                return WireError(.malformed, "\"\(set.address.text)\" in the readout is no address")
            }
            if index > 0, !set.address.isEmpty, set.address == sets.sets.first?.address {
                return WireError(
                    .framing, "\(set.address.text) begins the readout a second time; the end of the first one was lost")
            }
            if let value = set.values.first(where: isDamagedNumber) {
                return WireError(.malformed, "\"\(value.text)\" of \(set.address.text) has a unit and is no number")
            }
        }
        return nil
    }

    /// Digits with a unit behind them and something among them that no number has.
    private static func isDamagedNumber(_ value: [UInt8]) -> Bool {
        let parts = value.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        guard parts.count == 2, let number = parts.first, let unit = parts.last, Unit(printed: unit.text) != nil
        else { return false }
        return number.contains(where: \.isDigit) && number.contains { !$0.isDigit && !ofNumbers.contains($0) }
    }

    private static let ofNumbers = Set(" +-.,:".utf8)
}
