/// What a long frame carries: the field CI (EN 13757-3, CI field).
public enum ControlInformation: UInt8, Sendable {
    /// The slave is reset.
    case applicationReset = 0x50
    /// Data for the slave.
    case sendData = 0x51
    /// A secondary address is selected.
    case select = 0x52
    /// A command behind the header of four bytes. Optical ports of some meters answer with it.
    case shortHeaderCommand = 0x5A
    /// A command behind the header of twelve bytes. Optical ports of some meters answer with it.
    case longHeaderCommand = 0x5B
    /// The slave could not do what was asked.
    case applicationError = 0x70
    /// The slave's alarm bits.
    case alarm = 0x71
    /// Records behind the header of twelve bytes.
    case longHeader = 0x72
    /// The same, the most significant byte first.
    case longHeaderReversed = 0x76
    /// Two counters of a fixed structure.
    case fixedStructure = 0x73
    /// The same, the most significant byte first.
    case fixedStructureReversed = 0x77
    /// Records without a header.
    case noHeader = 0x78
    /// Records behind the header of four bytes.
    case shortHeader = 0x7A

    /// The bit of the older CI fields that turns the order of bytes.
    static let mostSignificantFirst: UInt8 = 0x04

    static func isSelection(_ information: UInt8) -> Bool { information & ~mostSignificantFirst == select.rawValue }

    /// What a master tells a slave about the link or the selection: nothing of a meter's values.
    static func isLinkCommand(_ information: UInt8) -> Bool {
        switch information {
        case 0x50, 0x52, 0x54, 0x56, 0xB8...0xBF: true
        default: false
        }
    }
}
