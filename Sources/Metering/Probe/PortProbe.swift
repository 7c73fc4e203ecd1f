public import OBIS
public import Wire

/// Finds out what is on a port: which line settings to try for how long, which questions to ask, and when it is clear.
///
/// It owns no port and no clock: whoever has them takes the step that it names and tells what happened, with the time since
/// the beginning.
///
///     listen to the most usual line of each protocol → ask (only if asked to) → listen to the others
///
/// Somebody who is understood ends it. Bytes that nobody understands change the order of what is left.
public struct PortProbe: Sendable {
    public struct Settings: Sendable {
        /// How long to wait on each line setting for a message to begin.
        public var listens: Duration
        /// Whether anything may be sent.
        public var asks: Bool
        /// Whether speed and format can be set from here.
        public var hasLine: Bool
        /// The keys that are known.
        public var keys: ProtocolSettings

        public init(
            listens: Duration = PortProbe.usualListening, asks: Bool = false, hasLine: Bool = true,
            keys: ProtocolSettings = ProtocolSettings()
        ) {
            self.listens = listens
            self.asks = asks
            self.hasLine = hasLine
            self.keys = keys
        }
    }

    public enum Step: Sendable {
        /// Set the line, where there is one, and tell what arrives.
        case listen(LineSettings?)
        /// Poll a session of this question once.
        case ask(Question, of: MeterProtocol, line: LineSettings?)
        case done
    }

    public enum Event: Sendable {
        /// The line is set, listening begins.
        case began
        /// The port does not have the line of this step; why.
        case refused(String)
        case received([UInt8])
        /// What was received was a datagram or a connection of its own.
        case boundary
        /// `deadline` is there.
        case time
        /// What came of the question.
        case answered([Telegram], WireError?)
        /// The port is gone.
        case closed
    }

    /// Most meters that talk by themselves do so at least every five seconds.
    public static let usualListening = Duration.seconds(6)

    private let protocols: [MeterProtocol]
    private let settings: Settings
    private var plan: [Step]
    private var listening: Listening?
    public private(set) var step = Step.done
    /// The number of this step, from 1.
    public private(set) var number = 0
    public private(set) var finding: ProbeFinding?
    /// What each step gave that did not find a meter, in order.
    public private(set) var traces: [Trace] = []

    public init(protocols: [MeterProtocol], settings: Settings) {
        self.protocols = protocols
        self.settings = settings
        plan = Self.plan(protocols, settings)
        next()
    }

    /// Steps of the whole way, those included that a finding makes needless.
    public var count: Int { number + plan.count }

    /// When `time` must be told while listening; nil otherwise.
    public func deadline(after now: Duration) -> Duration? { listening?.deadline(after: now) }

    /// Whether a message has been understood that may be followed by another one.
    public var understands: MeterProtocol? { listening?.best?.meterProtocol }

    // MARK: Events

    /// - Returns: whether `step` is another one now.
    public mutating func handle(_ event: Event, at now: Duration) -> Bool {
        switch event {
        case .began: begin(at: now)
        case .refused(let why):
            note(Trace(step, kind: .refused(why)))
            next()
            return true
        case .received(let bytes): listening?.receive(bytes, at: now)
        case .boundary: listening?.handle(.boundary, at: now)
        case .time: listening?.timePassed(at: now)
        case .answered(let telegrams, let failure):
            take(telegrams, failure)
            return true
        case .closed:
            listening?.handle(.closed, at: now)
            plan = []
            conclude()
            return true
        }
        guard let listening, listening.isOver(at: now) else { return false }
        conclude()
        return true
    }

    private mutating func begin(at now: Duration) {
        guard case .listen(let line) = step else { return }
        // Whoever has only one setting to listen to can wait for longer.
        let period = line == nil ? settings.listens * 2 : settings.listens
        listening = Listening(line, protocols: protocols, settings: settings.keys, period: period, at: now)
    }

    private mutating func conclude() {
        guard let listening else { return next() }
        self.listening = nil
        if let finding = ProbeFinding(listening) {
            self.finding = finding
            return end()
        }
        note(Trace(step, kind: .heard(listening)))
        reorder(by: listening)
        next()
    }

    private mutating func take(_ telegrams: [Telegram], _ failure: WireError?) {
        guard case .ask(let question, let meterProtocol, let line) = step else { return next() }
        if !telegrams.isEmpty || failure?.isSealed == true {
            finding = ProbeFinding(question, of: meterProtocol, on: line, telegrams: telegrams, sealed: failure)
            return end()
        }
        if let failure, failure.code != .timeout, question.search != nil, !traces.contains(where: \.hasBytes) {
            // On a line that is silent until it is asked, an answer that is garbled comes from several.
            finding = ProbeFinding(
                question, of: meterProtocol, on: line, telegrams: [], sealed: nil, isSeveral: true)
            return end()
        }
        note(Trace(step, kind: .notAnswered(failure)))
        next()
    }

    private mutating func note(_ trace: Trace) { traces.append(trace) }

    private mutating func next() {
        guard !plan.isEmpty else { return end() }
        number += 1
        step = plan.removeFirst()
    }

    private mutating func end() {
        plan = []
        step = .done
    }

    // MARK: Plan

    private static func plan(_ protocols: [MeterProtocol], _ settings: Settings) -> [Step] {
        let questions = settings.asks ? questions(protocols, settings) : []
        guard settings.hasLine else {
            // Before the questions, and for those that talk rarely behind them once more.
            return [.listen(nil)] + questions + [.listen(nil), .listen(nil)]
        }
        let lines = lines(protocols)
        return lines.usual.map { .listen($0) } + questions + lines.others.map { .listen($0) }
    }

    private static func questions(_ protocols: [MeterProtocol], _ settings: Settings) -> [Step] {
        var names: Set<String> = []
        return protocols.flatMap { meterProtocol in
            meterProtocol.recognition.questions.compactMap { question in
                // Without a line, the same question at another speed is the same question.
                guard names.insert(question.name).inserted || settings.hasLine else { return nil }
                return .ask(question, of: meterProtocol, line: settings.hasLine ? question.line : nil)
            }
        }
    }

    /// The first line of each protocol, then the second of each, and so on; each once.
    private static func lines(_ protocols: [MeterProtocol]) -> (usual: [LineSettings], others: [LineSettings]) {
        let lists = protocols.map { $0.recognition.lines.map(\.heardAs) }
        var found: [LineSettings] = []
        var usual = 0
        for place in 0..<(lists.map(\.count).max() ?? 0) {
            for list in lists where place < list.count && !found.contains(list[place]) { found.append(list[place]) }
            if place == 0 { usual = found.count }
        }
        return (Array(found[..<usual]), Array(found[usual...]))
    }

    /// What a burst that nobody understood says of the sender's speed brings those settings forward that fit it.
    private mutating func reorder(by listening: Listening) {
        guard let line = listening.line, line.parity == .none, listening.evidence.count >= 16 else { return }
        let isSlower = listening.evidence.isSlowerSender
        func fits(_ step: Step) -> Bool {
            guard case .listen(let other?) = step else { return false }
            return isSlower ? other.baud < line.baud : other.baud >= line.baud
        }
        plan = plan.filter(fits) + plan.filter { !fits($0) }
    }
}
