import MeterSimulator
import Metering
import OBIS
import Testing
import Wire

/// The decisions of a probe, without a port: what it listens to, what it asks, and when it is sure.
@Suite("Finding out what is on a port")
struct PortProbeTests {
    private static let plain = Recordings.telegram(.v50).bytes
    private static let ciphered = Recordings.telegram(.v50, encrypted: true).bytes
    private static let garbage: [UInt8] = (0..<60).map { UInt8(truncatingIfNeeded: 37 &* $0 &+ 11) }

    /// What the steps of a probe are, when nothing else happens but this.
    private struct Walk {
        var probe: PortProbe
        var now = Duration.zero
        var places: [String] = []

        init(asks: Bool = false, hasLine: Bool = true, keys: ProtocolSettings = ProtocolSettings()) {
            probe = PortProbe(
                protocols: ProtocolRegistry.all, settings: .init(asks: asks, hasLine: hasLine, keys: keys))
        }

        /// - Parameter bytes: what arrives at a line, each piece at its time from the beginning of the step.
        mutating func run(_ bytes: (LineSettings?) -> [(Duration, [UInt8])]) {
            for _ in 0..<100 {
                places.append(probe.step.place)
                switch probe.step {
                case .done: return
                case .ask: _ = probe.handle(.answered([], WireError(.timeout, "no answer")), at: now)
                case .listen(let line): listen(bytes(line))
                }
            }
            Issue.record("it does not come to an end")
        }

        private mutating func listen(_ pieces: [(Duration, [UInt8])]) {
            let start = now
            var pieces = pieces[...]
            var isOver = probe.handle(.began, at: now)
            while !isOver {
                let due = probe.deadline(after: now) ?? now
                if let (time, bytes) = pieces.first, start + time <= due {
                    now = start + time
                    pieces = pieces.dropFirst()
                    isOver = probe.handle(.received(bytes), at: now)
                } else {
                    // Time that does not pass would be an endless loop at the port.
                    guard due > now else {
                        Issue.record("the deadline is not ahead")
                        return
                    }
                    now = due
                    isOver = probe.handle(.time, at: now)
                }
            }
        }
    }

    private static func every(_ period: Duration, _ bytes: [UInt8], from first: Duration) -> [(Duration, [UInt8])] {
        (0..<20).map { (first + period * $0, bytes) }
    }

    @Test("listens to the most usual line of each protocol first, and to every one once, in ninety seconds")
    func silence() {
        var walk = Walk()
        walk.run { _ in [] }
        #expect(
            walk.places.prefix(4) == [
                "listening at 2400 8E1", "listening at 2400 8N1", "listening at 115200 8N1", "listening at 9600 8N1",
            ])
        #expect(Set(walk.places).count == walk.places.count)
        for baud in [300, 9600, 19200, 38400, 57600] {
            #expect(walk.places.contains { $0.contains("at \(baud) ") }, "\(baud)")
        }
        #expect(walk.probe.finding == nil && walk.now <= .seconds(90), "\(walk.now)")
        #expect(walk.probe.traces.allSatisfy { !$0.hasBytes && $0.sentence == nil })
    }

    @Test("asks only if it may, behind the usual lines, and each question once where the line cannot be set")
    func questions() {
        var walk = Walk(asks: true)
        walk.run { _ in [] }
        #expect(walk.places[4...12].allSatisfy { !$0.hasPrefix("listening") }, "\(walk.places)")
        #expect(walk.places[13].hasPrefix("listening"))
        var network = Walk(asks: true, hasLine: false)
        network.run { _ in [] }
        #expect(
            network.places == [
                "listening", "DLMS association of the public client", "sign-on", "sign-on after a wake-up",
                "M-Bus request to all", "M-Bus selection of any",
                "listening", "listening", "done",
            ])
    }

    @Test("leaves a line early on which somebody talks and is not understood, and stops where two messages are")
    func burst() {
        var walk = Walk()
        walk.run { line in
            line?.baud == 115_200
                ? Self.every(.seconds(1), Self.plain, from: .milliseconds(500))
                : Self.every(.seconds(1), Self.garbage, from: .milliseconds(500))
        }
        let finding = walk.probe.finding
        #expect(finding?.meterProtocol.name == "dsmr-p1" && finding?.line == LineSettings(baud: 115_200))
        #expect(finding?.confidence == .certain && finding?.messages == 2)
        #expect(finding.map { $0.meter(of: $0.telegrams).id } == "E0012345678901234")
        #expect(walk.now < .seconds(12), "\(walk.now)")
    }

    @Test("does not leave a line because its first message was half over")
    func joined() {
        var walk = Walk()
        walk.run { line in
            guard line == LineSettings(baud: 115_200) else { return [] }
            return [(.milliseconds(10), Array(Self.plain.suffix(300)))]
                + Self.every(.seconds(5), Self.plain, from: .seconds(5))
        }
        #expect(walk.probe.finding?.meterProtocol.name == "dsmr-p1")
    }

    @Test("takes seven data bits for what they are")
    func sevenBits() {
        let bytes = Recordings.telegram(.v22).bytes.map(Self.withEvenParity)
        var walk = Walk()
        walk.run { $0 == LineSettings(baud: 9600) ? Self.every(.seconds(2), bytes, from: .seconds(1)) : [] }
        #expect(walk.probe.finding?.line == LineSettings(baud: 9600, dataBits: 7, parity: .even))
        #expect(walk.probe.finding?.meterProtocol.name == "dsmr-p1")
    }

    private static func withEvenParity(_ byte: UInt8) -> UInt8 {
        byte.nonzeroBitCount.isMultiple(of: 2) ? byte : byte | 0x80
    }

    @Test("tells that messages are encrypted and by whose meter, and reads them with the key")
    func encrypted() {
        func walk(_ keys: ProtocolSettings) -> ProbeFinding? {
            var walk = Walk(keys: keys)
            walk.run {
                $0 == LineSettings(baud: 115_200) ? Self.every(.seconds(5), Self.ciphered, from: .seconds(1)) : []
            }
            return walk.probe.finding
        }
        let closed = walk(ProtocolSettings())
        #expect(closed?.sealed?.code == .keyMissing && closed?.meter(of: []).manufacturer == "ISK")
        #expect(closed?.telegrams == [] && closed?.confidence != .certain)
        let open = walk(
            ProtocolSettings(
                encryptionKey: Recordings.encryptionKey, authenticationKey: Recordings.authenticationKey))
        #expect(open?.sealed == nil && open?.meterProtocol.name == "dsmr-p1" && open?.telegrams.isEmpty == false)
    }

    @Test("says what the bytes look like that nobody understood")
    func traces() {
        var walk = Walk()
        let text = Array("the quick brown fox jumps over the lazy dog ".utf8)
        walk.run { line in
            switch line {
            case LineSettings(baud: 9600)?: Self.every(.seconds(1), text.map(Self.withEvenParity), from: .seconds(1))
            case LineSettings(baud: 115_200)?: Self.every(.seconds(1), text.map { ~$0 }, from: .seconds(1))
            default: []
            }
        }
        let sentences = walk.probe.traces.compactMap(\.sentence)
        #expect(walk.probe.finding == nil && sentences.count == 2)
        #expect(sentences.contains { $0.contains("9600 8N1") && $0.contains("seven data bits and even parity") })
        #expect(sentences.contains { $0.contains("115200 8N1") && $0.contains("inverted") })
    }

    @Test("passes over a line that the port does not have")
    func refused() {
        var walk = Walk()
        _ = walk.probe.handle(.refused("no port has it"), at: .zero)
        walk.run { _ in [] }
        #expect(walk.places.first == "listening at 2400 8N1")
        #expect(walk.probe.traces.compactMap(\.sentence) == ["listening at 2400 8E1: no port has it"])
    }

    @Test("can find every protocol of the registry")
    func registry() {
        for meterProtocol in ProtocolRegistry.all {
            let recognition = meterProtocol.recognition
            #expect(!recognition.lines.isEmpty || !recognition.questions.isEmpty, "\(meterProtocol.name)")
            #expect(recognition.advice != nil, "\(meterProtocol.name)")
        }
    }
}
