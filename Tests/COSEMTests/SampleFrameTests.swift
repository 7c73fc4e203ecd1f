import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("E450 sample frames")
struct SampleFrameTests {
    private static let numbers: [Int64] = [231, 229, 230, 215, 40, 1003, 2810, 0, 1_234_567, 89_012, 0, 240, 120]
    private static let types = "u16,u16,u16,u16,u16,u16,u32,u32,u32,u32,u16,u16,u16,octets"

    private func checkValues(_ telegram: Telegram) {
        let values = Self.numbers.map { RegisterValue.number(FixedDecimal($0)) } + [.text("12345678")]
        #expect(telegram.registers.map(\.value) == values)
        #expect(telegram.registers.map(\.index) == Array(0..<14))
        #expect(telegram.registers.allSatisfy { $0.obis == nil && $0.unit == nil && $0.code == nil })
        #expect(telegram.registers.map(\.wireValue) == values.dropLast() + [nil])
        #expect(telegram.list == Self.types)
        #expect(telegram.meterTime?.description == "2024-01-15T12:34:56")
        #expect(telegram.warnings == [])
    }

    @Test("bare values")
    func bareValues() throws {
        let result = Sample.decode(Sample.bareValues, keys: CipheringKeys())
        let telegram = try #require(result.telegrams.first)
        #expect(result.telegrams.count == 1 && result.errors == [] && result.noise == 0)
        checkValues(telegram)
        #expect(telegram.ciphering == nil)
        #expect(telegram.meter == MeterIdentity())
    }

    @Test("an object list in two blocks")
    func objectList() throws {
        let result = Sample.decode(Sample.objectList, keys: CipheringKeys())
        let telegram = try #require(result.telegrams.first)
        #expect(result.telegrams.count == 1 && result.errors == [] && result.noise == 0)
        let expected: [(String, RegisterValue)] = [
            ("0-0:96.1.1*255", .text("7654321")), ("1-0:1.7.0*255", .number(2810)),
            ("1-1:1.8.0*255", .number(1_234_567)),
            ("1-0:32.7.0*255", .number(231)), ("1-0:31.7.0*255", .number(215)),
        ]
        #expect(telegram.registers.map(\.code) == expected.map(\.0))
        #expect(telegram.registers.map(\.value) == expected.map(\.1))
        #expect(telegram.registers.allSatisfy { $0.unit == nil && $0.index == nil })
        #expect(telegram.list == "0-8:25.9.0*255")
        #expect(telegram.meterTime?.description == "2024-01-15T12:34:56")
        #expect(telegram.meter == MeterIdentity(id: "7654321", manufacturer: nil, medium: .electricity))
    }

    @Test("encrypted and authenticated, with both keys and with the encryption key alone", arguments: [true, false])
    func authenticated(hasAuthenticationKey: Bool) throws {
        var keys = Sample.keys
        if !hasAuthenticationKey { keys.authentication = nil }
        let result = Sample.decode(Sample.authenticated, keys: keys)
        let telegram = try #require(result.telegrams.first)
        #expect(result.telegrams.count == 1 && result.errors == [])
        checkValues(telegram)
        #expect(
            telegram.ciphering
                == Ciphering(
                    systemTitle: Sample.systemTitle, securityControl: 0x30, invocationCounter: 0x123,
                    isAuthenticated: hasAuthenticationKey))
        #expect(telegram.meter.manufacturer == "LGZ")
    }

    @Test("encrypted without a tag")
    func encrypted() throws {
        let result = Sample.decode(Sample.encrypted)
        let telegram = try #require(result.telegrams.first)
        #expect(result.telegrams.count == 1 && result.errors == [])
        checkValues(telegram)
        #expect(
            telegram.ciphering
                == Ciphering(
                    systemTitle: Sample.systemTitle, securityControl: 0x20, invocationCounter: 0x123,
                    isAuthenticated: false))
    }
}

@Suite("Framing of pushes")
struct PushFramingTests {
    @Test("whole, byte by byte, in halves and several at once", arguments: Sample.all.indices)
    func pieces(row: Int) throws {
        let (name, bytes) = Sample.all[row]
        let expected = Sample.decode(bytes).telegrams
        #expect(expected.count == 1)
        let deviations = FramerVerifier.deviations({ PushDecoder(keys: Sample.keys) }, input: bytes, expected: expected)
        #expect(deviations == [], "\(name)")
    }

    @Test("in random pieces")
    func randomPieces() {
        let input = Sample.all.flatMap(\.bytes) + Sample.beat + Sample.all.reversed().flatMap(\.bytes)
        let expected = Sample.decode(input).telegrams
        #expect(expected.count == 8)
        var random = SeededGenerator(seed: 21)
        for _ in 0..<50 {
            #expect(Sample.decode(input.inRandomPieces(using: &random)).telegrams == expected)
        }
    }

    @Test(
        "cut at every byte there is no telegram, and after the silence the next frame is read",
        arguments: Sample.all.indices)
    func truncated(row: Int) {
        let bytes = Sample.all[row].bytes
        let whole = Sample.decode(bytes).telegrams
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            // The closing flag adds nothing to a frame whose length and check are right.
            let expected = count == bytes.count - 1 ? whole : []
            #expect(Sample.decode(cut).telegrams == expected, "\(count)")
            var decoder = PushDecoder(keys: Sample.keys)
            decoder.append(cut)
            while decoder.next() != nil {}
            decoder.finish()
            while decoder.next() != nil {}
            #expect(FramerVerifier.frames(decoder, chunks: [bytes]) == whole, "\(count)")
        }
    }

    @Test("a frame cut at any byte costs itself only, also without a silence", arguments: Sample.all.indices)
    func truncatedWithoutSilence(row: Int) {
        let bytes = Sample.all[row].bytes
        let whole = Sample.decode(bytes).telegrams
        for count in 0..<bytes.count {
            let result = Sample.decode(Array(bytes.prefix(count)) + bytes)
            #expect(result.telegrams.last == whole.first, "\(count)")
            #expect(result.telegrams.count == (count == bytes.count - 1 ? 2 : 1), "\(count)")
        }
    }

    @Test("the line may be joined at any byte", arguments: Sample.all.indices)
    func joined(row: Int) {
        let bytes = Sample.all[row].bytes
        let whole = Sample.decode(bytes).telegrams
        for count in 1..<bytes.count {
            let input = Array(bytes.dropFirst(count)) + bytes
            #expect(Sample.decode(input).telegrams == whole, "whole, from \(count)")
            #expect(Sample.decode(input.map { [$0] }).telegrams == whole, "byte by byte, from \(count)")
        }
    }

    @Test("no single flipped bit gives other values, and the next frame is read", arguments: Sample.all.indices)
    func flippedBits(row: Int) {
        let bytes = Sample.all[row].bytes
        let whole = Sample.decode(bytes).telegrams
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            let telegrams = Sample.decode(damaged + bytes).telegrams
            // Not every flag is needed: then both are read.
            let isFlag = [0, Sample.firstBlock.count - 1, Sample.firstBlock.count, bytes.count - 1].contains(bit / 8)
            #expect(telegrams == whole || (isFlag && telegrams == whole + whole), "bit \(bit)")
        }
    }

    @Test("noise of any kind between frames costs no frame, in one piece or byte by byte")
    func noise() {
        var random = SeededGenerator(seed: 22)
        let frames = Sample.all.map(\.bytes)
        let expected = Sample.all.flatMap { Sample.decode($0.bytes).telegrams }
        for round in 0..<100 {
            // No flag: a flag with a length behind it may claim the frame that follows until its check fails.
            let alphabet: [UInt8] =
                round < 50 ? Array(0...0x7D) + Array(0x7F...0xFF) : [0x0F, 0xDB, 0xE0, 0xE6, 0xE7, 0, 1, 0x10]
            let input = frames.flatMap { frame in
                (0..<Int.random(in: 0...30, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
                    + frame
            }
            #expect(Sample.decode(input).telegrams == expected, "\(Hex.string(input))")
            #expect(Sample.decode(input.map { [$0] }).telegrams == expected, "byte by byte \(Hex.string(input))")
        }
    }

    @Test("noise with flags and false headers costs no frame")
    func noiseWithFlags() {
        var random = SeededGenerator(seed: 23)
        let frames = Sample.all.map(\.bytes)
        let expected = Sample.all.flatMap { Sample.decode($0.bytes).telegrams }
        let alphabet: [UInt8] = [0x7E, 0x7E, 0xA0, 0xA7, 0xFF, 0x03, 0x21, 0x13, 0x00, 0x10]
        for _ in 0..<100 {
            let input = frames.flatMap { frame in
                (0..<Int.random(in: 0...30, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
                    + frame
            }
            #expect(Sample.decode(input).telegrams == expected, "\(Hex.string(input))")
            #expect(Sample.decode(input.map { [$0] }).telegrams == expected, "byte by byte \(Hex.string(input))")
        }
    }

    @Test("flags may be shared, doubled or many")
    func flags() {
        let telegram = Sample.decode(Sample.bareValues).telegrams
        let shared = Array(Sample.bareValues.dropLast())
        for input in [
            shared + shared + shared + [0x7E], Sample.bareValues + Sample.bareValues + Sample.bareValues,
            [0x7E, 0x7E, 0x7E] + Sample.bareValues + [0x7E, 0x7E] + shared + [0x7E] + Sample.bareValues,
        ] {
            for chunks in [[input], input.map { [$0] }] {
                let result = Sample.decode(chunks)
                #expect(result.telegrams == telegram + telegram + telegram)
                #expect(result.errors == [])
                #expect(result.noise == 0)
            }
        }
    }

    @Test("a shared flag survives the silence between two frames")
    func sharedFlagOverSilence() {
        var decoder = PushDecoder()
        var count = 0
        for _ in 0..<3 {
            decoder.append(count == 0 ? Sample.bareValues : Array(Sample.bareValues.dropFirst()))
            while let output = decoder.next() { if case .frame = output { count += 1 } }
            if !decoder.isIdle { decoder.finish() }
            while decoder.next() != nil {}
        }
        #expect(count == 3)
    }

    @Test("the beats of the bus master between frames and blocks are passed over without a word")
    func beats() {
        let frames = [
            Sample.beat, Sample.bareValues, Sample.beat, Sample.beat, Sample.firstBlock, Sample.beat, Sample.lastBlock,
            Sample.beat,
        ]
        let expected = Sample.decode(Sample.bareValues).telegrams + Sample.decode(Sample.objectList).telegrams
        let input = frames.flatMap { $0 }
        for chunks in [[input], frames, input.map { [$0] }] {
            let result = Sample.decode(chunks)
            #expect(result.telegrams == expected)
            #expect(result.errors == [])
            #expect(result.noise == 0)
        }
    }

    @Test("a damaged beat is noise and costs no frame")
    func damagedBeats() {
        let expected = Sample.decode(Sample.bareValues).telegrams
        for index in Sample.beat.indices {
            for bit in 0..<8 {
                var beat = Sample.beat
                beat[index] ^= 1 << bit
                let input = Sample.bareValues + beat + Sample.bareValues
                #expect(Sample.decode(input).telegrams == expected + expected, "\(index) \(bit)")
                #expect(Sample.decode(input.map { [$0] }).telegrams == expected + expected, "\(index) \(bit)")
            }
            let cut = Sample.bareValues + Sample.beat.prefix(index) + Sample.bareValues
            #expect(Sample.decode(cut).telegrams == expected + expected)
        }
    }

    @Test("several messages in one frame are several telegrams")
    func severalMessages() {
        let bodies = [
            "02 02 06 00000001 06 00000002", "02 02 06 00000003 06 00000004", "02 02 06 00000005 06 00000006",
        ]
        let input = Sample.frame(bodies.flatMap { Sample.header + Sample.notification($0) })
        let result = Sample.decode(input)
        #expect(result.errors == [])
        #expect(
            result.telegrams.map { $0.registers.map(\.value) } == [
                [.number(1), .number(2)], [.number(3), .number(4)], [.number(5), .number(6)],
            ])
    }

    @Test("a damaged message behind a good one in the same frame costs itself only")
    func damagedSecondMessage() {
        let good = Sample.header + Sample.notification("06 00000001")
        for tail in [[0xFF], Sample.header, Sample.header + [0x0F, 0, 0], Sample.header + Sample.notification("07")]
            as [[UInt8]]
        {
            let result = Sample.decode(Sample.frame(good + tail))
            #expect(result.telegrams.count <= 1)
            #expect(result.errors.count == 1)
        }
    }

    @Test("frames that set up and end connections carry no message")
    func withoutInformation() {
        let frames = ["7EA007032193 0F01 7E", "7EA007210373 0140 7E"].flatMap { Sample.hex($0) }
        let result = Sample.decode(frames + Sample.bareValues)
        #expect(result.telegrams.count == 1)
        #expect(result.errors == [])
    }

    @Test(
        "messages that are no push are refused by name",
        arguments: [
            ("C4", .unsupported), ("C2", .unsupported), ("61", .unsupported), ("D8", .unsupported),
            ("0E", .unsupported),
            ("C8", .unsupported), ("DF", .unsupported), ("42", .malformed), ("00", .malformed), ("FF", .malformed),
        ] as [(String, WireError.Code)])
    func otherMessages(tag: String, code: WireError.Code) {
        let result = Sample.decode(Sample.frame(Sample.header + Sample.hex(tag) + [1, 2, 3]))
        #expect(result.codes == [code])
        #expect(result.telegrams == [])
    }

    @Test("an error names the byte of the stream at which the frame stands")
    func offsets() {
        var damaged = Sample.bareValues
        damaged[40] ^= 1
        let result = Sample.decode(Sample.bareValues + damaged + Sample.bareValues)
        #expect(result.codes == [.checksum])
        #expect(result.errors.first?.offset == Sample.bareValues.count)
        #expect(result.telegrams.count == 2)
    }
}

extension [UInt8] {
    func inRandomPieces(using random: inout SeededGenerator) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...40, using: &random)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }
}
