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
        if let first = sets.sets.first.map({ sets[$0.address] }), !ObisAddress.isPlausible(first) {
            return WireError(.malformed, "the readout starts with \"\(first.text)\", which is no address")
        }
        return isFromLine ? damage(in: sets) : nil
    }

    private static func damage(in sets: DataSets) -> WireError? {
        let first = sets.sets.first.map { sets[$0.address] }
        for (index, set) in sets.sets.enumerated() {
            let address = sets[set.address]
            if !ObisAddress.isPlausible(address) {
                return WireError(.malformed, "\"\(address.text)\" in the readout is no address")
            }
            if index > 0, !address.isEmpty, address == first {
                return WireError(
                    .framing, "\(address.text) begins the readout a second time; the end of the first one was lost")
            }
            if let value = sets.values[set.values].first(where: { isDamagedNumber(sets[$0]) }) {
                return WireError(.malformed, "\"\(sets[value].text)\" of \(address.text) has a unit and is no number")
            }
        }
        return nil
    }

    /// Digits with a unit behind them and something among them that no number has.
    private static func isDamagedNumber(_ value: ArraySlice<UInt8>) -> Bool {
        let parts = value.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        guard parts.count == 2, let number = parts.first, let unit = parts.last, Unit(printed: unit.text) != nil
        else { return false }
        return number.contains(where: \.isDigit) && number.contains { !$0.isDigit && !ofNumbers.contains($0) }
    }

    private static let ofNumbers = Set(" +-.,:".utf8)
}
