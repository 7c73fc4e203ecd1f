import IEC62056
import Wire

/// A meter with an optical port that speaks IEC 62056-21 in mode A, B, C or D, without input or output of its own:
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
    private var isAwake: Bool
    /// NUL characters in a row.
    private var wakingCharacters = 0
    private var echoCount = 0
    private var input: [UInt8] = []

    private enum State: Equatable {
        case waiting
        /// About to identify itself.
        case called
        /// Waits for the acknowledgement.
        case identified
        /// About to send the readout, at this rate.
        case reading(baud: Int)
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
        isAwake = configuration.wakeUp == nil
    }

    // MARK: Events

    /// Characters arrived, undamaged.
    public mutating func receive(_ bytes: [UInt8]) -> [Action] {
        var actions = faults.echoes ? echo(bytes) : []
        for byte in bytes {
            let character = Parity.stripped(byte)
            actions += countWakeUp(character)
            input.append(character)
            if input.count > Self.longestInput { input.removeFirst() }
            if character == 0x0A || input.suffix(SignOn.breakMessage.count) == SignOn.breakMessage[...] {
                actions += faults.isSilent || !isAwake ? [] : understand(input)
                input = []
            }
        }
        return actions
    }

    /// The time is up.
    public mutating func timer() -> [Action] {
        switch state {
        case .waiting:
            return sleep()
        case .called:
            return identify()
        case .identified:
            return sendReadout(baud: configuration.line.baud)
        case .reading(let baud):
            return sendReadout(baud: baud)
        }
    }

    /// The next telegram of a meter that talks by itself (mode D). Drive it every few seconds.
    public mutating func push() -> [UInt8] {
        identificationLine + (configuration.hasBlockCheck ? [] : Self.lineEnd) + readout()
    }

    // MARK: What it hears

    private static let longestInput = 64
    private static let lineEnd = Array("\r\n".utf8)

    private mutating func echo(_ bytes: [UInt8]) -> [Action] {
        var returned: [UInt8] = []
        for byte in bytes {
            echoCount += 1
            if Self.isTurn(echoCount, every: faults.echo.lostEvery) { continue }
            returned.append(Self.isTurn(echoCount, every: faults.echo.damagedEvery) ? byte ^ 0x10 : byte)
        }
        let length = faults.echo.pieceLength ?? max(1, returned.count)
        return stride(from: 0, to: returned.count, by: max(1, length)).map {
            .send(Array(returned.dropFirst($0).prefix(length)))
        }
    }

    private static func isTurn(_ number: Int, every period: Int) -> Bool {
        period > 0 && number.isMultiple(of: period)
    }

    private mutating func countWakeUp(_ character: UInt8) -> [Action] {
        guard let wakeUp = configuration.wakeUp, state == .waiting else { return [] }
        wakingCharacters = character == 0 ? wakingCharacters + 1 : 0
        guard wakingCharacters == wakeUp.characters, !faults.isSilent else { return [] }
        isAwake = true
        return [.setLine(configuration.line), .arm(wakeUp.listens)]
    }

    private mutating func sleep() -> [Action] {
        guard configuration.wakeUp != nil, isAwake else { return [] }
        isAwake = false
        wakingCharacters = 0
        return [.setLine(configuration.initialLine)]
    }

    private mutating func understand(_ message: [UInt8]) -> [Action] {
        if message.suffix(SignOn.breakMessage.count) == SignOn.breakMessage[...] {
            return [.disarm] + rest()
        }
        if configuration.mode != .d, isCalled(by: message) {
            state = .called
            return [.arm(configuration.reaction)]
        }
        return state == .identified ? acknowledge(message.suffix(6)) : []
    }

    /// The conversation is over.
    private mutating func rest() -> [Action] {
        state = .waiting
        isAwake = configuration.wakeUp == nil
        wakingCharacters = 0
        return [.setLine(configuration.initialLine)]
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
        if faults.refuses { return [.disarm, .send([0x15])] + rest() }
        guard option[1] == UInt8(ascii: "0"), option[3] == UInt8(ascii: "0"),
            case .c(let baud) = SignOnMode(rateCharacter: option[2]), baud <= configuration.offeredBaud
        else { return [] }
        state = .reading(baud: baud)
        return [.setLine(line(baud: baud)), .arm(configuration.reaction)]
    }

    // MARK: What it says

    private func line(baud: Int) -> LineSettings {
        var line = configuration.line
        line.baud = baud
        return line
    }

    private mutating func identify() -> [Action] {
        switch configuration.mode {
        case .a, .d:
            state = .reading(baud: configuration.line.baud)
            return [.send(identificationLine), .arm(configuration.reaction)]
        case .b:
            state = .reading(baud: configuration.offeredBaud)
            return [
                .send(identificationLine), .setLine(line(baud: configuration.offeredBaud)),
                .arm(configuration.reaction),
            ]
        case .c:
            state = .identified
            return [.send(identificationLine), .arm(Self.acknowledgementTimeout)]
        }
    }

    private var identificationLine: [UInt8] {
        Array("/\(configuration.manufacturer)".utf8) + [configuration.sentRateCharacter]
            + Array(configuration.identification.utf8) + Self.lineEnd
    }

    private mutating func sendReadout(baud: Int) -> [Action] {
        let message = readout()
        guard let kept = faults.keptRate, baud > kept.highest else { return [.send(message)] + rest() }
        return (kept.isSilentAbove ? [] : [.send(message.map { ~$0 })]) + rest()
    }

    private mutating func readout() -> [UInt8] {
        let text = Array(dataSets().map(\.line).joined().utf8) + [UInt8(ascii: "!")] + Self.lineEnd
        guard configuration.hasBlockCheck else { return text }
        let checked = text + [0x03]
        var check = checked.reduce(0) { $0 ^ $1 }
        if faults.wrongBlockChecks > 0 {
            faults.wrongBlockChecks -= 1
            check ^= 0x01
        }
        return [0x02] + checked + [check]
    }
}
