import COSEM
import MeterSimulator
import OBIS
import Wire

/// A client and a simulated meter at one line, in virtual time: nothing waits.
struct ClientBench {
    var client: DLMSClient
    var meter: DLMSMeter
    var house = Household(seed: 7)
    var time = MeterTime(localSeconds: 1_795_780_800)
    /// Whether what is to be kept can be.
    var keepsState = true

    /// What comes behind an answer, in one piece with it.
    var trailer: @Sendable ([UInt8]) -> [UInt8] = { _ in [] }
    /// Comes in place of the next answer.
    private var interruption: [UInt8]?

    private(set) var telegrams: [Telegram] = []
    private(set) var rejected: [WireError] = []
    private(set) var noise = 0
    private(set) var kept: [[UInt8]] = []
    private(set) var lines: [LineSettings] = []
    /// Everything that the client sent.
    private(set) var sent: [[UInt8]] = []
    /// What both said, in order.
    private(set) var traffic: [UInt8] = []
    /// Virtual time that passed, waiting for timers.
    private(set) var waited = Duration.zero
    private var timer: Duration?
    private var isOver = false
    private var error: WireError?

    init(_ settings: ClientSettings, _ meter: DLMSMeter) {
        client = DLMSClient(settings: settings)
        self.meter = meter
        run([.opened])
    }

    /// The process died: only what was kept is known.
    mutating func restart(_ settings: ClientSettings) {
        client = DLMSClient(settings: settings)
        run((kept.last.map { [.recalled($0)] } ?? []) + [.opened])
    }

    /// Somebody else answers the next message.
    mutating func interrupt(with bytes: [UInt8]) { interruption = bytes }

    /// - Returns: why it failed.
    mutating func poll() -> WireError? { converse(.poll) }

    mutating func readProfile(_ span: ProfileSpan) -> WireError? { converse(.readProfile(span)) }

    mutating func give(_ event: SessionEvent) { run([event]) }

    private mutating func converse(_ event: SessionEvent) -> WireError? {
        (telegrams, rejected, error, isOver) = ([], [], nil, false)
        var pending = [event]
        // A conversation that does not end is a finding of its own.
        for _ in 0..<20_000 {
            if pending.isEmpty {
                if isOver { return error }
                guard let timer else { return WireError(.limit, "nothing is awaited and nothing ends") }
                waited += timer
                self.timer = nil
                meter.lineFellSilent()
                pending = [.timer]
            }
            pending += perform(client.handle(pending.removeFirst()))
        }
        return WireError(.limit, "the conversation does not end")
    }

    private mutating func run(_ events: [SessionEvent]) {
        for event in events { _ = perform(client.handle(event)) }
    }

    private mutating func perform(_ actions: [SessionAction<Telegram>]) -> [SessionEvent] {
        var events: [SessionEvent] = []
        for action in actions {
            switch action {
            case .send(let bytes):
                sent.append(bytes)
                traffic += bytes
                events.append(.drained)
                events += answers(to: bytes)
            case .setLine(let line): lines.append(line)
            case .arm(let duration): timer = duration
            case .disarm: timer = nil
            case .emit(let telegram): telegrams.append(telegram)
            case .reject(let error): rejected.append(error)
            case .noise(let count): noise += count
            case .keep(let bytes):
                if keepsState { kept.append(bytes) }
                events.append(.kept(keepsState))
            case .finished(let error):
                self.error = error
                isOver = true
            }
        }
        return events
    }

    private mutating func answers(to bytes: [UInt8]) -> [SessionEvent] {
        var events: [SessionEvent] = []
        if let interruption {
            self.interruption = nil
            return [.received(interruption)]
        }
        for action in meter.receive(bytes, house: house, time: time) {
            switch action {
            case .wait: break
            // As lines cut: in two pieces.
            case .send(let answer):
                traffic += answer
                let trailer = trailer(answer)
                guard trailer.isEmpty else {
                    events.append(.received(answer + trailer))
                    continue
                }
                events.append(.received(Array(answer.prefix(answer.count / 2))))
                events.append(.received(Array(answer.dropFirst(answer.count / 2))))
            case .close: events.append(.closed)
            }
        }
        return events
    }
}
