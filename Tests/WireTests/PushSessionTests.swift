import Testing
import Wire

/// Messages are lines; `?` in front is a damaged one; `-` alone is noise.
private struct LineFramer: Framer {
    private var waiting: [UInt8] = []
    private var findings: [FramerOutput<String>] = []

    var isIdle: Bool { waiting.isEmpty }

    mutating func append(_ bytes: [UInt8]) {
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                waiting.append(byte)
                continue
            }
            end(as: .framing)
        }
    }

    mutating func next() -> FramerOutput<String>? {
        findings.isEmpty ? nil : findings.removeFirst()
    }

    mutating func finish() {
        if !waiting.isEmpty { waiting.insert(UInt8(ascii: "?"), at: 0) }
        end(as: .truncated)
    }

    private mutating func end(as code: WireError.Code) {
        defer { waiting = [] }
        let text = String(decoding: waiting, as: UTF8.self)
        switch text.first {
        case nil: break
        case "?": findings.append(.rejected(WireError(code, text), discarded: text.count))
        case "-": findings.append(.noise(text.count))
        default: findings.append(.frame(text))
        }
    }
}

/// The same, whose lines may be cut into several datagrams.
private struct CutLineFramer: Framer {
    private var lines = LineFramer()

    var isIdle: Bool { lines.isIdle }
    mutating func append(_ bytes: [UInt8]) { lines.append(bytes) }
    mutating func next() -> FramerOutput<String>? { lines.next() }
    mutating func finish() { lines.finish() }
    mutating func endBurst() {}
}

@Suite("PushSession")
struct PushSessionTests {
    private static let silence = Duration.milliseconds(500)

    private static func received(_ text: String) -> SessionEvent { .received(Array(text.utf8)) }

    private static let rows: [(name: String, events: [SessionEvent], actions: [SessionAction<String>])] = [
        ("opening", [.opened], []),
        ("a whole message", [.opened, received("abc\n")], [.emit("abc"), .disarm]),
        ("a part waits", [.opened, received("ab")], [.arm(silence)]),
        ("the rest arrives", [.opened, received("ab"), received("c\n")], [.emit("abc"), .disarm]),
        (
            "several at once", [.opened, received("a\n?b\n-\nc\nd")],
            [.emit("a"), .reject(WireError(.framing, "")), .noise(1), .emit("c"), .arm(silence)]
        ),
        ("nothing is received", [.opened, .received([])], [.disarm]),
        ("the line falls silent", [.opened, received("ab"), .timer], [.reject(WireError(.truncated, ""))]),
        ("silence with nothing waiting", [.opened, .timer], []),
        (
            "after silence the next message is read", [.opened, received("ab"), .timer, received("c\n")],
            [.emit("c"), .disarm]
        ),
        (
            "closing gives up what waits", [.opened, received("ab"), .closed],
            [.reject(WireError(.truncated, "")), .disarm]
        ),
        ("closing with nothing waiting", [.opened, .closed], [.disarm]),
        ("opening forgets what waited", [.opened, received("ab"), .opened, received("c\n")], [.emit("c"), .disarm]),
        ("a push is never asked for", [.opened, .poll], []),
        ("nothing was sent", [.opened, .drained], []),
        ("bytes before the link is open", [received("x\n")], [.emit("x"), .disarm]),
        (
            "a boundary gives up what waits, unless the framer says otherwise",
            [.opened, received("ab"), .boundary], [.reject(WireError(.truncated, "")), .disarm]
        ),
        ("a boundary with nothing waiting", [.opened, received("ab\n"), .boundary], [.disarm]),
        (
            "nothing is joined over a boundary", [.opened, received("ab"), .boundary, received("c\n")],
            [.emit("c"), .disarm]
        ),
    ]

    @Test("answers each event with its actions", arguments: rows.indices)
    func table(row: Int) {
        let (name, events, expected) = Self.rows[row]
        var session = PushSession(silence: Self.silence) { LineFramer() }
        var actions: [SessionAction<String>] = []
        for event in events { actions = session.handle(event) }
        #expect(actions == expected, "\(name)")
    }

    @Test("leaves it to the framer whether a message goes on behind a boundary")
    func boundary() {
        var session = PushSession(silence: Self.silence) { CutLineFramer() }
        var actions: [SessionAction<String>] = []
        for event in [.opened, Self.received("ab"), .boundary] { actions = session.handle(event) }
        #expect(actions == [.arm(Self.silence)])
        #expect(session.handle(Self.received("c\n")) == [.emit("abc"), .disarm])
        // Silence ends it all the same.
        for event in [Self.received("d"), .boundary, .timer] { actions = session.handle(event) }
        #expect(actions == [.reject(WireError(.truncated, ""))])
    }

    @Test("never sends and never touches the line")
    func listensOnly() {
        var session = PushSession(silence: Self.silence) { LineFramer() }
        let events: [SessionEvent] = [
            .opened, .poll, Self.received("a\nb"), .boundary, .drained, .timer, .poll, .closed, .opened, .timer,
            .closed,
        ]
        for action in events.flatMap({ session.handle($0) }) {
            switch action {
            case .send, .setLine, .finished, .keep: Issue.record("\(action)")
            case .arm, .disarm, .emit, .reject, .noise: break
            }
        }
    }
}
