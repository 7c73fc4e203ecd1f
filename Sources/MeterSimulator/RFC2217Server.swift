import Synchronization
import Transport
import Wire

/// A simulated meter behind a server that takes line settings over telnet (RFC 2217). Bytes take the shape that the
/// settings of meter and reader make of them: with equal settings they pass, otherwise they become garbage.
public final class RFC2217Server: MeterLine {
    /// What goes wrong.
    public struct Faults: Sendable, Hashable {
        /// A speed that its port does not have: the port keeps its own.
        public var refusedBaud: Int?
        /// It refuses the option, as a plain telnet server does.
        public var knowsNoOption: Bool
        /// It says nothing at all, as a plain gateway does.
        public var isSilent: Bool
        /// It agrees on the option and confirms nothing.
        public var confirmsNothing: Bool

        public init(
            refusedBaud: Int? = nil, knowsNoOption: Bool = false, isSilent: Bool = false, confirmsNothing: Bool = false
        ) {
            self.refusedBaud = refusedBaud
            self.knowsNoOption = knowsNoOption
            self.isSilent = isSilent
            self.confirmsNothing = confirmsNothing
        }
    }

    public let inbound: AsyncStream<[UInt8]>
    private let received: AsyncStream<[UInt8]>.Continuation
    private let server: TCPServer
    private let onReaderLine: @Sendable (LineSettings) -> Void
    private let state: Mutex<State>

    private struct State {
        var line: LineSettings
        var faults: Faults
        var reader: ComPortServer
        var connection: TCPMeterLine?
        var pump: Task<Void, Never>?
    }

    /// Listens on 127.0.0.1, for one connection at a time.
    ///
    /// - Parameters:
    ///   - line: the meter's settings.
    ///   - readerLine: the port's, before a reader sets it.
    ///   - port: 0 for a free one.
    ///   - onReaderLine: called when a reader has set the port.
    public init(
        line: LineSettings, port: Int = 0, readerLine: LineSettings = LineSettings(baud: 9600),
        faults: Faults = Faults(),
        onReaderLine: @escaping @Sendable (LineSettings) -> Void = { _ in }
    ) async throws {
        (inbound, received) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1024))
        self.onReaderLine = onReaderLine
        state = Mutex(State(line: line, faults: faults, reader: ComPortServer(line: readerLine)))
        server = try await TCPServer(port: port)
        let pump = Task { [connections = server.connections, weak self] in
            for await connection in connections { await self?.serve(connection) }
        }
        state.withLock { $0.pump = pump }
    }

    public var port: Int { server.port }
    /// The port's settings.
    public var readerLine: LineSettings { state.withLock { $0.reader.line } }

    public var faults: Faults {
        get { state.withLock { $0.faults } }
        set { state.withLock { $0.faults = newValue } }
    }

    public func send(_ bytes: [UInt8]) async {
        let (connection, uart) = state.withLock { state in
            (state.connection, UART(sender: UARTFormat(state.line), receiver: UARTFormat(state.reader.line)))
        }
        let arriving = uart.transfer(bytes).map { $0.isValid ? $0.byte : 0 }
        await connection?.send(Telnet.escaped(arriving))
    }

    /// Sends bytes to the client as they are, telnet's own among them.
    public func sendRaw(_ bytes: [UInt8]) async {
        await state.withLock { $0.connection }?.send(bytes)
    }

    /// Changes the meter's settings, and waits up to a second for the reader to change its speed as well.
    public func setLine(_ line: LineSettings) async {
        state.withLock { $0.line = line }
        let end = ContinuousClock.now + .seconds(1)
        while readerLine.baud != line.baud, ContinuousClock.now < end, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Closes the reader's connection. It may connect again.
    public func hangUp() async {
        await state.withLock { $0.connection }?.close()
    }

    public func close() async {
        await server.close()
        await hangUp()
        await state.withLock { $0.pump }?.value
        received.finish()
    }

    private func serve(_ connection: TCPMeterLine) async {
        state.withLock { state in
            state.connection = connection
            state.reader = ComPortServer(line: state.reader.line)
        }
        for await bytes in connection.inbound { await receive(bytes, from: connection) }
        await connection.close()
        state.withLock { $0.connection = nil }
    }

    private func receive(_ bytes: [UInt8], from connection: TCPMeterLine) async {
        let (before, reader, output, line) = state.withLock { state in
            let before = state.reader.line
            let output = state.reader.receive(bytes, state.faults)
            return (before, state.reader.line, output, state.line)
        }
        if reader != before { onReaderLine(reader) }
        if !output.reply.isEmpty { await connection.send(output.reply) }
        // What came with a change of the line came before it: a client waits for the confirmation.
        let uart = UART(sender: UARTFormat(before), receiver: UARTFormat(line))
        let arriving = uart.transfer(output.data).filter(\.isValid).map(\.byte)
        if !arriving.isEmpty { received.yield(arriving) }
    }
}

/// The server's side of telnet with the COM-PORT option, without input or output of its own.
private struct ComPortServer: Sendable {
    private(set) var line: LineSettings
    private var decoder = TelnetDecoder()
    private var isGreeted = false

    init(line: LineSettings) {
        self.line = line
    }

    mutating func receive(_ bytes: [UInt8], _ faults: RFC2217Server.Faults) -> (data: [UInt8], reply: [UInt8]) {
        if faults.isSilent { return (bytes, []) }
        var elements: [TelnetDecoder.Element] = []
        let data = decoder.decode(bytes) { elements.append($0) }
        var reply: [UInt8] = []
        if !isGreeted {
            // As ser2net does, with an echo that a client of binary data does not want.
            reply = Telnet.command(.will, Telnet.Option.suppressGoAhead) + Telnet.command(.will, 1)
            isGreeted = true
        }
        for element in elements {
            switch element {
            case .option(.will, let option): reply += Telnet.command(knows(option, faults) ? .do : .dont, option)
            case .option(.do, let option):
                if option != Telnet.Option.suppressGoAhead {
                    reply += Telnet.command(knows(option, faults) ? .will : .wont, option)
                }
            case .option: break
            case .subnegotiation(let content):
                if !faults.knowsNoOption, !faults.confirmsNothing { reply += answer(content, faults) }
            }
        }
        return (data, reply)
    }

    private func knows(_ option: UInt8, _ faults: RFC2217Server.Faults) -> Bool {
        switch option {
        case Telnet.Option.comPort: !faults.knowsNoOption
        case Telnet.Option.binary, Telnet.Option.suppressGoAhead: true
        default: false
        }
    }

    private mutating func answer(_ content: [UInt8], _ faults: RFC2217Server.Faults) -> [UInt8] {
        guard content.count >= 3, content[0] == Telnet.Option.comPort,
            let command = ComPort.Command(rawValue: content[1])
        else { return [] }
        var value = Array(content[2...])
        set(command, value.reduce(0) { $0 << 8 | Int($1) }, faults)
        if let actual = ComPort.settings(line)?.first(where: { $0.command == command }) { value = actual.value }
        return ComPort.Setting(command, value).confirmation
    }

    private mutating func set(_ command: ComPort.Command, _ value: Int, _ faults: RFC2217Server.Faults) {
        switch command {
        case .setBaudRate: if value > 0, value != faults.refusedBaud { line.baud = value }
        case .setDataSize: if (7...8).contains(value) { line.dataBits = value }
        case .setParity:
            let parities: [Int: LineSettings.Parity] = [1: .none, 2: .odd, 3: .even]
            line.parity = parities[value] ?? line.parity
        case .setStopSize: if (1...2).contains(value) { line.stopBits = value }
        case .setControl, .purgeData: break
        }
    }
}
