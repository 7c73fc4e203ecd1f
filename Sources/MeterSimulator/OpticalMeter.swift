import IEC62056
import OBIS
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

    /// Answers what arrives in mode E, frame by frame.
    public typealias Binary = @Sendable ([UInt8]) -> [[UInt8]]

    public var faults: Faults
    let configuration: Configuration
    let dataSets: @Sendable () -> [DataSet]
    let time: @Sendable () -> MeterTime
    private let binary: Binary?
    var state = State.waiting
    /// Of programming mode.
    var access = Access()
    private var isAwake: Bool
    /// NUL characters in a row.
    private var wakingCharacters = 0
    private var echoCount = 0
    private var input: [UInt8] = []

    enum State: Equatable {
        case waiting
        /// About to identify itself.
        case called
        /// Waits for the acknowledgement.
        case identified
        /// About to send the readout, at this rate.
        case reading(baud: Int)
        /// Waits for a command of programming mode.
        case programming
        /// About to send this in programming mode.
        case answering([UInt8])
        /// What arrives goes to whoever speaks mode E.
        case binary
    }

    /// Meters take this long before they answer (IEC 62056-21, 6.3.14: 200 ms to 1.5 s).
    public static let reaction = Duration.milliseconds(200)
    /// Without an acknowledgement the readout comes unasked, at the rate of the sign-on.
    public static let acknowledgementTimeout = Duration.milliseconds(2000)
    /// Nothing arrives for so long in programming mode or in mode E: the reader is gone.
    public static let patience = Duration.milliseconds(3000)

    /// - Parameters:
    ///   - dataSets: asked at each readout.
    ///   - time: what the meter's clock shows.
    ///   - binary: a meter with it announces mode E in its identification.
    public init(
        configuration: Configuration = Configuration(), faults: Faults = Faults(),
        time: @escaping @Sendable () -> MeterTime = { MeterTime(localSeconds: 1_768_435_200) }, binary: Binary? = nil,
        dataSets: @escaping @Sendable () -> [DataSet]
    ) {
        self.configuration = configuration
        self.faults = faults
        self.dataSets = dataSets
        self.time = time
        self.binary = binary
        isAwake = configuration.wakeUp == nil
    }

    // MARK: Events

    /// Characters arrived, undamaged.
    public mutating func receive(_ bytes: [UInt8]) -> [Action] {
        var actions = faults.echoes ? echo(bytes) : []
        if state == .binary { return actions + answerBinary(bytes) }
        for byte in bytes {
            let character = Parity.stripped(byte)
            actions += countWakeUp(character)
            input.append(character)
            if input.count > Self.longestInput { input.removeFirst() }
            if isComplete {
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
        case .answering(let message):
            state = .programming
            return [.send(message), .arm(Self.patience)]
        case .programming, .binary:
            return rest()
        }
    }

    /// The next telegram of a meter that talks by itself (mode D). Drive it every few seconds.
    public mutating func push() -> [UInt8] {
        identificationLine + (configuration.hasBlockCheck ? [] : Self.lineEnd) + readout()
    }

    // MARK: What it hears

    private static let longestInput = 128

    /// Whether a message is at its end: a line, or in programming mode a block with its check character or one character
    /// alone.
    private var isComplete: Bool {
        if input.suffix(SignOn.breakMessage.count) == SignOn.breakMessage[...] { return true }
        guard state == .programming else { return input.last == 0x0A }
        return input.dropLast().last == 0x03 || input == [0x06] || input == [0x15]
    }

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
        if state == .programming { return obey(message) }
        return state == .identified ? acknowledge(message.suffix(6)) : []
    }

    /// The conversation is over.
    mutating func rest() -> [Action] {
        state = .waiting
        access = Access()
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

    /// `06 V Z Y CR LF`: the normal procedure with the data readout or programming mode, or mode E.
    private mutating func acknowledge(_ message: ArraySlice<UInt8>) -> [Action] {
        let option = Array(message)
        guard option.count == 6, option[0] == 0x06 else { return [] }
        if faults.refuses { return [.disarm, .send([0x15])] + rest() }
        guard case .c(let baud) = SignOnMode(rateCharacter: option[2]), baud <= configuration.offeredBaud else {
            return []
        }
        switch (option[1], option[3]) {
        case (UInt8(ascii: "0"), UInt8(ascii: "0")):
            state = .reading(baud: baud)
            return [.setLine(line(baud: baud)), .arm(configuration.reaction)]
        case (UInt8(ascii: "0"), UInt8(ascii: "1")) where configuration.programming != nil:
            state = .answering(Self.operand)
            return [.setLine(line(baud: baud)), .arm(configuration.reaction)]
        case (UInt8(ascii: "2"), UInt8(ascii: "2")) where binary != nil:
            state = .binary
            return [.setLine(LineSettings(baud: baud)), .arm(Self.patience)]
        default:
            return []
        }
    }

    private func answerBinary(_ bytes: [UInt8]) -> [Action] {
        let frames = faults.isSilent ? [] : binary?(bytes) ?? []
        return frames.map { .send($0) } + [.arm(Self.patience)]
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
            + Array(((binary == nil ? "" : "\\2") + configuration.identification).utf8) + Self.lineEnd
    }

    private mutating func sendReadout(baud: Int) -> [Action] {
        let message = readout()
        guard let kept = faults.keptRate, baud > kept.highest else { return [.send(message)] + rest() }
        return (kept.isSilentAbove ? [] : [.send(message.map { ~$0 })]) + rest()
    }

    private mutating func readout() -> [UInt8] {
        let text = Array(dataSets().map(\.line).joined().utf8) + [UInt8(ascii: "!")] + Self.lineEnd
        return configuration.hasBlockCheck ? block(text, end: 0x03) : text
    }

    /// `STX data ETX BCC`, or with EOT for a partial block.
    mutating func block(_ data: [UInt8], end: UInt8) -> [UInt8] {
        let checked = data + [end]
        var check = checked.reduce(0) { $0 ^ $1 }
        if faults.wrongBlockChecks > 0 {
            faults.wrongBlockChecks -= 1
            check ^= 0x01
        }
        return [0x02] + checked + [check]
    }
}
