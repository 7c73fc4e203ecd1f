import OBIS
import Wire

/// The other side of a conversation, in virtual time.
protocol Peer {
    /// What it answers to bytes, one element for each message.
    mutating func hear(_ bytes: [UInt8]) -> [[UInt8]]
    /// Nothing has arrived for as long as it waits.
    mutating func wait() -> [[UInt8]]
    /// Content in a frame whose checks are right.
    func framed(_ content: [UInt8]) -> [UInt8]
}

/// A session whose events and answers the bytes of one input choose: those of a simulated meter, whole, in pieces, changed
/// or left out, and others.
///
/// What holds for every session: it never ends what was not begun, arms sensible times, and a conversation in which the
/// meter falls silent ends.
struct Conversation {
    private var session: any Session<Telegram>
    private var peer: any Peer
    private var choices: Choices
    private let isPolled: Bool
    private let hasLoadProfile: Bool

    /// What the meter said and the session has not heard.
    private var waiting: [[UInt8]] = []
    private var isArmed = false
    private var isAsked = false
    private var toDrain = 0
    private var toKeep = 0
    private var kept: [UInt8]?

    private static let mostSteps = 400
    private static let mostEventsToEnd = 20_000
    private static let mostWaiting = 64

    /// Goes through the whole conversation, and to its end.
    ///
    /// - Parameters:
    ///   - isPolled: whether the meter is asked.
    ///   - hasLoadProfile: whether its load profile may be.
    static func run(
        _ bytes: [UInt8], _ session: any Session<Telegram>, _ peer: any Peer, isPolled: Bool = true,
        hasLoadProfile: Bool = false
    ) {
        var conversation = Conversation(
            session: session, peer: peer, choices: Choices(bytes), isPolled: isPolled, hasLoadProfile: hasLoadProfile)
        conversation.handle(.opened)
        var steps = 0
        while !conversation.choices.isUsedUp, steps < mostSteps {
            conversation.step()
            steps += 1
        }
        conversation.end()
    }

    private init(
        session: any Session<Telegram>, peer: any Peer, choices: Choices, isPolled: Bool, hasLoadProfile: Bool
    ) {
        self.session = session
        self.peer = peer
        self.choices = choices
        self.isPolled = isPolled
        self.hasLoadProfile = hasLoadProfile
    }

    // MARK: Events

    /// One byte says what happens: 0 is what happens in a conversation without faults.
    private mutating func step() {
        let choice = choices.byte()
        if choice & 0x80 == 0 { settle(isSafe: choice & 0x40 == 0) }
        switch choice & 0x0F {
        case 0...4: goOn()
        case 5: deliverPiece()
        case 6: deliverChanged()
        case 7: handle(.received(choices.take(choices.number(below: 64))))
        case 8: handle(.received(peer.framed(choices.run())))
        case 9: timer()
        case 10: ask(.poll)
        case 11: ask(hasLoadProfile ? .readProfile(span()) : .poll)
        case 12: handle(.boundary)
        case 13: misplace()
        case 14: reopen()
        default: handle(choice & 0x10 == 0 ? .drained : .kept(choice & 0x20 == 0))
        }
    }

    private mutating func goOn() {
        if !waiting.isEmpty { return handle(.received(waiting.removeFirst())) }
        if isPolled, !isAsked { return ask(.poll) }
        timer()
    }

    private mutating func deliverPiece() {
        guard !waiting.isEmpty else { return }
        let count = min(waiting[0].count, 1 + Int(choices.byte()))
        handle(.received(Array(waiting[0].prefix(count))))
        guard !waiting.isEmpty else { return }
        waiting[0].removeFirst(min(count, waiting[0].count))
        if waiting[0].isEmpty { waiting.removeFirst() }
    }

    private mutating func deliverChanged() {
        guard !waiting.isEmpty else { return }
        var answer = waiting.removeFirst()
        guard !answer.isEmpty else { return }
        let place = (Int(choices.byte()) << 8 | Int(choices.byte())) % answer.count
        answer[place] ^= choices.byte()
        handle(.received(answer))
    }

    private mutating func timer() {
        guard isArmed else { return }
        isArmed = false
        hold(peer.wait())
        handle(.timer)
    }

    private mutating func ask(_ event: SessionEvent) {
        guard isPolled, !isAsked else { return }
        isAsked = true
        handle(event)
    }

    private mutating func span() -> ProfileSpan {
        guard choices.flag() else {
            let end = Sample.noon.localSeconds
            return ProfileSpan(after: end - 900 * Int64(choices.byte()), through: end)
        }
        return ProfileSpan(after: choices.integer(), through: choices.integer())
    }

    /// An answer is lost, comes twice, or behind the one after it.
    private mutating func misplace() {
        guard let first = waiting.first else { return }
        switch choices.number(below: 3) {
        case 0: waiting.removeFirst()
        case 1: waiting.insert(first, at: 0)
        default: waiting.swapAt(0, waiting.count - 1)
        }
    }

    private mutating func reopen() {
        handle(.closed)
        isAsked = false
        isArmed = false
        (toDrain, toKeep) = (0, 0)
        waiting = []
        if choices.flag() { handle(.recalled(choices.flag() ? choices.run() : kept ?? [])) }
        handle(.opened)
    }

    /// What was sent has left, and what was to be kept is kept.
    private mutating func settle(isSafe: Bool) {
        var rounds = 0
        while toDrain + toKeep > 0, rounds < 64 {
            rounds += 1
            if toKeep > 0 {
                toKeep -= 1
                handle(.kept(isSafe))
            } else {
                toDrain -= 1
                handle(.drained)
            }
        }
    }

    // MARK: Actions

    private mutating func handle(_ event: SessionEvent) {
        let actions = session.handle(event)
        precondition(actions.count <= 2 * Limits.linkBuffer, "one event has actions without end")
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: SessionAction<Telegram>) {
        switch action {
        case .send(let bytes):
            precondition(isPolled, "a meter that talks by itself is sent something")
            toDrain = min(toDrain + 1, 4)
            hold(peer.hear(bytes))
        case .arm(let duration):
            precondition(duration >= .zero && duration <= .seconds(3600), "a timer of \(duration)")
            isArmed = true
        case .disarm: isArmed = false
        case .keep(let bytes):
            kept = bytes
            toKeep = min(toKeep + 1, 4)
        case .finished:
            precondition(isAsked, "what nobody asked for is finished")
            isAsked = false
        case .emit(let telegram):
            precondition(telegram.registers.count <= Limits.profileValues, "a telegram of too many registers")
        case .setLine(let line):
            precondition(LineSettings.baudRates.contains(line.baud), "a line of \(line.baud) baud")
        case .reject, .noise: break
        }
    }

    private mutating func hold(_ answers: [[UInt8]]) {
        waiting += answers.prefix(Self.mostWaiting - min(Self.mostWaiting, waiting.count))
    }

    // MARK: The end

    /// The meter says nothing more.
    private mutating func end() {
        guard isPolled else { return handle(.closed) }
        var events = 0
        while isAsked {
            events += 1
            precondition(events < Self.mostEventsToEnd, "a conversation with a silent meter does not end")
            if toKeep + toDrain > 0 { settle(isSafe: true) } else { silentTimer() }
        }
        handle(.closed)
    }

    private mutating func silentTimer() {
        precondition(isArmed, "a session waits for a silent meter without a timer")
        isArmed = false
        handle(.timer)
    }
}
