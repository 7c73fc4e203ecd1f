import Wire

/// What RFC 2217 says about a serial port: one command byte and its value, in a subnegotiation of option 44. The
/// server's answer has the command byte plus 100.
package enum ComPort {
    /// Client to server.
    package enum Command: UInt8, Sendable, CaseIterable {
        case setBaudRate = 1
        case setDataSize = 2
        case setParity = 3
        case setStopSize = 4
        case setControl = 5
        case purgeData = 12

        /// As which the server answers.
        package var answer: UInt8 { rawValue + 100 }
    }

    /// Values of SET-CONTROL.
    package enum Control {
        package static let noFlowControl: UInt8 = 1
        package static let dtrOn: UInt8 = 8
        package static let rtsOn: UInt8 = 11
        /// Values of one and the same signal: outbound flow control.
        package static let flowControl: ClosedRange<UInt8> = 0...3
    }

    /// The value of PURGE-DATA for what waits on either way.
    package static let purgeBoth: UInt8 = 3

    /// One setting, as it is asked for and answered.
    package struct Setting: Sendable, Hashable {
        package let command: Command
        package let value: [UInt8]

        package init(_ command: Command, _ value: [UInt8]) {
            self.command = command
            self.value = value
        }

        /// The subnegotiation that asks for it.
        package var request: [UInt8] {
            Telnet.subnegotiation(Telnet.Option.comPort, [command.rawValue] + value)
        }

        /// The subnegotiation that confirms it, with the value that is set.
        package var confirmation: [UInt8] {
            Telnet.subnegotiation(Telnet.Option.comPort, [command.answer] + value)
        }
    }

    /// Speed and format as four settings.
    ///
    /// - Returns: nil for a speed of no bits, which would only ask, or of more than 32 bits.
    package static func settings(_ line: LineSettings) -> [Setting]? {
        guard line.baud > 0, let baud = UInt32(exactly: line.baud), let dataBits = UInt8(exactly: line.dataBits),
            let stopBits = UInt8(exactly: line.stopBits)
        else { return nil }
        return [
            Setting(.setBaudRate, (0..<4).map { UInt8(truncatingIfNeeded: baud >> (24 - 8 * $0)) }),
            Setting(.setDataSize, [dataBits]),
            Setting(.setParity, [parity(line.parity)]),
            Setting(.setStopSize, [stopBits]),
        ]
    }

    /// NONE 1, ODD 2, EVEN 3.
    private static func parity(_ parity: LineSettings.Parity) -> UInt8 {
        switch parity {
        case .none: 1
        case .odd: 2
        case .even: 3
        }
    }
}

extension ComPort.Setting: CustomStringConvertible {
    /// `9600 baud`, `7 data bits`, `even parity`, `2 stop bits`.
    package var description: String {
        let number = value.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        switch command {
        case .setBaudRate: return "\(number) baud"
        case .setDataSize: return "\(number) data bits"
        case .setParity:
            let names: [UInt64: String] = [1: "no", 2: "odd", 3: "even", 4: "mark", 5: "space"]
            return "\(names[number] ?? "unknown") parity"
        case .setStopSize: return number == 3 ? "1.5 stop bits" : number == 1 ? "1 stop bit" : "\(number) stop bits"
        case .setControl: return number == 1 ? "no flow control" : "flow control"
        case .purgeData: return "purged data"
        }
    }
}
