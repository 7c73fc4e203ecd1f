import IEC62056
import Wire

/// A meter with an optical port that speaks mode C of IEC 62056-21, without input or output of its own:
/// what it receives goes in, what it does comes out. Parity bits are the line's matter.
public struct OpticalMeter: Sendable {
    /// One line of the readout, `code(value*unit)`.
    public struct DataSet: Sendable, Hashable {
        public var code: String
        public var value: String
        public var unit: String?

        public init(_ code: String, _ value: String, unit: String? = nil) {
            self.code = code
            self.value = value
            self.unit = unit
        }

        var line: String { "\(code)(\(value)\(unit.map { "*\($0)" } ?? ""))\r\n" }
    }

    public struct Configuration: Sendable, Hashable {
        /// Three letters.
        public var manufacturer: String
        /// Type and firmware, at most 16 characters.
        public var identification: String
        /// The device address; leading zeros do not count.
        public var address: String
        /// The fastest rate that the meter offers, one of 300 to 19200.
        public var offeredBaud: Int
        /// The line on which it waits for a sign-on.
        public var line: LineSettings

        public init(
            manufacturer: String = "OBI", identification: String = "SIM-1", address: String = "",
            offeredBaud: Int = 9600, line: LineSettings = .signOn
        ) {
            self.manufacturer = manufacturer
            self.identification = identification
            self.address = address
            self.offeredBaud = offeredBaud
            self.line = line
        }
    }

    /// What goes wrong.
    public struct Faults: Sendable, Hashable {
        /// So many of the next readouts get a wrong block check character.
        public var wrongBlockChecks: Int
        /// It hears nothing and says nothing.
        public var isSilent: Bool
        /// It answers the acknowledgement with NAK.
        public var refuses: Bool
        /// The head gives back what it is sent.
        public var echoes: Bool

        public init(wrongBlockChecks: Int = 0, isSilent: Bool = false, refuses: Bool = false, echoes: Bool = false) {
            self.wrongBlockChecks = wrongBlockChecks
            self.isSilent = isSilent
            self.refuses = refuses
            self.echoes = echoes
        }
    }

    /// What the meter does, in this order.
    public enum Action: Sendable, Hashable {
        case send([UInt8])
        /// From when everything before has been sent, the meter talks and listens so.
        case setLine(LineSettings)
        /// Call `timer()` after this time; replaces an earlier one.
        case arm(Duration)
        case disarm
    }

    public var faults: Faults
    private let configuration: Configuration
    private let dataSets: @Sendable () -> [DataSet]
    private var state = State.waiting
    private var input: [UInt8] = []

    private enum State: Equatable {
        case waiting
        /// About to identify itself.
        case called
        /// Waits for the acknowledgement.
        case identified
        /// About to send the readout, at the rate that was agreed to.
        case acknowledged
    }

    /// Meters take this long before they answer (IEC 62056-21, 6.3.14: 200 ms to 1.5 s).
    public static let reaction = Duration.milliseconds(200)
    /// Without an acknowledgement the readout comes unasked, at the rate of the sign-on.
    public static let acknowledgementTimeout = Duration.milliseconds(2000)

    /// - Parameter dataSets: asked at each readout.
    public init(
        configuration: Configuration = Configuration(), faults: Faults = Faults(),
        dataSets: @escaping @Sendable () -> [DataSet]
    ) {
        self.configuration = configuration
        self.faults = faults
        self.dataSets = dataSets
    }

    // MARK: Events

    /// Characters arrived, undamaged.
    public mutating func receive(_ bytes: [UInt8]) -> [Action] {
        var actions: [Action] = faults.echoes ? [.send(bytes)] : []
        for byte in bytes {
            input.append(Parity.stripped(byte))
            if input.count > Self.longestInput { input.removeFirst() }
            if byte.isEndOfMessage || input.suffix(SignOn.breakMessage.count) == SignOn.breakMessage[...] {
                actions += faults.isSilent ? [] : understand(input)
                input = []
            }
        }
        return actions
    }

    /// The time is up.
    public mutating func timer() -> [Action] {
        switch state {
        case .waiting:
            return []
        case .called:
            state = .identified
            return [.send(identificationLine), .arm(Self.acknowledgementTimeout)]
        case .identified, .acknowledged:
            state = .waiting
            return [.send(readout()), .setLine(configuration.line)]
        }
    }

    // MARK: What it hears

    private static let longestInput = 64

    private mutating func understand(_ message: [UInt8]) -> [Action] {
        if message.suffix(SignOn.breakMessage.count) == SignOn.breakMessage[...] {
            state = .waiting
            return [.disarm, .setLine(configuration.line)]
        }
        if isCalled(by: message) {
            state = .called
            return [.arm(Self.reaction)]
        }
        return state == .identified ? acknowledge(message.suffix(6)) : []
    }

    private func isCalled(by message: [UInt8]) -> Bool {
        let text = String(decoding: message, as: UTF8.self)
        guard let start = text.lastIndex(of: "/"), text.hasSuffix("!\r\n") else { return false }
        let request = text[start...].dropLast(2)
        guard request.hasPrefix("/?") else { return false }
        let address = request.dropFirst(2)
        return address.isEmpty || address.drop { $0 == "0" } == configuration.address.drop { $0 == "0" }
    }

    /// `06 V Z Y CR LF`: only the normal procedure and the data readout exist here.
    private mutating func acknowledge(_ message: ArraySlice<UInt8>) -> [Action] {
        let option = Array(message)
        guard option.count == 6, option[0] == 0x06 else { return [] }
        if faults.refuses {
            state = .waiting
            return [.disarm, .send([0x15])]
        }
        guard option[1] == UInt8(ascii: "0"), option[3] == UInt8(ascii: "0"),
            case .c(let baud) = SignOnMode(rateCharacter: option[2]), baud <= configuration.offeredBaud
        else { return [] }
        state = .acknowledged
        var line = configuration.line
        line.baud = baud
        return [.setLine(line), .arm(Self.reaction)]
    }

    // MARK: What it says

    private var identificationLine: [UInt8] {
        let rate = SignOnMode.rateCharacter(baud: configuration.offeredBaud) ?? UInt8(ascii: "0")
        return Array("/\(configuration.manufacturer)".utf8) + [rate]
            + Array("\(configuration.identification)\r\n".utf8)
    }

    private mutating func readout() -> [UInt8] {
        let text = dataSets().map(\.line).joined() + "!\r\n"
        let checked = Array(text.utf8) + [0x03]
        var check = checked.reduce(0) { $0 ^ $1 }
        if faults.wrongBlockChecks > 0 {
            faults.wrongBlockChecks -= 1
            check ^= 0x01
        }
        return [0x02] + checked + [check]
    }
}

extension UInt8 {
    fileprivate var isEndOfMessage: Bool { self == 0x0A || self == 0x8A }
}
