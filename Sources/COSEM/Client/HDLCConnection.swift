import Wire

/// A connection over HDLC as its primary station (IEC 62056-46, 6.4): set-up with negotiated sizes, numbered frames
/// with windows, segmentation both ways, and an end.
///
///     client                                server
///     SNRM  93  sizes                   →
///                                       ←   UA  73  sizes
///     I     N(R) P N(S)  E6 E6 00 APDU  →                          in several frames where it is long
///                                       ←   RR  N(R) F             one frame of several was taken
///                                       ←   I   N(R) F N(S)  E6 E7 00 APDU
///     RR    N(R) P                      →                          give me the next segment; are you there?
///     DISC  53                          →
///                                       ←   UA  73, or DM 1F
///
/// Where no answer comes, the server is asked by RR what it has: it sends its frame again, or tells by N(R) which one it
/// misses.
struct HDLCConnection: ClientLink {
    struct Settings: Sendable {
        var client: UInt16
        var server: ServerAddress
        /// What this side takes, in bytes and frames.
        var maximumInformation: UInt16 = 512
        var window: UInt8 = 1
        /// How long an answer may take to begin, beside the time of the frame itself on the line.
        var patience: Duration = .seconds(5)
        var line: LineSettings?
        var retries = 3
    }

    enum Control {
        static let snrm: UInt8 = 0x93
        static let disc: UInt8 = 0x53
        static let ua: UInt8 = 0x73
        static let dm: UInt8 = 0x1F
        static let frmr: UInt8 = 0x97
        static let pollFinal: UInt8 = 0x10
    }

    private enum State { case disconnected, connecting, connected, disconnecting }

    private let settings: Settings
    private var state = State.disconnected
    private var scanner = HDLCScanner()
    /// What the other side takes, as negotiated.
    private var sizes = HDLCSizes()
    /// N(S) of the next frame of ours; N(R): of the next one of the server.
    private var sendNumber: UInt8 = 0
    private var receiveNumber: UInt8 = 0
    /// Segments of our message; those before `unsent` are under way, those before `unacknowledged` arrived.
    private var segments: [[UInt8]] = []
    private var unacknowledged = 0
    private var unsent = 0
    /// Segments of the server's message.
    private var assembly: [UInt8] = []
    private var isAssembling = false
    /// Attempts without an answer, and answers without anything new, since something new came.
    private var attempts = 0
    private var polls = 0
    private var isBusy = false
    private var steps: [LinkStep] = []

    init(_ settings: Settings) {
        self.settings = settings
    }
}

// MARK: - What the client wants

extension HDLCConnection {
    mutating func connect() -> [LinkStep] {
        steps = []
        state = .connecting
        scanner = HDLCScanner()
        sizes = HDLCSizes()
        (sendNumber, receiveNumber) = (0, 0)
        (segments, assembly, isAssembling) = ([], [], false)
        attempts = 0
        send(Control.snrm, HDLCSizes.proposal(settings.maximumInformation, settings.window))
        return steps
    }

    mutating func send(_ apdu: [UInt8]) -> [LinkStep] {
        steps = []
        guard state == .connected else { return [.failed(WireError(.framing, "the HDLC connection is not open"))] }
        let message = LLC.request + apdu
        let size = max(1, Int(sizes.information))
        segments = stride(from: 0, to: message.count, by: size).map { start in
            Array(message[start..<min(message.count, start + size)])
        }
        (unacknowledged, unsent) = (0, 0)
        (assembly, isAssembling) = ([], false)
        (attempts, polls) = (0, 0)
        sendWindow()
        return steps
    }

    mutating func awaitMore() -> [LinkStep] {
        steps = []
        poll()
        return steps
    }

    mutating func disconnect() -> [LinkStep] {
        steps = []
        guard state == .connected || state == .connecting else { return [.disconnected] }
        state = .disconnecting
        attempts = 0
        send(Control.disc)
        return steps
    }

    mutating func timeIsUp() -> [LinkStep] {
        steps = []
        if isBusy {
            isBusy = false
            poll()
            return steps
        }
        attempts += 1
        scanner.giveUp()
        switch state {
        case .disconnected: break
        case .connecting where attempts <= settings.retries:
            send(Control.snrm, HDLCSizes.proposal(settings.maximumInformation, settings.window))
        case .connecting:
            fail(
                WireError(
                    .timeout,
                    "no answer to the HDLC connection request (SNRM): check the cable, the line and the address `server:`"
                ))
        case .connected where attempts <= settings.retries: poll()
        case .connected: fail(WireError(.timeout, "the meter stopped answering in the middle of the HDLC connection"))
        case .disconnecting where attempts <= 1: send(Control.disc)
        case .disconnecting: end()
        }
        return steps
    }
}

// MARK: - Sending

extension HDLCConnection {
    private var clientAddress: [UInt8] { [UInt8(truncatingIfNeeded: settings.client << 1) | 1] }

    private mutating func send(_ control: UInt8, _ information: [UInt8] = [], isSegmented: Bool = false) {
        let frame = HDLCFrame(
            destination: settings.server.octets, source: clientAddress, control: control, isSegmented: isSegmented,
            information: information)
        guard let bytes = frame.encoded() else {
            return fail(WireError(.limit, "a frame of \(information.count) bytes is too long for HDLC"))
        }
        steps.append(.send(bytes))
        arm(sending: bytes.count)
    }

    private mutating func arm(sending count: Int) {
        let sending = settings.line?.duration(ofCharacters: count) ?? .zero
        steps.append(.arm(settings.patience + sending))
    }

    /// As many segments as the server takes at once; the last one asks for its answer.
    private mutating func sendWindow() {
        let end = min(segments.count, unacknowledged + max(1, Int(sizes.window)))
        while unsent < end {
            let isLastOfWindow = unsent == end - 1
            let control =
                receiveNumber << 5 | (isLastOfWindow ? Control.pollFinal : 0) | sendNumber << 1
            send(control, segments[unsent], isSegmented: unsent < segments.count - 1)
            sendNumber = (sendNumber + 1) & 7
            unsent += 1
        }
    }

    /// RR: everything up to N(R) arrived; what comes now?
    private mutating func poll() {
        send(receiveNumber << 5 | Control.pollFinal | 0x01)
    }
}

// MARK: - Receiving

extension HDLCConnection {
    mutating func receive(_ bytes: [UInt8]) -> [LinkStep] {
        steps = []
        scanner.append(bytes)
        var heard = false
        while let output = scanner.next() {
            switch output {
            case .frame(let frame):
                // Our own frames come back from an optical head.
                guard frame.destination == clientAddress, isServer(frame.source) else { continue }
                heard = true
                take(frame)
            case .rejected(let error, _): steps.append(.reject(error))
            case .noise(let count): steps.append(.noise(count))
            }
        }
        // A long frame on a slow line is not silence.
        if !heard, state != .disconnected, !scanner.isIdle { arm(sending: 0) }
        return steps
    }

    /// Some meters answer with an address of another length.
    private func isServer(_ source: [UInt8]) -> Bool {
        source == settings.server.octets || source.last == settings.server.octets.last
            || source.first.map { $0 | 1 } == settings.server.octets.first.map { $0 | 1 }
    }

    private mutating func take(_ frame: HDLCFrame) {
        switch (state, frame.control) {
        case (.connecting, Control.ua):
            sizes = HDLCSizes(frame.information) ?? HDLCSizes()
            state = .connected
            attempts = 0
            steps += [.disarm, .connected]
        case (.connecting, Control.dm):
            fail(WireError(.meterError, "the meter refuses the HDLC connection (DM): check `client:` and `server:`"))
        case (.disconnecting, Control.ua), (.disconnecting, Control.dm): end()
        case (.connected, Control.dm): fail(WireError(.meterError, "the meter ended the HDLC connection (DM)"))
        case (.connected, Control.frmr):
            fail(WireError(.meterError, "the meter rejects a frame (FRMR \(Self.reason(frame.information)))"))
        case (.connected, let control) where control & 0x01 == 0: takeInformation(frame)
        case (.connected, let control) where control & 0x0F == 0x01: takeReady(control, isReady: true)
        case (.connected, let control) where control & 0x0F == 0x05: takeReady(control, isReady: false)
        default: steps.append(.noise(frame.information.count + 1))
        }
    }

    private static func reason(_ information: [UInt8]) -> String {
        information.map { String($0, radix: 16, uppercase: true) }.joined(separator: " ")
    }

    private mutating func takeInformation(_ frame: HDLCFrame) {
        acknowledge(upTo: frame.control >> 5)
        let isFinal = frame.control & Control.pollFinal != 0
        guard frame.control >> 1 & 7 == receiveNumber else {
            // One that came already, or one behind a frame that was lost: the server learns which is awaited.
            if isFinal { retry() }
            return
        }
        receiveNumber = (receiveNumber + 1) & 7
        (attempts, polls) = (0, 0)
        assembly += frame.information
        guard assembly.count <= Limits.apdu else {
            return fail(WireError(.limit, "a message of more than \(Limits.apdu) bytes"))
        }
        isAssembling = frame.isSegmented
        guard frame.isSegmented else { return deliver() }
        if isFinal { poll() } else { arm(sending: 0) }
    }

    private mutating func deliver() {
        let message = assembly
        assembly = []
        guard LLC.isHeader(message) else {
            return fail(WireError(.framing, "the meter's message has no LLC header (E6 E7 00)"))
        }
        // The answer says that the request arrived.
        (segments, unacknowledged, unsent) = ([], 0, 0)
        steps.append(.delivered(Array(message.dropFirst(LLC.length))))
    }

    private mutating func takeReady(_ control: UInt8, isReady: Bool) {
        let before = unacknowledged
        acknowledge(upTo: control >> 5)
        if unacknowledged > before { (attempts, polls) = (0, 0) }
        if isReady, unacknowledged < segments.count {
            if unacknowledged == before { return retry() }
            return sendWindow()
        }
        // It has everything and needs time, or has no room.
        retry(after: Self.rest)
    }

    private static let rest = Duration.milliseconds(300)

    /// The same frames again, or only a question where all arrived.
    private mutating func retry(after pause: Duration? = nil) {
        attempts = 0
        polls += 1
        guard polls <= Self.mostPolls else {
            return fail(WireError(.timeout, "the meter acknowledges the request and does not answer it"))
        }
        if let pause {
            isBusy = true
            steps.append(.arm(pause))
        } else if unacknowledged < segments.count {
            sendWindow()
        } else {
            poll()
        }
    }

    /// Half a minute of a meter that says that it is there.
    private static let mostPolls = 100

    /// The server awaits frame `number`: those before it arrived, those from it on are sent again.
    private mutating func acknowledge(upTo number: UInt8) {
        let outstanding = unsent - unacknowledged
        let missing = Int((sendNumber &- number) & 7)
        guard outstanding > 0, missing <= outstanding else { return }
        unacknowledged = unsent - missing
        unsent = unacknowledged
        sendNumber = number
    }

    // MARK: End

    private mutating func fail(_ error: WireError) {
        state = .disconnected
        steps += [.disarm, .failed(error)]
    }

    private mutating func end() {
        state = .disconnected
        steps += [.disarm, .disconnected]
    }
}

/// What one side of a connection takes (IEC 62056-46, 6.4.4.4.3.2): from the parameters of UA.
///
///     81 80 len | 05 n max. information sent | 06 n received | 07 4 window sent | 08 4 received     as its sender sees it
struct HDLCSizes: Sendable, Hashable {
    /// Bytes of an information field that the server takes.
    var information: UInt16 = 128
    /// Frames in a row that the server takes.
    var window: UInt8 = 1

    init() {}

    /// - Returns: nil for what is no parameter list; a parameter that is left out has its standard value.
    init?(_ parameters: [UInt8]) {
        var reader = WireReader(parameters.rawSpan)
        guard (try? reader.uint8()) == 0x81, (try? reader.uint8()) == 0x80, let length = try? reader.uint8(),
            Int(length) <= reader.remaining
        else { return nil }
        while !reader.isAtEnd {
            guard let name = try? reader.uint8(), let size = try? reader.uint8(), size <= 4,
                let bytes = try? reader.bytes(Int(size))
            else { return nil }
            let value = bytes.bigEndian
            switch name {
            case 0x06: information = UInt16(clamping: min(max(value, 1), UInt32(Self.largest)))
            case 0x08: window = UInt8(clamping: min(max(value, 1), 7))
            default: break
            }
        }
    }

    /// Leaves room for the header within the 11 bits of the length.
    private static let largest = 2030

    /// What is asked for; nothing where it is the standard's.
    static func proposal(_ information: UInt16, _ window: UInt8) -> [UInt8] {
        let content: [UInt8] =
            [0x05, 1, 128, 0x06, 2] + information.octets + [0x07, 4] + UInt32(1).octets + [0x08, 4]
            + UInt32(window).octets
        return information == 128 && window == 1
            ? [] : [0x81, 0x80, UInt8(truncatingIfNeeded: content.count)] + content
    }
}

/// Cuts what a server sends into frames.
struct HDLCScanner: Sendable {
    private var buffer = LinkBuffer()

    var isIdle: Bool { buffer.isEmpty || (buffer.count == 1 && buffer[0] == HDLCFrame.flag) }

    mutating func append(_ bytes: [UInt8]) { buffer.append(bytes) }

    /// What waits will not be completed.
    mutating func giveUp() { buffer.consume(buffer.count) }

    mutating func next() -> FramerOutput<HDLCFrame>? {
        var noise = 0
        while let first = buffer[0] {
            guard first == HDLCFrame.flag else {
                noise += skip()
                continue
            }
            if noise > 0 { return .noise(noise) }
            switch HDLCCandidate(at: 0, in: buffer.bytes) {
            case .frame(let layout, let length):
                let frame = HDLCFrame(layout, in: buffer.bytes)
                // The closing flag may open the next frame.
                buffer.consume(length)
                return .frame(frame)
            case .damaged(let error, _):
                let offset = buffer.streamOffset
                buffer.consume(1)
                return .rejected(WireError(error.code, error.message, offset: offset), discarded: 1 + skip())
            case .incomplete:
                guard buffer.count > Limits.hdlcFrame + 2 else { return nil }
                buffer.consume(1)
            case .none(let isHeader):
                buffer.consume(1)
                let skipped = skip()
                if isHeader {
                    return .rejected(
                        WireError(.checksum, "the header check sequence is wrong"), discarded: 1 + skipped)
                }
                noise += skipped
            }
        }
        return noise > 0 ? .noise(noise) : nil
    }

    /// - Returns: how many bytes stood before the next flag.
    private mutating func skip() -> Int {
        var count = 0
        while let byte = buffer[count], byte != HDLCFrame.flag { count += 1 }
        buffer.consume(count)
        return count
    }
}
