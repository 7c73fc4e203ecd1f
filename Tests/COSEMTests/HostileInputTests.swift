@testable import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Hostile input")
struct HostileInputTests {
    /// Bytes that wait inside of a decoder, read through its mirror.
    private static func waiting(_ decoder: PushDecoder) throws -> Int {
        let framer = try #require(Mirror(reflecting: decoder).descendant("framer"))
        return try #require(Mirror(reflecting: framer).descendant("buffer") as? LinkBuffer).storage.count
    }

    private static let garbage: [(name: String, pattern: [UInt8])] = [
        ("headers of frames", [0x7E, 0xA0]), ("long headers", [0x7E, 0xA7, 0xFF, 0x03, 0x21, 0x13]), ("flags", [0x7E]),
        ("right headers", Array(rightHeader)), ("notifications", [0x0F]), ("ciphered messages", [0xDB, 0x08]),
        ("blocks", [0xE0]),
        ("LLC headers", [0xE6, 0xE7, 0x00]), ("wrappers of 32 KiB", [0, 1, 0, 1, 0, 1, 0x80, 0x00]),
        ("wrappers of 64 KiB", [0, 1, 0, 1, 0, 1, 0xFF, 0xFF]),
        ("wrappers of one byte", [0, 1, 0, 1, 0, 1, 0, 1, 0x0F]),
        ("beats", Sample.beat), ("half beats", [0x10, 0x40]), ("zeros", [0]),
        ("noise and flags", [0x0F, 0x7E, 0xA0, 0x7E]),
    ]

    /// A header whose check is right, of a frame that does not come.
    private static let rightHeader: ArraySlice<UInt8> = {
        let longest = Sample.frame(Array(repeating: 0, count: 2030))
        return longest.prefix(9)
    }()

    @Test("a megabyte of each kind leaves the buffer within its limit", arguments: garbage.indices)
    func bounded(row: Int) throws {
        let (name, pattern) = Self.garbage[row]
        let total = name == "right headers" ? 100_000 : 1_000_000
        let size = 4096 / pattern.count * pattern.count
        let chunk = Array(repeating: pattern, count: size / pattern.count).flatMap { $0 }
        var decoder = PushDecoder(keys: Sample.keys)
        var largest = 0
        for _ in 0..<(total / size) {
            decoder.append(chunk)
            while let output = decoder.next() { if case .frame = output { Issue.record("a telegram") } }
            largest = max(largest, try Self.waiting(decoder))
        }
        #expect(largest <= Limits.linkBuffer, "\(name)")
        #expect(largest <= Limits.apdu + chunk.count, "\(name)")
        decoder.finish()
        while decoder.next() != nil {}
        decoder.append(Sample.bareValues)
        var telegrams = 0
        while let output = decoder.next() { if case .frame = output { telegrams += 1 } }
        #expect(telegrams == 1, "\(name)")
    }

    @Test(
        "byte by byte it is no slower than its length",
        arguments: [[0x0F], [0x7E, 0xA0], [0, 1, 0, 1, 0, 1, 0x80, 0]] as [[UInt8]])
    func byteByByte(pattern: [UInt8]) throws {
        var decoder = PushDecoder()
        for index in 0..<200_000 {
            decoder.append([pattern[index % pattern.count]])
            while decoder.next() != nil {}
        }
        #expect(try Self.waiting(decoder) <= Limits.linkBuffer)
    }

    @Test("random bytes give no telegram")
    func random() throws {
        var random = SeededGenerator(seed: 50)
        var decoder = PushDecoder(keys: Sample.keys)
        for _ in 0..<300 {
            decoder.append((0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            while let output = decoder.next() { if case .frame = output { Issue.record("a telegram") } }
            if Int.random(in: 0..<4, using: &random) == 0 { decoder.finish() }
            while decoder.next() != nil {}
            #expect(try Self.waiting(decoder) <= Limits.linkBuffer)
        }
    }

    // MARK: Mutations

    @Test("mutated frames are no trap, and what is read is what was sent", arguments: 0..<4)
    func mutatedFrames(seed: UInt64) {
        var random = SeededGenerator(seed: 60 + seed)
        let known = Set(Sample.all.flatMap { Sample.decode($0.bytes).telegrams })
        for _ in 0..<10_000 {
            let input = (Sample.all.randomElement(using: &random)?.bytes ?? []).mutated(using: &random)
            for telegram in Sample.decode(input).telegrams { #expect(known.contains(telegram), "\(Hex.string(input))") }
        }
    }

    @Test("mutated messages behind right check sequences are no trap", arguments: 0..<4)
    func mutatedMessages(seed: UInt64) {
        var random = SeededGenerator(seed: 70 + seed)
        let messages = Self.messages
        for _ in 0..<10_000 {
            let message = (messages.randomElement(using: &random) ?? []).mutated(using: &random)
            _ = Sample.decode(Sample.frame(message))
        }
    }

    @Test("mutated bare and wrapped messages are no trap", arguments: 0..<2)
    func mutatedBare(seed: UInt64) {
        var random = SeededGenerator(seed: 80 + seed)
        let messages = Self.messages + Self.messages.map(Sample.wrapper) + Self.messages.map { Array($0.dropFirst(3)) }
        for _ in 0..<10_000 {
            let message = (messages.randomElement(using: &random) ?? []).mutated(using: &random)
            _ = Sample.decode(message.inRandomPieces(using: &random))
        }
    }

    /// Information fields of every kind that is read, with their headers.
    private static let messages: [[UInt8]] = {
        func information(_ frame: [UInt8]) -> [UInt8] { Array(frame.dropFirst(9).dropLast(3)) }
        let bodies = [
            "13 02 02 01 0002 0F 10 08 01 02 0003 FF FE FFFD", "13 09 06 02 4142 02 4344",
            "02 03 0906 0100200700FF 12 0903 02 02 0F FF 16 23",
            "02 02 16 01 01 01 02 02 00 03 01 00 01 08 00 FF 02 06 00000064",
            "02 09 04 05 B0 0D 42 17 43678000 18 4048FD70A3D70A3D 15 FFFFFFFFFFFFFFFF"
                + " 1A 07E8010F01 1B 0C223800 0A 02 4142 0C 02 C3A4",
        ]
        return [Sample.bareValues, Sample.authenticated, Sample.encrypted, Sample.firstBlock].map(information)
            + [Sample.header + Sample.block(1, isLast: true, Sample.notification("02 01 11 05"))]
            + bodies.map { Sample.header + Sample.notification($0) }
    }()

    @Test("random bytes as a value are no trap")
    func randomValues() {
        var random = SeededGenerator(seed: 90)
        // Mostly bytes that are types, so that parsing goes deep.
        let tags: [UInt8] = AxdrTag.allCases.map(\.rawValue) + [0, 1, 2, 3, 0x81, 0x82, 0x84]
        var parsed = 0
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                Int.random(in: 0..<5, using: &random) == 0
                    ? UInt8.random(in: 0...255, using: &random) : tags.randomElement(using: &random) ?? 0
            }
            var reader = WireReader(bytes.rawSpan)
            guard let tape = try? AxdrTape(&reader) else { continue }
            parsed += 1
            let (consumed, count) = (reader.offset, tape.items.count)
            #expect(consumed <= bytes.count)
            #expect(tape.items[0].next == count)
            _ = try? PushBody(tape, of: bytes)
        }
        #expect(parsed > 100)
    }

    @Test("a type description that is long and used often costs no more than its limit")
    func expensiveTypes() {
        // Each element walks the description again.
        let description: [UInt8] =
            [0x13, 0x02, 0x02, 0x11, 0x01, 0x00, 0x00, 0x02, 0x82, 0x10, 0x00] + Array(repeating: 0, count: 0x1000)
        let bytes = description + [0x82, 0x10, 0x00] + Array(repeating: 0, count: 0x1000)
        var reader = WireReader(bytes.rawSpan)
        let tape = try? AxdrTape(&reader)
        #expect(tape == nil)
    }
}

extension [UInt8] {
    /// One to four bytes changed, lost, doubled or moved.
    func mutated(using random: inout SeededGenerator) -> [UInt8] {
        var bytes = self
        let edges: [UInt8] = [0, 1, 2, 0x0F, 0x13, 0x7E, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xDB, 0xE0, 0xE6, 0xFF]
        for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 2 {
            let place = Int.random(in: 0..<(bytes.count - 1), using: &random)
            let count = Int.random(in: 1...Swift.min(8, bytes.count - place - 1), using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 1: bytes[place] = edges.randomElement(using: &random) ?? 0
            case 2: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 3: bytes.removeSubrange(place..<(place + count))
            case 4:
                bytes.insert(
                    contentsOf: bytes[place..<(place + count)], at: Int.random(in: 0...bytes.count, using: &random))
            default: bytes.removeLast(count)
            }
        }
        return bytes
    }
}
