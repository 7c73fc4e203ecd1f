import OBIS

/// What an address of a data set may look like where no block check protects it.
enum ObisAddress {
    /// A whole or reduced OBIS code.
    static func isCode(_ address: [UInt8]) -> Bool {
        ObisCode(ascii: address.span) != nil
    }

    /// Digits, the separators of a code and the letters that stand for numbers in it.
    static func isPlausible(_ address: [UInt8]) -> Bool {
        address.allSatisfy { $0.isDigit || characters.contains($0) }
    }

    private static let characters = Set("-:.*&CFLP".utf8)
}
