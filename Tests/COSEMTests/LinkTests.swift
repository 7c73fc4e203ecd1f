import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Links without frames")
struct LinkTests {
    private static let message = Sample.notification("02 02 09 06 01 00 01 08 00 FF 06 00 12 D6 87")
    private static let telegram = Sample.decode(Sample.frame(Sample.header + message)).telegrams

    /// Every message without frames that a burst may be.
    private static let bare: [(name: String, bytes: [UInt8])] = [
        ("with header", Sample.header + message), ("data-notification", message),
        ("block", Sample.block(1, isLast: true, message)),
        ("several with headers", Sample.header + message + Sample.header + message),
    ]

    @Test("a bare message ends where the line falls silent", arguments: bare.indices)
    func bareMessages(row: Int) {
        let (name, bytes) = Self.bare[row]
        for chunks in [[bytes], bytes.map { [$0] }] {
            let result = Sample.decode(chunks)
            #expect(
                result.telegrams == (name.hasPrefix("several") ? Self.telegram + Self.telegram : Self.telegram),
                "\(name)")
            #expect(result.errors == [] && result.noise == 0)
        }
    }

    @Test("a ciphered bare message is read")
    func ciphered() throws {
        let expected = Sample.decode(Sample.authenticated).telegrams
        // Between flag, format, addresses, control, check and the two check bytes with the flag.
        let message = Array(Sample.authenticated.dropFirst(9).dropLast(3))
        #expect(Sample.decode(message).telegrams == expected)
        #expect(Sample.decode(Array(message.dropFirst(3))).telegrams == expected)
    }

    @Test("a bare message cut anywhere is refused, and the next burst is read")
    func cut() {
        for count in 1..<Self.message.count {
            var decoder = PushDecoder()
            decoder.append(Array(Self.message.prefix(count)))
            while decoder.next() != nil {}
            decoder.finish()
            var codes: [WireError.Code] = []
            while let output = decoder.next() {
                if case .frame = output { Issue.record("a telegram from \(count) bytes") }
                if case .rejected(let error, _) = output { codes.append(error.code) }
            }
            #expect(codes == [.truncated], "\(count)")
            #expect(FramerVerifier.frames(decoder, chunks: [Self.message]) == Self.telegram)
        }
    }

    @Test("bursts and silence through a session: every message is read when the line falls silent")
    func bursts() {
        var session = PushSession(silence: .milliseconds(100)) { PushDecoder(keys: Sample.keys) }
        _ = session.handle(.opened)
        var telegrams: [Telegram] = []
        for burst in [
            Self.message, Sample.header + Self.message, Sample.wrapper(Self.message), Self.message, Sample.bareValues,
        ] {
            telegrams += session.run(burst)
        }
        #expect(telegrams.count == 5)
    }

    @Test(
        "a glitch on a quiet line costs no later message",
        arguments: [[0xFF], [0x00], [0x7E], [0x10], [0x16], [0x0F], [0x00, 0x01], [0x55, 0x7F]] as [[UInt8]])
    func glitch(bytes: [UInt8]) {
        for message in [Self.message, Sample.header + Self.message, Sample.wrapper(Self.message), Sample.bareValues] {
            var session = PushSession(silence: .milliseconds(100)) { PushDecoder(keys: Sample.keys) }
            _ = session.handle(.opened)
            _ = session.run(bytes)
            // A flag stays in case the next frame shares it, at the cost of one message without frame.
            let first = session.run(message)
            #expect(first.count == 1 || bytes == [0x7E])
            for _ in 0..<3 { #expect(session.run(message).count == 1) }
        }
    }

    // MARK: Datagrams

    /// What comes of messages, each piece in a datagram of its own, without a silence.
    private static func decode(datagrams: [[UInt8]]) -> (result: Sample.Result, isIdle: Bool) {
        var session = PushSession(silence: .milliseconds(100)) { PushDecoder(keys: Sample.keys) }
        var result = Sample.Result()
        var isIdle = false
        for event in [.opened] + datagrams.flatMap({ [SessionEvent.received($0), .boundary] }) {
            for action in session.handle(event) {
                switch action {
                case .emit(let telegram): result.telegrams.append(telegram)
                case .reject(let error): result.errors.append(error)
                case .noise(let count): result.noise += count
                case .arm: isIdle = false
                case .disarm: isIdle = true
                case .send, .setLine, .keep, .finished: Issue.record("\(action)")
                }
            }
        }
        return (result, isIdle)
    }

    @Test("a bare message ends with its datagram", arguments: bare.indices)
    func bareDatagrams(row: Int) {
        let (name, bytes) = Self.bare[row]
        let one = name.hasPrefix("several") ? Self.telegram + Self.telegram : Self.telegram
        let (result, isIdle) = Self.decode(datagrams: [bytes, bytes])
        #expect(result.telegrams == one + one && result.errors == [] && result.noise == 0, "\(name)")
        #expect(isIdle, "\(name)")
    }

    /// One block in each datagram, in what a datagram may hold.
    private static let blocks: [(name: String, blocks: [[UInt8]])] = {
        let size = (message.count + 2) / 3
        let bare = (1...3).map { number in
            let data = Array(message.dropFirst((number - 1) * size).prefix(size))
            return Sample.block(UInt16(number), isLast: number == 3, data)
        }
        return [
            ("bare", bare), ("wrapped", bare.map(Sample.wrapper)),
            ("framed", Sample.blocks(message, count: 3)), ("with headers", bare.map { Sample.header + $0 }),
        ]
    }()

    @Test("the blocks of one message may come in several datagrams", arguments: blocks.indices)
    func blockDatagrams(row: Int) {
        let (name, blocks) = Self.blocks[row]
        let (result, isIdle) = Self.decode(datagrams: blocks + blocks)
        #expect(result.telegrams == Self.telegram + Self.telegram && result.errors == [], "\(name)")
        #expect(isIdle, "\(name)")
        let (part, isPartIdle) = Self.decode(datagrams: blocks.dropLast())
        #expect(part.telegrams == [] && part.errors == [] && !isPartIdle, "\(name)")
        // A lost datagram costs its message, and no other one.
        let (gap, _) = Self.decode(datagrams: [blocks[0], blocks[2]] + blocks)
        #expect(gap.telegrams == Self.telegram && gap.codes == [.framing], "\(name)")
    }

    @Test("a message that was cut does not go on in the next datagram")
    func cutDatagram() {
        for count in 1..<Self.message.count {
            let (part, rest) = (Array(Self.message.prefix(count)), Array(Self.message.dropFirst(count)))
            let (result, _) = Self.decode(datagrams: [part, rest])
            #expect(result.telegrams == [], "cut at \(count)")
            let (whole, _) = Self.decode(datagrams: [part, Self.message])
            #expect(whole.telegrams == Self.telegram && whole.codes == [.truncated], "cut at \(count)")
        }
    }

    // MARK: Wrapper

    @Test("wrapped messages follow each other without a silence")
    func wrapped() {
        let one = Sample.wrapper(Self.message)
        let deviations = FramerVerifier.deviations({ PushDecoder() }, input: one, expected: Self.telegram)
        #expect(deviations == [])
        var decoder = PushDecoder()
        decoder.append(one)
        guard case .frame? = decoder.next() else {
            Issue.record("a wrapped message waits for something")
            return
        }
        #expect(decoder.isIdle)
    }

    @Test("a wrapped message cut anywhere is refused, and after the silence the next is read")
    func wrapperCut() {
        let bytes = Sample.wrapper(Self.message)
        for count in 1..<bytes.count {
            var decoder = PushDecoder()
            #expect(FramerVerifier.frames(decoder, chunks: [Array(bytes.prefix(count))]) == [], "\(count)")
            decoder.append(Array(bytes.prefix(count)))
            while decoder.next() != nil {}
            decoder.finish()
            while decoder.next() != nil {}
            #expect(FramerVerifier.frames(decoder, chunks: [bytes]) == Self.telegram, "\(count)")
        }
    }

    @Test("a wrapped message that is none is refused, and the next is read")
    func wrapperWithOther() {
        let bytes = Sample.wrapper([0xC4, 1, 2]) + Sample.wrapper(Self.message)
        let result = Sample.decode(bytes)
        #expect(result.codes == [.unsupported])
        #expect(result.telegrams == Self.telegram)
    }

    @Test(
        "what looks like a wrapper swallows no frame",
        arguments: [0x0001, 0x0012, 0x0100, 0x7000, 0x8000, 0x8001, 0xFFFF, 0])
    func falseWrapper(length: Int) {
        let noise: [UInt8] = [0, 1, 8, 0, 0xFF, 6, UInt8(length >> 8), UInt8(length & 0xFF)]
        let expected = Sample.decode(Sample.bareValues).telegrams
        let input = noise + Sample.bareValues + Sample.bareValues
        #expect(Sample.decode(input).telegrams == expected + expected)
        #expect(Sample.decode(input.map { [$0] }).telegrams == expected + expected)
    }

    // MARK: False beginnings

    @Test("what looks like a bare message swallows no frame", arguments: [0x0F, 0xDB, 0xE0, 0xE6] as [UInt8])
    func falseMessage(first: UInt8) {
        let expected = Sample.decode(Sample.bareValues).telegrams
        for noise in [
            [first], [first, 0xE7], [first, 0xE7, 0, 1, 2, 3], [first] + Array(repeating: 0x55, count: 100),
        ] as [[UInt8]] {
            let input = noise + Sample.bareValues + Sample.objectList
            for chunks in [[input], input.map { [$0] }, [noise, Sample.bareValues, Sample.objectList]] {
                let result = Sample.decode(chunks)
                #expect(result.telegrams.count == 2)
                #expect(result.telegrams.first == expected.first)
            }
        }
    }

    @Test("frames behind the start of a bare message are found also when the silence comes first")
    func finishedAtOnce() {
        var decoder = PushDecoder()
        decoder.append([0x0F, 0x55] + Sample.bareValues)
        decoder.finish()
        var telegrams = 0
        while let output = decoder.next() { if case .frame = output { telegrams += 1 } }
        #expect(telegrams == 1)
    }

    @Test("a bare message beyond the limit is given up, and a frame at its end is not", arguments: [1, 3, 12, 50, 91])
    func overlong(split: Int) {
        let noise = [0x0F] + Array(repeating: UInt8(0x55), count: Limits.apdu - split)
        let frame = Sample.bareValues
        let result = Sample.decode([noise + frame.prefix(split), Array(frame.dropFirst(split)), frame])
        #expect(result.telegrams.count == 2)
    }
}

extension PushSession<PushDecoder> {
    /// One burst, and the silence behind it where the session waits for that.
    mutating func run(_ burst: [UInt8]) -> [Telegram] {
        var actions = handle(.received(burst))
        if case .arm? = actions.last { actions += handle(.timer) }
        return actions.compactMap { if case .emit(let telegram) = $0 { telegram } else { nil } }
    }
}
