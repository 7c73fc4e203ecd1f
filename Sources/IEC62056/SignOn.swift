import Wire

/// The messages of the reader and what the baud rate character of an identification means.
public enum SignOn {
    /// The request `/?address!` (IEC 62056-21, 6.3.1). Without an address every meter answers.
    ///
    /// - Parameter address: see `isValid(address:)`; characters that may not stand there are left out.
    public static func request(address: String) -> [UInt8] {
        let characters = address.utf8.filter(isAddressCharacter).prefix(longestAddress)
        return Array("/?".utf8) + characters + Array("!\r\n".utf8)
    }

    /// Whether a meter can have this address: at most 32 letters, digits and blanks (6.3.14).
    public static func isValid(address: String) -> Bool {
        address.utf8.count <= longestAddress && address.utf8.allSatisfy(isAddressCharacter)
    }

    /// What the meter is asked to do (6.3.3): the characters `V` and `Y` of the acknowledgement.
    public enum Option: Sendable, Hashable {
        /// The data readout, mode C.
        case readout
        /// Programming mode: single commands.
        case programming
        /// HDLC, mode E.
        case binary

        fileprivate var characters: (procedure: UInt8, mode: UInt8) {
            switch self {
            case .readout: (UInt8(ascii: "0"), UInt8(ascii: "0"))
            case .programming: (UInt8(ascii: "0"), UInt8(ascii: "1"))
            case .binary: (UInt8(ascii: "2"), UInt8(ascii: "2"))
            }
        }
    }

    /// The option `06 V Z Y CR LF` at rate `Z` (6.3.3).
    public static func acknowledgement(_ option: Option = .readout, rateCharacter: UInt8) -> [UInt8] {
        let (procedure, mode) = option.characters
        return [Control.ack, procedure, rateCharacter, mode, Control.carriageReturn, Control.lineFeed]
    }

    /// The break `SOH B 0 ETX BCC`: the meter returns to waiting for a sign-on (6.3).
    public static let breakMessage: [UInt8] = [Control.soh, UInt8(ascii: "B"), UInt8(ascii: "0"), Control.etx, 0x71]

    static let longestAddress = 32

    private static func isAddressCharacter(_ byte: UInt8) -> Bool {
        byte.isLetter || byte.isDigit || byte == 0x20
    }
}

/// How a conversation goes on after the identification, told by the baud rate character
/// (IEC 62056-21, 6.3.14).
public enum SignOnMode: Hashable, Sendable {
    /// The meter goes on at once, at the rate of the identification.
    case a
    /// The meter changes to this rate by itself and goes on.
    case b(baud: Int)
    /// The meter waits for an acknowledgement, and can go as fast as this.
    case c(baud: Int)

    public init(rateCharacter: UInt8) {
        if let baud = Self.rates.first(where: { $0.c == rateCharacter })?.baud {
            self = .c(baud: baud)
        } else if let baud = Self.rates.first(where: { $0.b == rateCharacter })?.baud {
            self = .b(baud: baud)
        } else {
            self = .a
        }
    }

    /// The baud rate character of mode C; nil for a rate that the standard does not have.
    public static func rateCharacter(baud: Int) -> UInt8? {
        rates.first { $0.baud == baud }?.c
    }

    /// The fastest rate of mode C that is neither above `offered` nor above `maximum`, and its character.
    static func rate(offered: Int, maximum: Int) -> (character: UInt8, baud: Int) {
        let bound = min(offered, maximum)
        let best = rates.last { $0.baud <= bound }
        return (best?.c ?? UInt8(ascii: "0"), best?.baud ?? 300)
    }

    /// The rate whose character in mode B or C this is.
    fileprivate static func baud(rateCharacter: UInt8) -> Int? {
        rates.first { $0.c == rateCharacter || $0.b == rateCharacter }?.baud
    }

    /// The next rate up; nil above the fastest.
    static func faster(than baud: Int) -> Int? {
        rates.first { $0.baud > baud }?.baud
    }

    /// The next rate down; nil below 300.
    static func slower(than baud: Int) -> Int? {
        rates.last { $0.baud < baud }?.baud
    }

    /// Baud rates by rising order with their characters in modes C and B.
    private static let rates: [(baud: Int, c: UInt8, b: UInt8?)] = [
        (300, UInt8(ascii: "0"), nil),
        (600, UInt8(ascii: "1"), UInt8(ascii: "A")),
        (1200, UInt8(ascii: "2"), UInt8(ascii: "B")),
        (2400, UInt8(ascii: "3"), UInt8(ascii: "C")),
        (4800, UInt8(ascii: "4"), UInt8(ascii: "D")),
        (9600, UInt8(ascii: "5"), UInt8(ascii: "E")),
        (19200, UInt8(ascii: "6"), UInt8(ascii: "F")),
    ]
}

/// Who says in which mode a conversation goes on: the meter, or the configuration for a meter whose baud rate
/// character means something else.
public enum ModeSelection: String, Sendable, Hashable, CaseIterable {
    /// By the baud rate character, see `SignOnMode`.
    case automatic
    /// The readout follows at once at the rate of the sign-on, whatever the character.
    case a
    /// The meter changes its rate by itself; a digit is taken as the rate that it stands for in mode C. Any other
    /// character leaves the rate as it is.
    case b
    /// The meter is acknowledged; a letter is taken as the rate that it stands for in mode B, any other character
    /// as 300 baud.
    case c

    func mode(rateCharacter: UInt8) -> SignOnMode {
        let baud = SignOnMode.baud(rateCharacter: rateCharacter)
        return switch self {
        case .automatic: SignOnMode(rateCharacter: rateCharacter)
        case .a: .a
        case .b: baud.map { .b(baud: $0) } ?? .a
        case .c: .c(baud: baud ?? 300)
        }
    }
}
