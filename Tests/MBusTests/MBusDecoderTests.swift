import MBus
import OBIS
import TestSupport
import Testing
import Wire

@Suite("A line that is listened to")
struct MBusDecoderTests {
    private static let good = Answer.rich

    @Test("gives each answer once, however the bytes arrive")
    func chunks() throws {
        let telegrams = Answer.telegrams([Self.good])
        #expect(telegrams.count == 1 && telegrams.first?.registers.count == 14)
        #expect(FramerVerifier.deviations({ MBusDecoder() }, input: Self.good, expected: telegrams) == [])
        for split in 1..<Self.good.count {
            #expect(Answer.telegrams([Array(Self.good[..<split]), Array(Self.good[split...])]) == telegrams)
        }
    }

    @Test("reads the example of its documentation")
    func example() throws {
        let frame = Answer.bytes(
            """
            682E2E6808017278563412493C01022A00000004833B87D6120002FDC8FC010609042BFA0A0000426C3F3C44833B00350C00E416
            """)
        let registers = try #require(Answer.telegrams([frame]).first).registers
        #expect(
            registers.map { "\($0.obis?.description ?? "-") \($0.value.number?.description ?? "-")" } == [
                "1-0:1.8.0*255 1234567", "1-0:32.7.0*255 231.0", "1-0:16.7.0*255 2810", "- -", "- 800000",
            ])
        #expect(registers.last?.time?.local == "2025-12-31T00:00:00")
    }

    @Test("passes over the calls, the selections and the acknowledgements")
    func traffic() throws {
        let calls =
            ShortFrame.reset(253).encoded() + [0xE5] + (SecondaryAddress.any.selection.encoded() ?? []) + [0xE5]
            + Answer.bytes("680303685301 50A416 68030368 5301 BB 0F16")
            + ShortFrame.requestData(253, frameCountBit: true).encoded()
        let outputs = FramerVerifier.outputs(MBusDecoder(), chunks: [calls + Self.good + calls])
        #expect(outputs.count == 1)
        #expect(Answer.telegrams([calls + Self.good + calls]) == Answer.telegrams([Self.good]))
        var decoder = MBusDecoder()
        decoder.append(calls + Self.good)
        while decoder.next() != nil {}
        #expect(decoder.isIdle)
    }

    @Test("gives one telegram for each part of an answer")
    func parts() {
        let first = Answer.frame("04 03 01000000 1F")
        let second = Answer.frame("04 03 02000000")
        let values = Answer.telegrams([first + second]).map { $0.registers.first?.value }
        #expect(values == [.number(1), .number(2)])
    }

    @Test("refuses what a master sends as data, with its place")
    func masterData() {
        let data = Answer.frame([0x0C, 0x06], header: [], information: 0x51, control: 0x53)
        let errors = Answer.errors([[0x00] + data + Self.good])
        #expect(errors.map(\.code) == [.unsupported] && errors.first?.offset == 1)
    }

    @Test("says where a record goes wrong, and reads the next answer")
    func badRecord() {
        let bad = Answer.frame("04 03 01000000 0D FD11 FF")
        let errors = Answer.errors([[0x00] + bad + Self.good])
        #expect(errors.map(\.code) == [.malformed] && errors.first?.offset == 1 + 7 + 12 + 9)
        #expect(Answer.telegrams([bad + Self.good]) == Answer.telegrams([Self.good]))
    }

    @Test("finds answers between noise")
    func noise() {
        let telegrams = Answer.telegrams([Self.good])
        var random = SeededGenerator(seed: 1)
        for round in 0..<200 {
            let before = random.bytes(Int.random(in: 1...300, using: &random))
            var decoder = MBusDecoder()
            var found: [Telegram] = []
            for chunk in [before, Self.good] {
                decoder.append(chunk)
                decoder.finish()
                while let output = decoder.next() { if case .frame(let telegram) = output { found.append(telegram) } }
            }
            #expect(found == telegrams, "round \(round)")
        }
    }

    @Test("gives nothing of a cut answer, and reads the next one")
    func truncated() {
        let telegrams = Answer.telegrams([Self.good])
        for count in 1..<Self.good.count {
            let part = Array(Self.good[..<count])
            let outputs = FramerVerifier.outputs(MBusDecoder(), chunks: [part])
            #expect(!outputs.isEmpty, "cut at \(count)")
            #expect(Answer.telegrams([part]).isEmpty, "cut at \(count)")
            #expect(Answer.telegrams([part + Self.good]) == telegrams, "cut at \(count)")
            if count >= 4 { #expect(Answer.errors([part]).map(\.code) == [.truncated], "cut at \(count)") }
        }
    }

    @Test("gives nothing of an answer with a flipped bit, and reads the next one")
    func flipped() {
        let telegrams = Answer.telegrams([Self.good])
        for index in Self.good.indices {
            for bit in 0..<8 {
                var bytes = Self.good
                bytes[index] ^= 1 << bit
                let outputs = FramerVerifier.outputs(MBusDecoder(), chunks: [bytes])
                #expect(!outputs.isEmpty && Answer.telegrams([bytes]).isEmpty, "byte \(index), bit \(bit)")
                #expect(Answer.telegrams([bytes + Self.good]) == telegrams, "byte \(index), bit \(bit)")
            }
        }
    }

    static let garbage: [[UInt8]] = [
        [0x00], [0xFF], [0x68], [0x10], [0xE5], [0x68, 0x03, 0x03], [0x68, 0xFF, 0xFF, 0x68], [0x10, 0x40, 0x01, 0x41],
        [0x68, 0x00, 0x00, 0x68], [0x68, 0x68], [0x16], [0x68, 0x10],
    ]

    @Test("survives more garbage than it may hold, and reads the next answer", arguments: garbage)
    func survivesGarbage(pattern: [UInt8]) {
        let count = 3 * Limits.linkBuffer / pattern.count
        let garbage = Array((0..<count).map { _ in pattern }.joined())
        var decoder = MBusDecoder()
        var found: [Telegram] = []
        for start in stride(from: 0, to: garbage.count, by: 4096) {
            decoder.append(Array(garbage[start..<min(start + 4096, garbage.count)]))
            while let output = decoder.next() { if case .frame(let telegram) = output { found.append(telegram) } }
        }
        decoder.finish()
        while decoder.next() != nil {}
        #expect(decoder.isIdle && found.isEmpty)
        decoder.append(Self.good)
        while let output = decoder.next() { if case .frame(let telegram) = output { found.append(telegram) } }
        #expect(found == Answer.telegrams([Self.good]))
    }

    @Test("survives whatever stands in frames whose checksum is right")
    func mutated() {
        var random = SeededGenerator(seed: 7)
        let informations: [UInt8] = [0x72, 0x72, 0x72, 0x76, 0x7A, 0x78, 0x73, 0x77, 0x70, 0x5B]
        let base = Array(Self.good[7..<(Self.good.count - 2)])
        var telegrams = 0
        for round in 0..<40_000 {
            var data = round % 4 == 0 ? random.bytes(Int.random(in: 0...252, using: &random)) : base
            for _ in 0..<Int.random(in: 1...4, using: &random) where !data.isEmpty {
                let index = Int.random(in: 0..<data.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: data[index] = UInt8.random(in: 0...255, using: &random)
                case 1: data.remove(at: index)
                default: data.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
            }
            let information = informations.randomElement(using: &random) ?? 0x72
            let frame = LongFrame(control: 0x08, address: 1, controlInformation: information, data: data)
            var decoder = MBusDecoder { (bytes, _) throws(WireError) in [0x2F, 0x2F] + bytes.dropFirst(2) }
            decoder.append(frame.encoded() ?? [])
            var outputs = 0
            while let output = decoder.next() {
                outputs += 1
                guard case .frame(let telegram) = output else { continue }
                telegrams += 1
                // What is read must also be written.
                for register in telegram.registers {
                    if case .number(let number) = register.value { #expect(!number.description.isEmpty) }
                }
            }
            #expect(outputs == 1)
        }
        #expect(telegrams > 1000)
    }
}
