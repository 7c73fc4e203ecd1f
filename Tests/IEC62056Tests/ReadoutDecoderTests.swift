import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Readouts on the wire")
struct ReadoutDecoderTests {
    static let whole = telegrams(Sample.readout)

    @Test(
        "a readout comes out the same in every way of arriving",
        arguments: [
            ("with block check", Sample.readout),
            ("without block check", Sample.plainReadout),
            ("with parity bits", Sample.withParity(Sample.readout)),
            ("behind an echo", Sample.bytes("\u{7F}\u{0}/?!\r\n") + Sample.readout),
            ("behind an echo with an address", Sample.bytes("/?00001234!\r\n") + Sample.readout),
        ])
    func everyWay(_ name: String, _ bytes: [UInt8]) throws {
        let expected = telegrams(bytes)
        try #require(expected.count == 1)
        #expect(expected == Self.whole)
        #expect(FramerVerifier.deviations({ ReadoutDecoder() }, input: bytes, expected: expected) == [])
        #expect(FramerVerifier.deviations({ ReadoutDecoder(source: .line) }, input: bytes, expected: expected) == [])
    }

    @Test(
        "the acknowledgement and what a line gives while its rate changes may stand before STX",
        arguments: ["\u{6}050\r\n", "\u{6}050\n\n", "\r\n\u{0}\u{7F}", "\u{6}05x", "~~", "\u{6}050\r\n&"])
    func beforeBlock(_ text: String) {
        let block = Sample.block(Sample.text(Sample.lines) + "!\r\n")
        #expect(telegrams(Sample.bytes(Sample.identification + text) + block) == Self.whole)
    }

    @Test(
        "line ends of other systems and a missing one are read",
        arguments: ["\n", "\r", "\n\n", "\r\n"])
    func lineEnds(_ end: String) {
        let text = (["/LGZ4ZMF100AC.M26"] + Sample.lines + ["!"]).joined(separator: end)
        #expect(telegrams(Sample.bytes(text)) == Self.whole)
        #expect(telegrams(Sample.bytes(text + end)) == Self.whole)
    }

    @Test("the end mark may stand behind the last data set")
    func endMarkOnLine() {
        let text = Sample.lines.joined(separator: "\r\n") + "!\r\n"
        #expect(telegrams(Sample.bytes(Sample.identification) + Sample.block(text)) == Self.whole)
        #expect(telegrams(Sample.bytes(Sample.identification + text)) == Self.whole)
    }

    @Test("without a block check a readout is there as soon as its end line is")
    func plainAtOnce() {
        var decoder = ReadoutDecoder(source: .line)
        decoder.append(Array(Sample.plainReadout.dropLast(2)))
        #expect(frame(decoder.next()) == nil)
        decoder.append([0x0D])
        #expect(frame(decoder.next()) == Self.whole.first)
        decoder.append([0x0A])
        #expect(decoder.next() == nil)
        #expect(decoder.isIdle)
    }

    @Test("with a block check a readout is there as soon as its check character is")
    func blockAtOnce() {
        var decoder = ReadoutDecoder(source: .line)
        decoder.append(Array(Sample.readout.dropLast()))
        #expect(decoder.next() == nil)
        #expect(!decoder.isIdle)
        decoder.append([Sample.readout.last ?? 0])
        #expect(frame(decoder.next()) == Self.whole.first)
        #expect(decoder.isIdle)
    }

    private func frame(_ output: FramerOutput<Telegram>?) -> Telegram? {
        if case .frame(let telegram) = output { telegram } else { nil }
    }

    // MARK: Programming mode

    @Test("answers of programming mode need no end line")
    func answer() {
        let answer = telegrams(Sample.block("1.8.0(061561.289*kWh)"))
        #expect(answer.first?.registers.first?.value == .number(FixedDecimal(61_561_289, exponent: -3)))
        #expect(answer.first?.meter.manufacturer == nil)
    }

    @Test("a partial block ends with EOT and says so")
    func partialBlock() {
        let answer = telegrams(Sample.block("P.01(1)(2)", end: 0x04))
        #expect(answer.first?.registers.count == 2)
        #expect(answer.first?.warnings.count == 1)
    }

    @Test("the password request carries an operand of the meter, a command of the reader no value")
    func commands() {
        let request = telegrams([0x01] + Sample.bytes("P0\u{2}(1234567)\u{3}P"))
        #expect(request.first?.registers.map(\.text) == ["1234567"])
        let command = telegrams([0x01] + Sample.bytes("R1\u{2}1.8.0(1)\u{3}k"))
        #expect(command.count == 1)
        #expect(command.first?.registers == [])
        #expect(telegrams(SignOn.breakMessage).count == 1)
    }

    @Test("an error message of the meter is reported as such", arguments: ["(ER07)", "(ERROR)", "1.8.0(ER01)", "(ER)"])
    func meterError(_ text: String) {
        #expect(telegrams(Sample.block(text)).isEmpty)
        #expect(errors(Sample.block(text)).map(\.code) == [.meterError])
        #expect(errors(Sample.bytes(Sample.identification) + Sample.block(text)).map(\.code) == [.meterError])
    }

    // MARK: What is missing

    @Test("a recording that stops at the end line is read with a warning, a line that does lost something")
    func noBlockEnd() {
        let cut = Array(Sample.readout.dropLast(2))
        #expect(telegrams(cut).map(\.registers) == Self.whole.map(\.registers))
        #expect(telegrams(cut).first?.warnings.count == 1)
        #expect(telegrams(cut, source: .line).isEmpty)
        #expect(errors(cut, source: .line).map(\.code) == [.truncated])
    }

    @Test("a recording of data lines alone is read with a warning, a line that gives them lost the beginning")
    func bareLines() {
        let lines = Sample.bytes(Sample.text(Sample.lines))
        #expect(telegrams(lines).map(\.registers) == Self.whole.map(\.registers))
        #expect(telegrams(lines + Sample.bytes("!\r\n")).map(\.registers) == Self.whole.map(\.registers))
        #expect(telegrams(lines).first?.warnings.count == 1)
        #expect(telegrams(lines, source: .line).isEmpty)
        #expect(errors(lines, source: .line).map(\.code) == [.framing])
    }

    @Test(
        "data lines are no readout when anything else comes with them",
        arguments: ["GZ4ZMF100AC.M26\r\n", "hello\r\n", "\u{3}\u{1}", "x(\r\n", "/?!\r\n", "SN(1)\r\n"])
    func notOnlyLines(_ start: String) {
        let bytes = Sample.bytes(start + Sample.text(Sample.lines))
        #expect(telegrams(bytes).isEmpty)
        #expect(errors(bytes).map(\.code) == [.framing])
    }

    @Test("a session can insist on the block check")
    func requiredBlockCheck() {
        let strict = ReadoutDecoder(source: .line, requiresBlockCheck: true)
        #expect(FramerVerifier.frames(strict, chunks: [Sample.plainReadout]).isEmpty)
        #expect(FramerVerifier.frames(strict, chunks: [Sample.readout]) == Self.whole)
    }

    @Test("a P1 telegram is pointed to its own protocol")
    func p1() {
        let bytes = Sample.bytes("/ISk5\\2MT382-1000\r\n\r\n1-0:1.8.1(123456.789*kWh)\r\n!522B\r\n")
        #expect(telegrams(bytes).isEmpty)
        #expect(errors(bytes).map(\.code) == [.unsupported])
    }

    @Test(
        "what is well-framed and holds nothing is refused",
        arguments: [("!\r\n", WireError.Code.malformed), ("", .malformed), ("hello\r\n!\r\n", .malformed)])
    func empty(_ text: String, _ code: WireError.Code) {
        #expect(errors(Sample.bytes(Sample.identification) + Sample.block(text)).map(\.code) == [code])
    }
}

@Suite("Damage")
struct DamageTests {
    static let wholeValues = telegrams(Sample.readout).map(\.registers)

    @Test("a wrong block check refuses the readout and the next one is read")
    func wrongCheck() {
        var bad = Sample.readout
        bad[bad.count - 1] ^= 0x01
        let bytes = bad + Sample.readout
        #expect(telegrams(bytes).map(\.registers) == Self.wholeValues)
        #expect(errors(bytes).map(\.code) == [.checksum])
    }

    @Test("no flipped bit in a checked block gives other values, and the readout behind it is always read")
    func flippedBits() {
        for (source, sample) in [
            (ReadoutDecoder.Source.recording, Sample.readout), (.line, Sample.readout),
            (.recording, Sample.withParity(Sample.readout)),
        ] {
            for index in Sample.identification.utf8.count..<sample.count {
                for bit in 0..<8 {
                    var bytes = sample
                    bytes[index] ^= 1 << bit
                    let got = telegrams(bytes, source: source)
                    #expect(got.allSatisfy { $0.registers == Self.wholeValues.first }, "byte \(index) bit \(bit)")
                    let both = telegrams(bytes + sample, source: source)
                    #expect(both.last?.registers == Self.wholeValues.first, "behind byte \(index) bit \(bit)")
                    #expect(both.allSatisfy { $0.registers == Self.wholeValues.first })
                }
            }
        }
    }

    @Test("flipped bits anywhere never stop the next readout without block check from being read")
    func flippedBitsWithoutCheck() {
        let whole = telegrams(Sample.plainReadout).first
        for index in Sample.plainReadout.indices {
            for bit in 0..<8 {
                var bytes = Sample.plainReadout
                bytes[index] ^= 1 << bit
                let both = telegrams(bytes + Sample.plainReadout, source: .line)
                #expect(both.last == whole && both.count <= 2, "byte \(index) bit \(bit)")
            }
        }
    }

    @Test("a readout cut off anywhere gives nothing, and the next one is read", arguments: [false, true])
    func truncated(isPlain: Bool) {
        let sample = isPlain ? Sample.plainReadout : Sample.readout
        let whole = telegrams(sample)
        // The end mark is the end of a readout without block check.
        let end = isPlain ? sample.count - 2 : sample.count
        for count in 0..<end {
            let cut = Array(sample[..<count])
            #expect(telegrams(cut, source: .line).isEmpty, "at \(count)")
            #expect(telegrams(cut + sample, source: .line) == whole, "behind \(count)")
            #expect(errors(cut, source: .line).count == (count > 4 ? 1 : 0), "at \(count)")
        }
    }

    @Test("a readout whose beginning was not heard gives nothing, and the next one is read", arguments: [false, true])
    func joined(isPlain: Bool) {
        let sample = isPlain ? Sample.plainReadout : Sample.readout
        let whole = telegrams(sample)
        for count in 1..<sample.count {
            let late = Array(sample[count...])
            // From STX on a block is checked and whole; only the identification is missing.
            let hasBlock = !isPlain && count <= Sample.identification.utf8.count
            let got = telegrams(late, source: .line).map(\.registers)
            #expect(got == (hasBlock ? whole.map(\.registers) : []), "from \(count)")
            #expect(telegrams(late + sample, source: .line).last == whole.first, "behind \(count)")
        }
    }

    @Test(
        "noise between readouts costs none of them",
        arguments: [
            [0x00], [0x02], [0x01], [0x03], [0x2F], [0x15, 0x06], [0xFF, 0xFE, 0x80], Sample.bytes("/LGZ"),
            Sample.bytes("/?"), Sample.bytes("\u{1}P"), Sample.bytes("!\r\n"), Sample.bytes("  25818685\r\nDE00\r\n"),
            [0x02, 0x02, 0x02, 0x28], Sample.bytes("1.8.0("), Sample.bytes("\r\n\r\n"),
        ] as [[UInt8]])
    func noise(_ noise: [UInt8]) {
        for sample in [Sample.readout, Sample.plainReadout] {
            let whole = telegrams(sample)[0]
            let bytes = noise + sample + noise + sample + noise
            #expect(telegrams(bytes, source: .line) == [whole, whole])
            #expect(FramerVerifier.frames(ReadoutDecoder(source: .line), chunks: bytes.map { [$0] }) == [whole, whole])
        }
    }

    @Test("what is told of as noise in front of a block is not given up once more with the block")
    func noiseBeforeRefusedBlock() {
        let bytes = Sample.bytes(Sample.identification + "116.2(2Int") + [0x02, 0x03, 0x03]
        var decoder = ReadoutDecoder()
        decoder.append(bytes)
        decoder.finish()
        var counts: [Int] = []
        while let output = decoder.next() {
            switch output {
            case .noise(let count), .rejected(_, let count): counts.append(count)
            case .frame: Issue.record("a telegram without values")
            }
        }
        #expect(counts == [10, bytes.count - 10])
    }

    @Test("plain noise is counted and is no error")
    func countedNoise() {
        let outputs = FramerVerifier.outputs(
            ReadoutDecoder(), chunks: [Sample.readout + [0xFF, 0x15, 0x41] + Sample.readout])
        let noise = outputs.compactMap { if case .noise(let count) = $0 { count } else { nil } }
        #expect(noise == [3])
        #expect(outputs.count == 3)
    }

    @Test("a readout without end, lines without end and noise without end stay within their bounds")
    func oversize() {
        let endless: [[UInt8]] = [
            Sample.bytes(Sample.identification) + [0x02] + Array(repeating: 0x20, count: 200_000),
            Sample.bytes(Sample.identification + String(repeating: "1.8.0(1)\r\n", count: 20_000)),
            Array(repeating: 0x02, count: 200_000), Array(repeating: 0x2F, count: 200_000),
            Array(repeating: Sample.bytes("/ABC5\r\n"), count: 20_000).flatMap { $0 },
            Array(repeating: Sample.bytes("/ABC5\r\n\u{2}"), count: 20_000).flatMap { $0 },
            Array(repeating: 0x99, count: 200_000),
            Sample.bytes(String(repeating: "1.8.0(1)\r\n", count: 20_000)),
        ]
        for noise in endless {
            #expect(telegrams(noise + Sample.readout).last == telegrams(Sample.readout).first)
            var decoder = ReadoutDecoder(source: .line)
            var held = 0
            for byte in noise.prefix(100_000) {
                decoder.append([byte])
                held += 1
                while let output = decoder.next() {
                    switch output {
                    case .rejected(_, let count), .noise(let count): held -= count
                    case .frame: Issue.record("a telegram of noise")
                    }
                }
                // Line ends in a gap may be left out of the account, more than that may not.
                #expect(held <= 2 * Limits.linkBuffer)
            }
        }
    }

    @Test("more values, longer lines and bigger blocks than allowed are refused")
    func limits() {
        let tooMany = String(repeating: "()\r\n", count: Limits.registers + 1)
        let tooLong = "1.8.0(" + String(repeating: "1", count: Limits.readoutLine) + ")\r\n"
        let tooLongAddress = String(repeating: "1", count: Limits.readoutLine + 1) + "\r\n"
        let tooBig = String(repeating: "1.8.0(00000000000000000000000)\r\n", count: Limits.readout / 32 + 1)
        for text in [tooMany, tooLong, tooLongAddress, tooBig] {
            let bytes = Sample.bytes(Sample.identification) + Sample.block(text + "!\r\n")
            #expect(telegrams(bytes).isEmpty)
            #expect(errors(bytes).first?.code == .limit)
        }
    }

    @Test("random bytes never stop the next readout from being read")
    func random() {
        var state: UInt64 = 42
        for _ in 0..<300 {
            let noise = (0..<200).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let byte = UInt8(truncatingIfNeeded: state >> 33)
                // Half of them from the characters that mean something here.
                let special = Sample.bytes("\u{1}\u{2}\u{3}\u{6}/?!()*\r\n1.8")
                return byte & 1 == 0 ? byte : special[Int(byte >> 1) % special.count]
            }
            let got = telegrams(noise + Sample.bytes("\r\n") + Sample.readout, source: .line)
            #expect(got.last?.registers == Self.wholeValues.first)
        }
    }
}
