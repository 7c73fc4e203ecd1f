import OBIS
import Wire

/// Reads one slave at each poll as the master of its bus (EN 13757-2).
///
///     master                              slave
///     10 40 A CS 16          SND_NKE   →                 by its primary address
///                                      ←  E5
///     68 0B 0B 68 73 FD 52 …           →                 or selected by its secondary one
///                                      ←  E5
///     10 7B A CS 16          REQ_UD2   →
///                                      ←  68 L L 68 08 A 72 …
///     10 5B A CS 16          REQ_UD2   →                 while more records follow, the bit FCB in turn
///                                      ←  68 L L 68 08 A 72 …
///     10 40 FD 3D 16         SND_NKE   →                 ends a selection
///
/// A request is repeated with the same FCB, so that the slave repeats its telegram, and with the other one after a good
/// answer. Frames from a master that come back are the echo of a converter and passed over. Nothing is ever written
/// to a slave.
public struct MasterSession: Session {
    public enum Address: Sendable, Hashable {
        case primary(UInt8)
        case secondary(SecondaryAddress)
    }

    public struct Settings: Sendable {
        public var address: Address
        /// Set at the start of each poll; nil where the link has none.
        public var line: LineSettings?
        /// Of the bus: the time that a slave has follows from it.
        public var baud: Int
        /// What adapter and network add to each answer.
        public var latency: Duration
        /// How often a message without a good answer is sent again.
        public var retries: Int
        /// For a search, in which most addresses are nobody's: a slave that does not acknowledge the reset counts as not
        /// there, and whoever answers is welcome.
        public var isSearch: Bool
        public var decipher: Decipher?

        public init(
            address: Address, line: LineSettings? = .mbus, baud: Int? = nil, latency: Duration? = nil,
            retries: Int = 2, isSearch: Bool = false, decipher: Decipher? = nil
        ) {
            self.address = address
            self.line = line
            self.baud = baud ?? line?.baud ?? LineSettings.mbus.baud
            self.latency = latency ?? (line == nil ? .milliseconds(400) : .milliseconds(150))
            self.retries = retries
            self.isSearch = isSearch
            self.decipher = decipher
        }
    }

    /// What is asked of the bus, in this order.
    private enum Step: Equatable {
        /// The slave forgets its FCB.
        case reset
        case select
        case request(frameCountBit: Bool)
        case deselect
    }

    private enum State: Equatable {
        case idle
        /// The bus gets its pause before the next message.
        case pausing(Step)
        /// The message is on its way out.
        case sending(Step)
        case waiting(Step)
    }

    private let settings: Settings
    private let times: BusTimes
    private var state = State.idle
    private var attempts = 0
    private var answer = SlaveAnswer()
    /// What came of the meter so far.
    private var whole: MeterResponse?
    private var telegrams = 0
    private var failure: WireError?
    private var actions: [SessionAction<Telegram>] = []

    public init(settings: Settings) {
        self.settings = settings
        times = BusTimes(baud: settings.baud, latency: settings.latency)
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        actions = []
        switch event {
        case .opened: state = .idle
        case .poll: if state == .idle { start() }
        case .received(let bytes): receive(bytes)
        case .boundary, .readProfile, .recalled, .kept: break
        case .drained: drained()
        case .timer: timeIsUp()
        case .closed: closed()
        }
        return actions
    }
}

extension LineSettings {
    /// `2400 8E1`, what slaves leave the factory with (EN 13757-2).
    public static let mbus = LineSettings(baud: 2400, dataBits: 8, parity: .even)
}

// MARK: - Events

extension MasterSession {
    private mutating func start() {
        whole = nil
        telegrams = 0
        failure = nil
        answer = SlaveAnswer()
        if let line = settings.line { actions.append(.setLine(line)) }
        // A selection ends any other one, and the selected slave forgets its FCB.
        if case .secondary = settings.address { begin(.select) } else { begin(.reset) }
    }

    private mutating func receive(_ bytes: [UInt8]) {
        switch state {
        case .waiting, .sending:
            answer.append(bytes)
            guard case .waiting(let step) = state else { return }
            // A whole frame needs no silence behind it, and a line that never falls silent has none.
            if answer.isOverlong { return judge(step) }
            if case .request = step, answer.frame != nil { return judge(step) }
            // Nothing but the echo of the request: the slave has all of its time.
            actions.append(.arm(answer.isEmpty ? times.firstByte : times.gap))
        case .idle, .pausing:
            actions.append(.noise(bytes.count))
        }
    }

    private mutating func drained() {
        guard case .sending(let step) = state else { return }
        state = .waiting(step)
        actions.append(.arm(answer.isEmpty ? times.firstByte : times.gap))
    }

    private mutating func timeIsUp() {
        switch state {
        case .idle: break
        case .pausing(let step): send(step)
        case .sending: end(WireError(.timeout, "the port did not send what it was given; check the adapter"))
        case .waiting(let step): judge(step)
        }
    }

    private mutating func closed() {
        guard state != .idle else { return }
        state = .idle
        actions.append(.disarm)
        actions.append(.finished(WireError(.truncated, "the link was closed in the middle of the conversation")))
    }
}

// MARK: - Sending

extension MasterSession {
    private var linkAddress: UInt8 {
        switch settings.address {
        case .primary(let address): address
        case .secondary: LinkAddress.selected
        }
    }

    private mutating func begin(_ step: Step) {
        attempts = 0
        state = .pausing(step)
        actions.append(.arm(times.pause))
    }

    private mutating func send(_ step: Step) {
        attempts += 1
        answer = SlaveAnswer(late: answer.late)
        let message = bytes(of: step)
        state = .sending(step)
        actions.append(.send(message))
        actions.append(.arm(times.sending(message.count)))
    }

    private func bytes(of step: Step) -> [UInt8] {
        switch step {
        case .reset, .deselect: ShortFrame.reset(linkAddress).encoded()
        case .request(let bit): ShortFrame.requestData(linkAddress, frameCountBit: bit).encoded()
        case .select:
            if case .secondary(let address) = settings.address { address.selection.encoded() ?? [] } else { [] }
        }
    }

    /// The same again, unless it was tried often enough.
    private mutating func retry(_ step: Step, after error: WireError) {
        guard attempts <= settings.retries else { return give(up: step, because: error) }
        if error.code != .timeout { actions.append(.reject(error)) }
        state = .pausing(step)
        actions.append(.arm(times.pause))
    }
}

// MARK: - Answers

extension MasterSession {
    private mutating func judge(_ step: Step) {
        if answer.noise > 0 { actions.append(.noise(answer.noise)) }
        switch step {
        case .reset: judgeReset()
        case .select: judgeSelection()
        case .request(let bit): judgeResponse(bit)
        case .deselect: conclude()
        }
    }

    private mutating func judgeReset() {
        // Some slaves do not answer it, and one that does not is asked all the same.
        guard settings.isSearch else { return begin(.request(frameCountBit: true)) }
        switch answer.acknowledgement {
        case .one: begin(.request(frameCountBit: true))
        case .none: retry(.reset, after: WireError(.timeout, "no meter answers at \(name)"))
        case .several: give(up: .reset, because: WireError(.framing, "several meters answer at \(name)"))
        }
    }

    private mutating func judgeSelection() {
        switch answer.acknowledgement {
        case .one: begin(.request(frameCountBit: true))
        case .none: retry(.select, after: WireError(.timeout, "no meter answers to \(name)"))
        case .several:
            retry(.select, after: WireError(.framing, "several meters answer to \(name): make the address longer"))
        }
    }

    private mutating func judgeResponse(_ bit: Bool) {
        let step = Step.request(frameCountBit: bit)
        guard let frame = answer.frame else { return retry(step, after: answer.fault(of: name)) }
        do throws(WireError) {
            let response = try MeterResponse(frame, decipher: settings.decipher)
            try require(response)
            answer = SlaveAnswer(late: .init(frame: frame, count: attempts - 1))
            take(response, bit)
        } catch {
            // The frame was right: another try would give the same.
            give(up: step, because: error)
        }
    }

    /// Whether the slave that was asked answered.
    private func require(_ response: MeterResponse) throws(WireError) {
        guard !settings.isSearch else { return }
        switch settings.address {
        case .primary(let asked):
            guard LinkAddress.slaves.contains(asked), response.address != asked else { return }
            throw WireError(.framing, "the meter at address \(response.address) answers for \(asked)")
        case .secondary(let asked):
            guard let sender = response.secondaryAddress, !asked.matches(sender) else { return }
            throw WireError(.framing, "meter \(sender) answers to the selection of \(asked)")
        }
    }

    private mutating func take(_ response: MeterResponse, _ bit: Bool) {
        telegrams += 1
        var part = response
        part.dropMark()
        if whole == nil { whole = part } else { whole?.append(part) }
        guard response.moreRecordsFollow else { return finish() }
        guard telegrams < Limits.mbusTelegrams else {
            return give(
                up: .request(frameCountBit: bit),
                because: WireError(.limit, "the meter answers in more than \(Limits.mbusTelegrams) telegrams"))
        }
        begin(.request(frameCountBit: !bit))
    }

    private var name: String {
        switch settings.address {
        case .primary(let address): "address \(address)"
        case .secondary(let address): "\(address)"
        }
    }
}

// MARK: - End

extension MasterSession {
    private mutating func give(up step: Step, because error: WireError) {
        failure = error
        if step == .select, error.code == .timeout { conclude() } else { finish() }
    }

    private mutating func finish() {
        // A slave that stays selected would answer for the next one.
        if case .secondary = settings.address { begin(.deselect) } else { conclude() }
    }

    private mutating func conclude() {
        guard var telegram = whole?.telegram else { return end(failure) }
        if let failure {
            // What came is whole by itself.
            telegram.warnings.append("The rest of the meter's telegrams is missing: \(failure.message).")
        }
        actions.append(.emit(telegram))
        end(nil)
    }

    private mutating func end(_ error: WireError?) {
        state = .idle
        whole = nil
        actions.append(.disarm)
        actions.append(.finished(error))
    }
}
