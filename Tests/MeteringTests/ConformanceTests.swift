import Metering
import OBIS
import TestSupport
import Testing
import Wire

/// What every protocol of the registry must do with every kind of bad line.
@Suite("Every protocol of the registry")
struct ConformanceTests {
    @Test("is in this suite")
    func complete() {
        let tested = Set(Recordings.all.map(\.protocolName))
        for name in ProtocolRegistry.all.map(\.name) {
            #expect(tested.contains(name), "\(name) has no recordings: it cannot be in the registry")
        }
        #expect(Set(ProtocolRegistry.all.map(\.name)).count == ProtocolRegistry.all.count)
    }

    @Test("has a name, a sentence and a line")
    func described() {
        for item in ProtocolRegistry.all {
            #expect(ProtocolRegistry.named(item.name)?.name == item.name)
            #expect(!item.summary.isEmpty && LineSettings.baudRates.contains(item.defaultLine(ProtocolSettings()).baud))
        }
        #expect(ProtocolRegistry.named("morse") == nil)
    }

    @Test("decodes its message: one telegram, no error, no byte left over", arguments: Recordings.all)
    func whole(recording: Recording) throws {
        let findings = try Findings(recording, [recording.bytes])
        #expect(findings.telegrams.count == 1 && findings.errors.isEmpty && findings.noise == 0)
        #expect(findings.isIdleAtEnd)
        #expect(findings.telegrams.first?.registers.isEmpty == false)
        #expect(findings.telegrams.first?.warnings == [])
    }

    @Test("finds the same however the bytes arrive", arguments: Recordings.all)
    func chunks(recording: Recording) throws {
        let bytes = recording.bytes
        let telegrams = try Findings(recording, [bytes]).telegrams
        let three = Array((0..<3).map { _ in bytes }.joined(separator: recording.pause))
        let ways: [(String, [[UInt8]], Int)] = [
            ("byte by byte", bytes.map { [$0] }, 1),
            ("three at once", [three], 3),
            ("three, byte by byte", three.map { [$0] }, 3),
            (
                "in sevens",
                stride(from: 0, to: three.count, by: 7).map { Array(three[$0..<min($0 + 7, three.count)]) }, 3
            ),
        ]
        for (name, chunks, count) in ways where count == 1 || !recording.endsWithSilence {
            let findings = try Findings(recording, chunks)
            #expect(findings.telegrams == (0..<count).flatMap { _ in telegrams }, "\(name)")
            #expect(findings.errors.isEmpty, "\(name)")
        }
        for split in 1..<bytes.count {
            let findings = try Findings(recording, [Array(bytes[..<split]), Array(bytes[split...])])
            #expect(findings.telegrams == telegrams, "split at \(split)")
        }
    }

    @Test("finds its messages between noise", arguments: Recordings.all)
    func noise(recording: Recording) throws {
        let telegrams = try Findings(recording, [recording.bytes]).telegrams
        var random = SeededGenerator(seed: 1)
        for round in 0..<40 {
            let before = random.bytes(Int.random(in: 1...300, using: &random))
            let between = random.bytes(Int.random(in: 1...300, using: &random))
            let findings = try Findings(
                recording, [before, recording.bytes, between, recording.bytes], silences: [0, 1, 2])
            #expect(findings.telegrams == telegrams + telegrams, "round \(round)")
        }
    }

    @Test("gives nothing but the message when it ends too early, and reads the next one", arguments: Recordings.all)
    func truncated(recording: Recording) throws {
        let telegram = try #require(try Findings(recording, [recording.bytes]).telegrams.first)
        for count in 0..<recording.bytes.count {
            let part = Array(recording.bytes[..<count])
            let alone = try Findings(recording, [part])
            // What is missing behind the last value may cost a warning, never a value.
            let isRight = alone.telegrams.allSatisfy { $0 == telegram || $0.isWarned(of: telegram) }
            #expect(isRight && alone.telegrams.count <= 1, "cut at \(count)")
            let isTold = !alone.telegrams.isEmpty || !alone.errors.isEmpty || alone.noise > 0
            #expect(isTold || count <= 1, "cut at \(count)")
            let silent = try Findings(recording, [part, recording.bytes], silences: [0])
            #expect(silent.telegrams.last == telegram, "cut at \(count), then silence")
            guard !recording.isDelimited else { continue }
            let next = try Findings(recording, [part + recording.bytes])
            #expect(next.telegrams.last?.content == telegram.content, "cut at \(count), then the next")
        }
    }

    @Test("never gives another value for a flipped bit, and reads the next message", arguments: Recordings.all)
    func flipped(recording: Recording) throws {
        let telegram = try #require(try Findings(recording, [recording.bytes]).telegrams.first)
        let content = telegram.content
        var unharmed = 0
        for index in recording.bytes.indices {
            for bit in 0..<8 {
                var bytes = recording.bytes
                bytes[index] ^= 1 << bit
                let findings = try Findings(recording, [bytes, recording.bytes], silences: [0])
                let isRight = findings.telegrams.allSatisfy { $0.content == content } || !recording.hasCheck
                #expect(isRight && findings.telegrams.count <= 2, "byte \(index), bit \(bit)")
                #expect(findings.telegrams.last == telegram, "byte \(index), bit \(bit)")
                if findings.telegrams.count == 2 { unharmed += 1 }
            }
        }
        // Flags, what stands before the protected part, and parity bits.
        #expect(unharmed < 2 * recording.bytes.count || !recording.hasCheck || recording.isExchange)
    }

    /// More than a link may hold, of everything that might look like a beginning.
    static let garbage: [(name: String, bytes: @Sendable (Int) -> [UInt8])] = [
        (
            "random",
            { count in
                var noise = SeededGenerator(seed: UInt64(count))
                return noise.bytes(count)
            }
        ),
        ("zeros", { [UInt8](repeating: 0, count: $0) }),
        ("flags", { [UInt8](repeating: 0x7E, count: $0) }),
        ("frame headers", { count in (0..<count).map { [0x7E, 0xA7, 0xFF][$0 % 3] } }),
        ("slashes", { [UInt8](repeating: UInt8(ascii: "/"), count: $0) }),
        ("starts of text", { [UInt8](repeating: 0x02, count: $0) }),
        ("brackets", { [UInt8](repeating: UInt8(ascii: "("), count: $0) }),
        (
            "an endless readout",
            { count in
                var text = Array("/LGZ4ZMF100AC.M26\r\n\r\n\u{2}".utf8)
                while text.count < count { text += Array("1.8.0(001234.567*kWh)\r\n".utf8) }
                return text
            }
        ),
        (
            "an endless line",
            { Array("/LGZ4ZMF100AC.M26\r\n\r\n\u{2}1.8.0(".utf8) + [UInt8](repeating: 0x31, count: $0) }
        ),
        (
            "identifications",
            { count in
                var text: [UInt8] = []
                while text.count < count { text += Array("/LGZ4ZMF100AC.M26\r\n".utf8) }
                return text
            }
        ),
    ]

    @Test("survives more garbage than it may hold, and reads the next message", arguments: Recordings.all)
    func garbage(recording: Recording) throws {
        let telegrams = try Findings(recording, [recording.bytes]).telegrams
        for (name, bytes) in Self.garbage {
            let garbage = bytes(3 * Limits.linkBuffer)
            let chunks = stride(from: 0, to: garbage.count, by: 4096).map {
                Array(garbage[$0..<min($0 + 4096, garbage.count)])
            }
            let findings = try Findings(recording, chunks + [recording.bytes], silences: [chunks.count - 1])
            #expect(findings.telegrams.last == telegrams.last, "\(name)")
            #expect(findings.telegrams.count == 1, "\(name)")
            // Flags and zeros fill a line, on the one kind or the other.
            let isFill = name == "flags" || name == "zeros"
            #expect(isFill || findings.noise > 0 || !findings.errors.isEmpty, "\(name)")
        }
    }

    @Test("says nothing on a line that it only listens to", arguments: Recordings.all)
    func listens(recording: Recording) throws {
        let meterProtocol = try #require(ProtocolRegistry.named(recording.protocolName))
        guard !meterProtocol.isPolled(recording.settings) else { return }
        var session = meterProtocol.makeSession(recording.settings)
        var telegrams: [Telegram] = []
        for event: SessionEvent in [
            .opened, .received(recording.bytes), .poll, .timer, .drained, .received([0x7E]), .timer, .closed, .opened,
        ] {
            for action in session.handle(event) {
                switch action {
                case .send, .setLine, .finished: Issue.record("\(event) led to \(action)")
                case .emit(let telegram): telegrams.append(telegram)
                case .arm, .disarm, .reject, .noise, .keep: break
                }
            }
        }
        #expect(telegrams == (try Findings(recording, [recording.bytes]).telegrams))
    }

    @Test("asks only when it is polled, and tells how each poll ended")
    func polled() throws {
        for meterProtocol in ProtocolRegistry.all where meterProtocol.isPolled(ProtocolSettings()) {
            var session = meterProtocol.makeSession(
                ProtocolSettings(line: meterProtocol.defaultLine(ProtocolSettings())))
            let unasked = session.handle(.opened) + session.handle(.received([0x2F, 0x00])) + session.handle(.timer)
            #expect(!unasked.contains { if case .send = $0 { true } else { false } })
            // A meter that never answers ends the poll with an error after a bounded number of timers.
            var actions = session.handle(.poll)
            var ends: [WireError?] = []
            for _ in 0..<100 where ends.isEmpty {
                var next: [SessionAction<Telegram>] = []
                for action in actions {
                    switch action {
                    case .send: next += session.handle(.drained)
                    case .arm: break
                    case .finished(let error): ends.append(error)
                    default: break
                    }
                }
                actions = next.isEmpty ? session.handle(.timer) : next
            }
            #expect(ends.count == 1 && ends.first.flatMap { $0 }?.code == .timeout, "\(meterProtocol.name)")
        }
    }
}
