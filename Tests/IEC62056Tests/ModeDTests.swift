import IEC62056
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Meters that talk by themselves")
struct ModeDTests {
    static func meter(hasBlockCheck: Bool) -> OpticalMeter {
        OpticalMeter(configuration: .init(manufacturer: "EMH", mode: .d, hasBlockCheck: hasBlockCheck)) {
            [
                .init("1-0:0.0.0*255", "331200-5009810"), .init("1-0:1.8.1*255", "011234.5678", unit: "kWh"),
                .init("1-0:2.8.1*255", "000089.0123", unit: "kWh"), .init("1-0:16.7.0*255", "-000450", unit: "W"),
                .init("0-0:96.5.5*255", "82"), .init("21.7.0", "-12.5", unit: "W"),
            ]
        }
    }

    static func push(hasBlockCheck: Bool) -> [UInt8] {
        var meter = meter(hasBlockCheck: hasBlockCheck)
        return meter.push()
    }

    static let plain = push(hasBlockCheck: false)
    static let whole = heard([plain])

    static func heard(_ chunks: [[UInt8]]) -> [Telegram] {
        FramerVerifier.frames(ReadoutDecoder(source: .line), chunks: chunks)
    }

    @Test("telegrams come out however they arrive, and nothing is sent to the meter", arguments: [false, true])
    func stream(hasBlockCheck: Bool) throws {
        let push = Self.push(hasBlockCheck: hasBlockCheck)
        try #require(Self.whole.count == 1)
        #expect(Self.whole[0].registers.count == 6)
        #expect(
            FramerVerifier.deviations({ ReadoutDecoder(source: .line) }, input: push, expected: Self.whole) == [])
        let parity = Sample.withParity(push)
        #expect(
            FramerVerifier.deviations({ ReadoutDecoder(source: .line) }, input: parity, expected: Self.whole) == [])
        var meter = Self.meter(hasBlockCheck: hasBlockCheck)
        #expect(meter.receive(Sample.bytes("/?!\r\n")) == [])
    }

    @Test("the line of mode D is 2400 7E1")
    func line() {
        #expect("\(LineSettings.modeD)" == "2400 7E1")
        #expect(OpticalMeter.Configuration(mode: .d).line == .modeD)
    }

    @Test(
        "a telegram that was joined in its middle gives nothing, and the next ones are read", arguments: [false, true])
    func joined(hasBlockCheck: Bool) {
        let push = Self.push(hasBlockCheck: hasBlockCheck)
        let block = push.firstIndex(of: 0x02) ?? 0
        for start in 1..<push.count {
            let got = Self.heard([Array(push[start...]) + push + push])
            // A block is whole from STX on; only the identification line is missing.
            let rest = start <= block ? 1 : 0
            #expect(got.suffix(2) == Self.whole + Self.whole && got.count == 2 + rest, "from \(start)")
            #expect(got.allSatisfy { $0.registers == Self.whole[0].registers })
        }
    }

    @Test("a telegram whose end was lost and that runs into the next one is refused", arguments: [false, true])
    func lostEnd(hasBlockCheck: Bool) {
        let push = Self.push(hasBlockCheck: hasBlockCheck)
        let end = hasBlockCheck ? push.count : push.count - 2
        for count in 5..<end {
            let outputs = FramerVerifier.outputs(
                ReadoutDecoder(source: .line), chunks: (push[..<count] + push).map { [$0] })
            let frames = outputs.compactMap { if case .frame(let telegram) = $0 { telegram } else { nil } }
            #expect(frames == Self.whole, "at \(count)")
            #expect(outputs.contains { if case .rejected = $0 { true } else { false } } || count < 20, "at \(count)")
        }
    }

    @Test("bytes lost in the middle never join two telegrams where the first line says so")
    func lostMiddle() {
        let text = String(decoding: Self.plain, as: UTF8.self)
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false).map { $0 + "\r\n" }
        // From the line 2.8.1 of the first one to the line 0.0.0 of the second one.
        let joined = lines.prefix(4).joined() + lines.dropFirst(2).joined()
        let errors = errors(Sample.bytes(joined), source: .line)
        #expect(Self.heard([Sample.bytes(joined)]).isEmpty)
        #expect(errors.map(\.code) == [.framing])
    }

    @Test("a silence ends what was cut off")
    func silence() {
        var session = PushSession(silence: .seconds(1)) { ReadoutDecoder(source: .line) }
        #expect(session.handle(.received(Array(Self.plain.prefix(60)))) == [.arm(.seconds(1))])
        #expect(session.handle(.timer) == [.reject(WireError(.truncated, ""))])
        #expect(session.handle(.received(Self.plain)) == [.emit(Self.whole[0]), .disarm])
        #expect(session.handle(.received(Array(Self.plain.suffix(40)))).last == .arm(.seconds(1)))
        #expect(session.handle(.timer) == [.reject(WireError(.framing, ""))])
    }

    @Test("more garbage than a link may hold costs nothing but itself")
    func garbage() {
        let beginning = Sample.bytes("/EMH3SIM-1\r\n\r\n")
        let kinds: [[UInt8]] = [
            [0x00], [0x02], [0x2F], Sample.bytes("("), Sample.bytes("!\r\n"), [0xFF, 0x80],
            Sample.bytes("1.8.0(1*kWh)\r\n"),
            beginning, Sample.bytes("/EMH"), Sample.bytes("\u{6}0"), beginning + [0x02], Sample.bytes("x\r\n"),
        ]
        for (index, kind) in kinds.enumerated() {
            let start = index.isMultiple(of: 2) ? [] : beginning
            let garbage = start + Array(repeating: kind, count: 3 * Limits.linkBuffer / kind.count).flatMap { $0 }
            var decoder = ReadoutDecoder(source: .line)
            var frames: [Telegram] = []
            func take() {
                while let output = decoder.next() { if case .frame(let telegram) = output { frames.append(telegram) } }
            }
            for byte in garbage {
                decoder.append([byte])
                take()
            }
            decoder.finish()
            take()
            decoder.append(Self.plain)
            take()
            #expect(frames == Self.whole, "\(kind)")
        }
    }

    // MARK: Damage

    @Test("with parity bits no flipped bit gives another value, and the next telegram is read")
    func parity() {
        let sample = Sample.withParity(Self.plain)
        var read = 0
        for index in sample.indices {
            for bit in 0..<8 {
                var bytes = sample
                bytes[index] ^= 1 << bit
                let got = Self.heard([bytes, sample])
                #expect(got.allSatisfy { $0 == Self.whole[0] }, "byte \(index) bit \(bit)")
                #expect(got.last == Self.whole[0], "behind byte \(index) bit \(bit)")
                read += got.count
            }
        }
        // What is between the lines may be damaged without harm.
        #expect(read < 8 * sample.count + 8 * 4)
    }

    @Test("a character that the port gives as NUL because of its parity refuses the telegram", arguments: [0x00, 0x7F])
    func replaced(by replacement: UInt8) {
        for index in Self.plain.indices {
            var bytes = Self.plain
            bytes[index] = replacement
            let got = Self.heard([bytes, Self.plain])
            #expect(got.allSatisfy { $0 == Self.whole[0] }, "byte \(index)")
            #expect(got.last == Self.whole[0], "behind byte \(index)")
        }
    }

    @Test(
        "one damaged line refuses the telegram and says why",
        arguments: [
            ("1.8.1*255(0112", "1.8.1*255(01q2", WireError.Code.malformed),
            ("1-0:1.8.1", "1-p:1.8.1", .malformed),
            ("\r\n1-0:2.8.1", "\r*1-0:2.8.1", .malformed),
            ("\r\n1-0:2.8.1", "\r\n:2.8.1", .malformed),
            ("5678*kWh)", "5678*kWh\t", .malformed),
            ("5678*kWh)", "5678*kW\u{8})", .malformed),
            (".5678", "/5678", .malformed),
            ("(82)", "82)", .malformed),
            ("(82)", "(82", .malformed),
            ("!\r\n", "\r\n", .truncated),
            ("!\r\n", "!x\r\n", .malformed),
            ("011234", "011\u{2}34", .malformed),
            ("331200", "331\u{2}00", .truncated),
            ("/EMH", "/E(H", .framing),
        ])
    func damaged(_ part: String, _ damaged: String, _ code: WireError.Code) throws {
        // By bytes: CR LF is one character of a String.
        let range = try #require(Self.plain.ranges(of: Sample.bytes(part)).first)
        let bad = Array(Self.plain[..<range.lowerBound] + Sample.bytes(damaged) + Self.plain[range.upperBound...])
        #expect(errors(bad, source: .line).first?.code == code)
        #expect(Self.heard([bad]).isEmpty)
        #expect(Self.heard([bad + Self.plain]) == Self.whole)
    }

    @Test("values of the odd kinds that meters send are no damage")
    func oddValues() {
        for value in [
            "()", "(----)", "(0A8*W&082*kWh)", "(--.--*kW)", "(088*C&082*C)", "(0012,5*kWh)", "(- 00.48*kW)",
            "(12:30*h)", "(A5)",
            "(0.485*kW)(2401151230)", "(****.***)",
        ] {
            let bytes = Sample.bytes("/EMH4x\r\n\r\n0.0.0(1)\r\n1.6.1\(value)\r\n!\r\n")
            #expect(Self.heard([bytes]).count == 1, "\(value)")
        }
    }

    @Test("a meter that has sent a block check is not believed without one")
    func lostBlockStart() {
        let push = Self.push(hasBlockCheck: true)
        var lost = push
        lost.removeAll { $0 == 0x02 }
        #expect(Self.heard([push, lost, push]) == Self.whole + Self.whole)
        // A block that was joined behind its identification line does not make it forgotten.
        let joined = Array(push.drop { $0 != 0x02 })
        #expect(Self.heard([push, joined, lost]).map(\.meter.manufacturer) == ["EMH", nil])
        // Another meter on the same line may be of the other kind.
        let other = Sample.plainReadout
        #expect(Self.heard([push, other]) == Self.whole + telegrams(other))
        let strict = ReadoutDecoder(source: .line, requiresBlockCheck: true)
        #expect(FramerVerifier.frames(strict, chunks: [lost + push]) == Self.whole)
    }

    @Test("noise between telegrams costs none of them", arguments: [false, true])
    func noise(hasBlockCheck: Bool) {
        let push = Self.push(hasBlockCheck: hasBlockCheck)
        var random = SeededGenerator(seed: 62056)
        for _ in 0..<200 {
            let noise = random.bytes(Int.random(in: 1...200, using: &random))
            // A line falls silent between telegrams.
            var decoder = ReadoutDecoder(source: .line)
            var frames: [Telegram] = []
            for chunk in [noise, push, noise, push] {
                decoder.append(chunk)
                decoder.finish()
                while let output = decoder.next() { if case .frame(let telegram) = output { frames.append(telegram) } }
            }
            #expect(frames == Self.whole + Self.whole)
        }
    }
}
