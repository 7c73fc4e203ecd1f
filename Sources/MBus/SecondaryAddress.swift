import OBIS
import Wire

/// The address that a slave has from its maker, and by which it can be selected (EN 13757-3, secondary addressing).
///
///     identification 4 | manufacturer 2 | version 1 | medium 1        least significant byte first
///
/// The identification is eight BCD digits. A digit F, and FF in each byte of the other fields, stands for any.
public struct SecondaryAddress: Hashable, Sendable {
    /// Eight digits, one in each half byte: `0x12345678` is 12345678.
    public var identification: UInt32
    public var manufacturer: UInt16
    public var version: UInt8
    public var medium: UInt8

    public init(
        identification: UInt32 = 0xFFFF_FFFF, manufacturer: UInt16 = 0xFFFF, version: UInt8 = 0xFF,
        medium: UInt8 = 0xFF
    ) {
        self.identification = identification
        self.manufacturer = manufacturer
        self.version = version
        self.medium = medium
    }

    /// Every slave.
    public static let any = SecondaryAddress()
    public static let length = 8

    /// - Parameter bytes: as they stand in a selection and in a header. Nil for less than eight.
    init?(bytes: [UInt8]) {
        guard bytes.count >= Self.length else { return nil }
        identification = bytes[0..<4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        manufacturer = UInt16(bytes[5]) << 8 | UInt16(bytes[4])
        version = bytes[6]
        medium = bytes[7]
    }

    /// As they stand in a selection and in a header.
    var bytes: [UInt8] {
        let id = (0..<4).map { UInt8(truncatingIfNeeded: identification >> UInt32(8 * $0)) }
        return id + [
            UInt8(truncatingIfNeeded: manufacturer), UInt8(truncatingIfNeeded: manufacturer >> 8), version, medium,
        ]
    }

    /// Whether a selection of this address, wildcards and all, reaches a slave.
    public func matches(_ slave: SecondaryAddress) -> Bool {
        let digitsMatch = stride(from: UInt32(0), to: 32, by: 4).allSatisfy { shift in
            let wanted = identification >> shift & 0xF
            return wanted == 0xF || wanted == slave.identification >> shift & 0xF
        }
        return digitsMatch && (manufacturer == 0xFFFF || manufacturer == slave.manufacturer)
            && (version == 0xFF || version == slave.version) && (medium == 0xFF || medium == slave.medium)
    }

    // MARK: Selection

    /// Selects the slaves that match: SND_UD to `LinkAddress.selected` with CI 52. A slave that is reached answers E5.
    ///
    ///     68 0B 0B 68 | 73 FD 52 | address 8 | checksum | 16
    public var selection: LongFrame {
        LongFrame(
            control: Control.sendData | Control.frameCountBit, address: LinkAddress.selected,
            controlInformation: ControlInformation.select.rawValue, data: bytes)
    }

    /// The address that a frame selects.
    ///
    /// - Returns: nil for a frame that selects nothing.
    public init?(selection frame: LongFrame) {
        guard frame.address == LinkAddress.selected, frame.control & Control.fromMaster != 0,
            ControlInformation.isSelection(frame.controlInformation), frame.data.count >= Self.length
        else { return nil }
        self.init(
            bytes: frame.controlInformation & ControlInformation.mostSignificantFirst == 0
                ? frame.data : Self.reversedFields(frame.data))
    }

    private static func reversedFields(_ data: [UInt8]) -> [UInt8] {
        data[0..<4].reversed() + data[4..<6].reversed() + data[6...]
    }
}

// MARK: - Text

extension SecondaryAddress: CustomStringConvertible {
    /// `12345678/LGZ/02/04`: digits, letters, version and medium in hexadecimal. `FFFFFFFF`, `FFFF` and `FF` stand for
    /// any.
    public var description: String {
        let maker = Manufacturer.letters(of: manufacturer) ?? Hexadecimal.text(UInt64(manufacturer), digits: 4)
        return [
            Hexadecimal.text(UInt64(identification), digits: 8), maker, Hexadecimal.text(UInt64(version), digits: 2),
            Hexadecimal.text(UInt64(medium), digits: 2),
        ].joined(separator: "/")
    }

    /// Reads `12345678/LGZ/02/04`. Parts may be left out from the end, be empty, or be written with F for any.
    /// The maker may also be four hexadecimal digits.
    ///
    /// - Returns: nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 4, omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count), parts.contains(where: { !$0.isEmpty }) else { return nil }
        func part(_ index: Int) -> Substring? {
            guard index < parts.count, !parts[index].isEmpty else { return nil }
            return Substring(parts[index])
        }
        func number<Value: FixedWidthInteger>(_ index: Int, _ wildcard: Value) -> Value? {
            guard let part = part(index) else { return wildcard }
            guard part.utf8.count == Value.bitWidth / 4, part.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
                return nil
            }
            return Value(part, radix: 16)
        }
        guard let identification = number(0, UInt32.max), let version = number(2, UInt8.max),
            let medium = number(3, UInt8.max),
            let manufacturer = part(1).flatMap(Manufacturer.code) ?? number(1, UInt16.max)
        else { return nil }
        self.init(identification: identification, manufacturer: manufacturer, version: version, medium: medium)
    }
}

enum Hexadecimal {
    /// Capital digits with leading zeros.
    static func text(_ value: UInt64, digits: Int) -> String {
        let count = max(digits, 1, (UInt64.bitWidth - value.leadingZeroBitCount + 3) / 4)
        return String(count: count) { place in
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(4 * (count - 1 - place)) & 0xF)
            return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10
        }
    }
}
