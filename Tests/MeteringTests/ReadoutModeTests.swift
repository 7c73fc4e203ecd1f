import IEC62056
import Metering
import OBIS
import Testing
import Wire

/// What the settings of a stanza make of `iec62056-21`.
@Suite("The modes of a readout")
struct ReadoutModeTests {
    private static let standard = LineSettings(baud: 300, dataBits: 7, parity: .even)

    private func readout() throws -> MeterProtocol { try #require(ProtocolRegistry.named("iec62056-21")) }

    private static func settings(
        _ mode: ReadoutMode = .auto, baud: Int? = nil, wakeUp: WakeUp? = nil, line: LineSettings? = nil
    ) -> ProtocolSettings {
        var settings = ProtocolSettings(line: line)
        settings.mode = mode
        settings.maximumBaud = baud
        settings.wakeUp = wakeUp
        return settings
    }

    @Test("all but D are asked, on the line of the sign-on", arguments: ReadoutMode.allCases)
    func polled(mode: ReadoutMode) throws {
        let readout = try readout()
        #expect(readout.isPolled(Self.settings(mode)) == (mode != .d))
        #expect(readout.defaultLine(Self.settings(mode)).description == (mode == .d ? "2400 7E1" : "300 7E1"))
    }

    @Test("D listens, gives what the meter says by itself, and is never asked")
    func listens() throws {
        let text = Array("/ESY3Q3DA1004\r\n\r\n1-0:1.8.0*255(00026107.7034*kWh)\r\n!\r\n".utf8)
        var session = try readout().makeSession(Self.settings(.d, line: .modeD))
        var telegrams: [Telegram] = []
        for event: SessionEvent in [.opened, .poll, .received(text), .timer, .poll, .drained, .closed] {
            for action in session.handle(event) {
                switch action {
                case .emit(let telegram): telegrams.append(telegram)
                case .send, .setLine, .finished, .reject: Issue.record("\(event) led to \(action)")
                case .arm, .disarm, .noise, .keep: break
                }
            }
        }
        #expect(telegrams.map(\.content) == [["1-0:1.8.0*255 number(26107.7034) kWh 00026107.7034 -1"]])
    }

    /// Settings, and a word of why a link without a line will not do.
    private static let needs: [(name: String, settings: ProtocolSettings, reason: String?)] = [
        ("nothing said", settings(), nil), ("A", settings(.a), nil), ("C", settings(.c), nil), ("D", settings(.d), nil),
        ("B", settings(.b), "mode B"), ("B at 300", settings(.b, baud: 300), "mode B"),
        ("300 baud", settings(baud: 300), nil), ("C at 300", settings(.c, baud: 300), nil),
        ("a higher rate", settings(baud: 9600), "9600 baud"),
        ("C at a higher rate", settings(.c, baud: 600), "600 baud"),
        ("A has no rate", settings(.a, baud: 9600), nil), ("D has none either", settings(.d, baud: 9600), nil),
        ("waking up", settings(wakeUp: WakeUp()), nil),
        ("waking up on the sign-on's line", settings(wakeUp: WakeUp(line: standard)), nil),
        ("waking up on another line", settings(wakeUp: WakeUp(line: LineSettings(baud: 2400))), "2400 8N1"),
        ("the same in mode A", settings(.a, wakeUp: WakeUp(line: LineSettings(baud: 2400))), "2400 8N1"),
    ]

    @Test(
        "a link whose line cannot be set is enough, unless the settings ask for another speed", arguments: needs.indices
    )
    func needsLine(row: Int) throws {
        let (name, settings, reason) = Self.needs[row]
        let said = try readout().needsLine(settings)
        #expect((said == nil) == (reason == nil), "\(name): \(said ?? "-")")
        if let reason { #expect(said?.contains(reason) == true, "\(name): \(said ?? "-")") }
        // What the line is at the moment changes nothing: it is asked of links that have none.
        var other = settings
        other.line = LineSettings(baud: 9600)
        #expect(try readout().needsLine(other) == said)
    }

    @Test("no other protocol asks for a line")
    func others() {
        for item in ProtocolRegistry.all where item.name != "iec62056-21" {
            #expect(item.needsLine(Self.settings(.b, baud: 9600)) == nil, "\(item.name)")
            #expect(item.isPolled(Self.settings(.b)) == ["mbus", "dlms-client"].contains(item.name), "\(item.name)")
        }
    }

    /// What is done until the meter has identified itself, and once more behind the rest of what was sent.
    private func conversation(_ settings: ProtocolSettings, identification: String) throws -> [SessionAction<Telegram>]
    {
        var session = try readout().makeSession(settings)
        var actions = session.handle(.opened) + session.handle(.poll)
        var next = 0
        var hasIdentified = false
        while next < actions.count, next < 100 {
            if case .send(let bytes) = actions[next] {
                actions += session.handle(.drained)
                if bytes.contains(UInt8(ascii: "?")) {
                    actions += session.handle(.received(Array("\(identification)\r\n".utf8)))
                    // The pause before an acknowledgement.
                    actions += session.handle(.timer)
                    hasIdentified = true
                } else if !hasIdentified {
                    actions += session.handle(.timer)
                }
            }
            next += 1
        }
        return actions
    }

    private func sent(_ actions: [SessionAction<Telegram>]) -> [[UInt8]] {
        actions.compactMap { if case .send(let bytes) = $0 { bytes } else { nil } }
    }

    private func lines(_ actions: [SessionAction<Telegram>]) -> [String] {
        actions.compactMap { if case .setLine(let line) = $0 { line.description } else { nil } }
    }

    @Test(
        "the fastest rate that is agreed to is the configured one, 19200 with a line and 300 without",
        arguments: [
            (nil, true, "060", "19200 7E1"), (9600, true, "050", "9600 7E1"), (300, true, "000", "300 7E1"),
            (nil, false, "000", nil), (2400, false, "030", nil),
        ] as [(Int?, Bool, String, String?)])
    func rates(baud: Int?, hasLine: Bool, acknowledged: String, line: String?) throws {
        let settings = Self.settings(.c, baud: baud, line: hasLine ? Self.standard : nil)
        let actions = try conversation(settings, identification: "/LGZ6ZMF100AC.M26")
        let digits = Array(acknowledged.utf8)
        #expect(
            sent(actions) == [Array("/?!\r\n".utf8), [0x06, UInt8(ascii: "0"), digits[1], UInt8(ascii: "0"), 13, 10]])
        #expect(lines(actions).last == line)
    }

    @Test("the mode of the stanza stands above what the identification says")
    func modes() throws {
        for (mode, identification, count) in [
            (.a, "/LGZ5ZMF", 1), (.c, "/LGZ5ZMF", 2), (.auto, "/LGZ5ZMF", 2), (.auto, "/LGZEZMF", 1),
            (.c, "/LGZEZMF", 2),
            (.auto, "/LGZ ZMF", 1),
        ] as [(ReadoutMode, String, Int)] {
            let actions = try conversation(Self.settings(mode, line: Self.standard), identification: identification)
            #expect(sent(actions).count == count, "\(mode) \(identification)")
        }
    }

    @Test("a battery meter is woken up first, on the line that its stanza names")
    func wakingUp() throws {
        let wakeUp = WakeUp(line: LineSettings(baud: 2400), duration: .milliseconds(2200))
        let actions = try conversation(
            Self.settings(.a, wakeUp: wakeUp, line: Self.standard), identification: "/LGZ5ZMF")
        let messages = sent(actions)
        // 2.2 s at 2400 baud, 10 bits each.
        #expect(messages.first == [UInt8](repeating: 0, count: 528))
        #expect(messages.dropFirst().first == Array("/?!\r\n".utf8))
        #expect(lines(actions).prefix(2) == ["2400 8N1", "300 7E1"])
    }

    @Test("parity is made here where the port has eight bits")
    func parity() throws {
        let settings = Self.settings(.a, line: LineSettings(baud: 300))
        let actions = try conversation(settings, identification: "/LGZ5ZMF")
        #expect(sent(actions).first == [0xAF, 0x3F, 0x21, 0x8D, 0x0A])
    }
}
