import OBIS
import Wire

/// The data information block of a record: DIF and DIFE (EN 13757-3, data information block).
///
///     DIF     bits 3–0 coding   5–4 function   6 storage bit 0      7 DIFE follows
///     DIFE    bits 3–0 storage  5–4 tariff     6 subunit            7 DIFE follows
///
/// Each DIFE adds four bits of storage, two of tariff and one of the subunit, the lowest first.
struct DataInformation: Hashable, Sendable {
    /// How the data are coded, and so how long they are.
    enum Coding: Hashable, Sendable {
        case none
        /// Signed, so many bytes.
        case integer(UInt8)
        case real
        /// So many bytes of two digits.
        case decimal(UInt8)
        /// The data say by themselves how long they are.
        case variable
    }

    var storage: UInt64 = 0
    var tariff: UInt32 = 0
    var subunit: UInt16 = 0
    var function = RecordIdentity.Function.instantaneous
    var coding = Coding.none

    /// A present value of the whole meter.
    init() {}

    /// Now, and of the meter as a whole.
    var isPresent: Bool { function == .instantaneous && storage == 0 && subunit == 0 }

    private static let more: UInt8 = 0x80

    /// - Parameter first: the DIF, which is none of the special ones.
    init(first: UInt8, _ reader: inout WireReader) throws(WireError) {
        guard let coding = Self.coding(of: first) else {
            throw WireError(.malformed, "DIF \(first) is reserved", offset: reader.offset - 1)
        }
        self.coding = coding
        function =
            switch first >> 4 & 3 {
            case 0: .instantaneous
            case 1: .maximum
            case 2: .minimum
            default: .error
            }
        storage = UInt64(first >> 6 & 1)
        var continues = first & Self.more != 0
        var count = 0
        while continues {
            guard count < Limits.mbusExtensions else {
                throw WireError(.malformed, "more than \(Limits.mbusExtensions) DIFE", offset: reader.offset)
            }
            let extended = try reader.uint8()
            // Ten of them make 41 bits, 20 and 10 at most.
            storage |= UInt64(extended & 0xF) << UInt64(1 + 4 * count)
            tariff |= UInt32(extended >> 4 & 3) << UInt32(2 * count)
            subunit |= UInt16(extended >> 6 & 1) << UInt16(count)
            continues = extended & Self.more != 0
            count += 1
        }
    }

    /// - Returns: nil for the special functions, which are no data.
    private static func coding(of first: UInt8) -> Coding? {
        switch first & 0xF {
        // 8 is a selection for readout: a slave that repeats it has no data behind it.
        case 0, 8: Coding.none
        case 1: .integer(1)
        case 2: .integer(2)
        case 3: .integer(3)
        case 4: .integer(4)
        case 5: .real
        case 6: .integer(6)
        case 7: .integer(8)
        case 9: .decimal(1)
        case 10: .decimal(2)
        case 11: .decimal(3)
        case 12: .decimal(4)
        case 13: .variable
        case 14: .decimal(6)
        default: nil
        }
    }
}
