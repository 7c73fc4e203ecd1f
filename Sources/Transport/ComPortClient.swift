import Wire

/// The client's side of telnet with the COM-PORT option (RFC 2217), without input or output of its own: bytes from
/// the server in; data, bytes for the server and findings out.
///
/// BINARY and SUPPRESS-GO-AHEAD are asked for and not insisted on: a message's own check finds out a server that
/// changes bytes. A server cannot make this side talk without end: an option of either side changes at most twice, on,
/// and off for ever.
package struct ComPortClient: Sendable {
    /// What the server said about the serial port.
    package enum Finding: Sendable, Equatable {
        /// All settings of the newest `set` are confirmed.
        case confirmed
        /// The port has another value than was asked for.
        case refused(asked: ComPort.Setting, actual: ComPort.Setting)
        /// The server does not know the option, or no longer.
        case unsupported
    }

    package struct Output: Sendable, Equatable {
        /// What came from the meter.
        package var data: [UInt8] = []
        /// To be sent to the server as it is.
        package var reply: [UInt8] = []
        package var findings: [Finding] = []
    }

    /// Whether the server takes settings.
    package private(set) var isAgreed = false
    private var decoder = TelnetDecoder()
    /// What the server does (WILL). One that offers the serial port itself is welcome to.
    private var theirs = OptionTable(
        wanted: [Telnet.Option.binary, Telnet.Option.suppressGoAhead], welcome: Telnet.Option.comPort)
    /// What it asks of this side (DO).
    private var ours = OptionTable(
        wanted: [Telnet.Option.comPort, Telnet.Option.binary, Telnet.Option.suppressGoAhead])
    /// Settings to be sent when the option is agreed on.
    private var postponed: [UInt8] = []
    /// Settings that are not confirmed yet.
    private var expected: [ComPort.Setting] = []

    package init() {}

    /// The first bytes on a new connection.
    package func greeting() -> [UInt8] {
        ours.wanted.flatMap { Telnet.command(.will, $0) } + theirs.wanted.flatMap { Telnet.command(.do, $0) }
    }

    /// Asks for settings of the line: no flow control, both modem lines on (they power optical heads), and these.
    ///
    /// - Parameters:
    ///   - settings: from `ComPort.settings`.
    ///   - purging: whether what waits in the server, from before the line was set, is dropped.
    /// - Returns: to be sent to the server; nothing before the option is agreed on.
    package mutating func set(_ settings: [ComPort.Setting], purging: Bool) -> [UInt8] {
        // DTR and RTS are not waited for: a port without these lines is none the worse.
        let flow = ComPort.Setting(.setControl, [ComPort.Control.noFlowControl])
        let signals = [ComPort.Control.dtrOn, ComPort.Control.rtsOn].map { ComPort.Setting(.setControl, [$0]) }
        let purge = purging ? [ComPort.Setting(.purgeData, [ComPort.purgeBoth])] : []
        expected = settings
        let requests = ([flow] + signals + settings + purge).flatMap(\.request)
        guard isAgreed else {
            postponed = requests
            return []
        }
        return requests
    }

    /// Forgets settings that nobody waits for any more.
    package mutating func giveUp() {
        expected = []
        postponed = []
    }

    /// Takes over bytes from the server.
    package mutating func receive(_ bytes: [UInt8]) -> Output {
        var elements: [TelnetDecoder.Element] = []
        var output = Output(data: decoder.decode(bytes) { elements.append($0) })
        for element in elements {
            switch element {
            case .option(let verb, let option): negotiate(verb, option, &output)
            case .subnegotiation(let content): answer(content, &output)
            }
        }
        return output
    }

    // MARK: Options

    private mutating func negotiate(_ verb: Telnet.Verb, _ option: UInt8, _ output: inout Output) {
        switch verb {
        case .do, .dont:
            if let isAccepted = ours.answer(isOn: verb == .do, option) {
                output.reply += Telnet.command(isAccepted ? .will : .wont, option)
            }
        case .will, .wont:
            if let isAccepted = theirs.answer(isOn: verb == .will, option) {
                output.reply += Telnet.command(isAccepted ? .do : .dont, option)
            }
        }
        guard option == Telnet.Option.comPort else { return }
        if verb == .do, ours.isOn(option) { agree(&output) }
        if verb == .dont {
            isAgreed = false
            giveUp()
            output.findings.append(.unsupported)
        }
    }

    private mutating func agree(_ output: inout Output) {
        isAgreed = true
        output.reply += postponed
        postponed = []
    }

    // MARK: Answers

    /// Notifications of line and modem states, and everything else that nobody asked for, are of no interest.
    private mutating func answer(_ content: [UInt8], _ output: inout Output) {
        guard content.count >= 3, content[0] == Telnet.Option.comPort,
            let command = ComPort.Command.allCases.first(where: { $0.answer == content[1] })
        else { return }
        let actual = ComPort.Setting(command, Array(content[2...]))
        if command == .setControl { return judge(control: actual, &output) }
        guard let index = expected.firstIndex(where: { $0.command == command }) else { return }
        let asked = expected.remove(at: index)
        if asked != actual {
            giveUp()
            output.findings.append(.refused(asked: asked, actual: actual))
        } else if expected.isEmpty {
            output.findings.append(.confirmed)
        }
    }

    /// Flow control would take bytes out of a message.
    private mutating func judge(control actual: ComPort.Setting, _ output: inout Output) {
        let asked = ComPort.Setting(.setControl, [ComPort.Control.noFlowControl])
        guard !expected.isEmpty, actual != asked, let value = actual.value.first,
            ComPort.Control.flowControl.contains(value)
        else { return }
        giveUp()
        output.findings.append(.refused(asked: asked, actual: actual))
    }
}

/// The options of one side: those that this program asked for, those that it welcomes, and those that it refused.
private struct OptionTable: Sendable {
    private enum State {
        case asked, on, off
    }

    let wanted: [UInt8]
    private let welcome: UInt8?
    private var states: [UInt8: State]

    init(wanted: [UInt8], welcome: UInt8? = nil) {
        self.wanted = wanted
        self.welcome = welcome
        states = Dictionary(uniqueKeysWithValues: wanted.map { ($0, .asked) })
    }

    func isOn(_ option: UInt8) -> Bool { states[option] == .on }

    /// WILL or DO came, or WONT or DONT.
    ///
    /// - Returns: whether to accept or to refuse; nil where nothing is to be said, since it answers this side or
    ///   changes nothing.
    mutating func answer(isOn: Bool, _ option: UInt8) -> Bool? {
        switch (states[option], isOn) {
        case (.asked, _):
            states[option] = isOn ? .on : .off
            return nil
        case (nil, true):
            states[option] = option == welcome ? .on : .off
            return option == welcome
        case (.on, false):
            states[option] = .off
            return false
        case (.on, true), (.off, _), (nil, false):
            return nil
        }
    }
}
