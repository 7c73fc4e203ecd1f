import Wire

/// The bytes that telnet gives a meaning (RFC 854, RFC 855).
package enum Telnet {
    /// Begins a command. As data it is doubled.
    package static let iac: UInt8 = 255
    package static let subnegotiationEnd: UInt8 = 240
    package static let subnegotiation: UInt8 = 250

    /// What one side says of an option.
    package enum Verb: UInt8, Sendable {
        case will = 251
        case wont = 252
        case `do` = 253
        case dont = 254
    }

    /// Options that this program knows.
    package enum Option {
        /// RFC 856: 8 bits, and no meaning of CR and NUL.
        package static let binary: UInt8 = 0
        /// RFC 858: nobody waits for a go-ahead.
        package static let suppressGoAhead: UInt8 = 3
        /// RFC 2217.
        package static let comPort: UInt8 = 44
    }

    /// `IAC verb option`
    package static func command(_ verb: Verb, _ option: UInt8) -> [UInt8] {
        [iac, verb.rawValue, option]
    }

    /// `IAC SB option … IAC SE`
    package static func subnegotiation(_ option: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [iac, subnegotiation, option] + escaped(bytes) + [iac, subnegotiationEnd]
    }

    /// Data as it is sent: each FF doubled.
    package static func escaped(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(iac) else { return bytes }
        var escaped: [UInt8] = []
        escaped.reserveCapacity(bytes.count + 16)
        for byte in bytes {
            escaped.append(byte)
            if byte == iac { escaped.append(iac) }
        }
        return escaped
    }
}

/// Takes telnet's commands out of a stream.
///
///     FF FF               one byte FF
///     FF FB|FC|FD|FE oo   WILL, WONT, DO, DONT of option oo
///     FF FA oo … FF F0    a subnegotiation of option oo, in which FF is doubled as well
///     FF xx               any other command, which has no meaning here
///
/// It holds no data back and of a subnegotiation no more than `Limits.telnetSubnegotiation`: a longer one is dropped.
package struct TelnetDecoder: Sendable {
    package enum Element: Sendable, Equatable {
        case option(Telnet.Verb, UInt8)
        /// The option and what is said of it.
        case subnegotiation([UInt8])
    }

    private enum State {
        case data
        case command
        case option(Telnet.Verb)
        case subnegotiation
        case subnegotiationCommand
    }

    private var state = State.data
    private var content: [UInt8] = []
    private var isTooLong = false

    package init() {}

    /// Takes over bytes as they came.
    ///
    /// - Returns: the data among them, and calls `element` for each whole command.
    package mutating func decode(_ bytes: [UInt8], _ element: (Element) -> Void) -> [UInt8] {
        var data: [UInt8] = []
        data.reserveCapacity(bytes.count)
        for byte in bytes {
            switch state {
            case .data:
                if byte == Telnet.iac { state = .command } else { data.append(byte) }
            case .command:
                state = .data
                if byte == Telnet.iac { data.append(byte) } else { begin(byte) }
            case .option(let verb):
                state = .data
                element(.option(verb, byte))
            case .subnegotiation:
                if byte == Telnet.iac { state = .subnegotiationCommand } else { collect(byte) }
            case .subnegotiationCommand:
                end(byte, element)
            }
        }
        return data
    }

    private mutating func begin(_ command: UInt8) {
        if command == Telnet.subnegotiation {
            content = []
            isTooLong = false
            state = .subnegotiation
        } else if let verb = Telnet.Verb(rawValue: command) {
            state = .option(verb)
        }
    }

    private mutating func collect(_ byte: UInt8) {
        if content.count < Limits.telnetSubnegotiation { content.append(byte) } else { isTooLong = true }
    }

    /// A command inside a subnegotiation gives it up: its end was lost.
    private mutating func end(_ command: UInt8, _ element: (Element) -> Void) {
        switch command {
        case Telnet.iac:
            collect(command)
            state = .subnegotiation
        case Telnet.subnegotiationEnd:
            state = .data
            if !isTooLong, !content.isEmpty { element(.subnegotiation(content)) }
        default:
            state = .data
            begin(command)
        }
    }
}
