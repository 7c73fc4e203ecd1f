import OBIS

/// What an address of a data set may look like where no block check protects it.
enum ObisAddress {
    /// A whole or reduced OBIS code.
    static func isCode(_ address: ArraySlice<UInt8>) -> Bool {
        ObisCode(ascii: address.span) != nil
    }

    /// Digits, the letters that stand for numbers in a code, and its separators between them; or nothing.
    static func isPlausible(_ address: ArraySlice<UInt8>) -> Bool {
        guard let first = address.first, let last = address.last else { return true }
        return isNumber(first) && isNumber(last) && address.allSatisfy { isNumber($0) || separators.contains($0) }
    }

    private static func isNumber(_ character: UInt8) -> Bool {
        character.isDigit || letters.contains(character)
    }

    private static let letters = Set("CFLP".utf8)
    private static let separators = Set("-:.*&".utf8)
}
