import OBIS
import TestSupport
import Testing
import Wire

@testable import SML

@Suite("Hostile input on an SML line")
struct HostileInputTests {
    /// Bytes that wait inside of a decoder, read through its mirror.
    private static func waiting(_ decoder: SMLDecoder) throws -> Int {
        try #require(Mirror(reflecting: decoder).descendant("buffer") as? LinkBuffer).count
    }

    private static let garbage: [(name: String, pattern: [UInt8])] = [
        ("escape bytes", [0x1B]), ("starts", Sample.start), ("halves of starts", Array(Sample.start.prefix(6))),
        ("starts with an escape byte too many", [0x1B] + Sample.start), ("ones", [0x01]),
        ("starts that may be content", Sample.escape + Sample.start),
        ("ends", Sample.escape + [0x1A, 0, 0x12, 0x34]), ("ends without a check", Sample.escape + [0x1A]),
        ("starts and ends", Sample.start + Sample.escape + [0x1A, 3, 0, 0]),
        ("starts that may be content, and ends", Sample.escape + Sample.start + Sample.escape + [0x1A, 0, 0, 0]),
        ("lists", [0x76]), ("long lengths", [0x8F]), ("zeros", [0]), ("everything", Array(0...255)),
    ]

    @Test("leaves the buffer within its limit, and the next file whole", arguments: garbage.indices, [false, true])
    func bounded(row: Int, isInFile: Bool) throws {
        let (name, pattern) = Self.garbage[row]
        let wanted = FramerVerifier.frames(SMLDecoder(), chunks: [Sample.file()])
        for size in [1, 7, 4096] {
            var decoder = SMLDecoder()
            var largest = 0
            var telegrams: [Telegram] = []
            var lost = 0
            func drain() {
                while let output = decoder.next() {
                    switch output {
                    case .frame(let telegram): telegrams.append(telegram)
                    case .rejected(_, let count), .noise(let count): lost += count
                    }
                }
            }
            let total = size == 1 ? Limits.smlFile + 10_000 : 3 * Limits.linkBuffer
            if isInFile { decoder.append(Sample.start) }
            for first in stride(from: 0, to: total, by: size) {
                decoder.append((first..<min(first + size, total)).map { pattern[$0 % pattern.count] })
                drain()
                // A look into the decoder takes longer than a byte.
                if size > 1 || first % 1024 == 0 { largest = max(largest, try Self.waiting(decoder)) }
            }
            decoder.finish()
            drain()
            #expect(lost == total + (isInFile ? 8 : 0), "\(name), \(size) at once")
            #expect(largest <= Limits.smlFile + 16, "\(name), \(size) at once")
            decoder.append(Sample.file())
            drain()
            #expect(telegrams == wanted && decoder.isIdle, "\(name), \(size) at once")
        }
    }

    // MARK: Elements

    private func skip(_ bytes: [UInt8]) -> WireError.Code? {
        var reader = WireReader(bytes.rawSpan)
        do throws(WireError) {
            try Element.skip(&reader)
            return reader.isAtEnd ? nil : .framing
        } catch {
            return error.code
        }
    }

    @Test("lists stand in each other as deep as the limit")
    func depth() {
        let deep = [UInt8](repeating: 0x71, count: Limits.smlDepth)
        #expect(skip(deep + [0x01]) == nil)
        #expect(skip(deep + [0x71, 0x01]) == .limit)
        #expect(skip([UInt8](repeating: 0x71, count: 30_000)) == .limit)
    }

    @Test(
        "lengths that nothing can have are errors",
        arguments: [
            [0x00], [0x82], [0x80, 0x00], [0x80, 0x01], [0x8F, 0x0F], [0xFF, 0x8F, 0x8F, 0x8F, 0x0F, 0x01],
            [0x73, 0x01],
            [UInt8](repeating: 0xFF, count: 40), [UInt8](repeating: 0x8F, count: 8) + [0x0F], [0x1F], [0x22, 1],
            [0x32, 1],
            [0x60], [0x70 | 0x0F],
        ] as [[UInt8]])
    func lengths(bytes: [UInt8]) {
        let code = skip(bytes)
        #expect(code == .malformed || code == .truncated, "\(bytes)")
    }

    @Test("integers have one to eight bytes")
    func integers() {
        for count in 0...12 {
            let bytes = [0x50 | UInt8(count + 1)] + [UInt8](repeating: 0x80, count: count)
            var reader = WireReader(bytes.rawSpan)
            let value = try? Element.signed(&reader)
            #expect((value != nil) == (1...8).contains(count), "\(count) bytes")
        }
    }

    @Test("a file of hostile lists costs itself alone")
    func hostileLists() {
        let contents: [[UInt8]] = [
            [0x77, 0x01, 0x01, 0x01, 0x01, 0xFF, 0x8F, 0x8F, 0x0F, 0x01, 0x01],
            [0x77, 0x01, 0x01, 0x01] + [UInt8](repeating: 0x72, count: 5000),
            [0x77, 0x01, 0x01, 0x01, 0x01, 0x71, 0x77, 0x07, 1, 0, 1, 8, 0, 255, 0x01, 0x01, 0x01, 0x01]
                + [UInt8](repeating: 0x71, count: 20_000),
            [0x77], [], [UInt8](repeating: 0xF0, count: 20_000), [0x77, 0x8F, 0x0F],
        ]
        for content in contents {
            let found = Findings(
                FramerVerifier.outputs(
                    SMLDecoder(), chunks: [Sample.file([Sample.message(0x0701, content)]) + Sample.file()]))
            #expect(found.telegrams.count == 1 && found.errors.count == 1)
        }
    }

    // MARK: Mutations

    /// Damages a file in one to four places, as lines and attackers do.
    private static func mutate(_ file: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = file
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0..<max(1, bytes.count), using: &random)
            guard index < bytes.count else { break }
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 1...8, using: &random)))
            case 3: bytes.insert(contentsOf: Sample.escape, at: index)
            case 4: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + 20)], at: index)
            default:
                bytes.insert(
                    contentsOf: [[0x1B], [0x8F], [0x7F], [0x00]].randomElement(using: &random) ?? [], at: index)
            }
        }
        return bytes
    }

    /// The same damage behind checksums that are right, so that it reaches what reads the messages.
    private static func resealed(_ message: [UInt8]) -> [UInt8] {
        guard message.count > 4 else { return Sample.file([message]) }
        var message = message
        let checksum = Checksum.x25(Array(message.dropLast(4)).rawSpan)
        message[message.count - 3] = UInt8(checksum & 0xFF)
        message[message.count - 2] = UInt8(checksum >> 8)
        return Sample.file([message])
    }

    @Test("mutated files never crash the decoder, and never outgrow it")
    func mutated() throws {
        var random = SeededGenerator(seed: 71)
        let files = (0..<8).map { Sample.push(seed: $0) } + [Sample.file(server: Sample.holley, kermit: true)]
        let good = Set(files.flatMap { FramerVerifier.frames(SMLDecoder(), chunks: [$0]) })
        var decoder = SMLDecoder()
        var wrong = 0
        var largest = 0
        for _ in 0..<20_000 {
            decoder.append(Self.mutate(files.randomElement(using: &random) ?? [], &random))
            while let output = decoder.next() {
                if case .frame(let telegram) = output, !good.contains(telegram) { wrong += 1 }
            }
            largest = max(largest, try Self.waiting(decoder))
        }
        #expect(largest <= Limits.smlFile + 16)
        // Sixteen bits of check let through what they must.
        #expect(wrong <= 3)
    }

    @Test("mutated messages in whole files never crash the decoder")
    func mutatedMessages() throws {
        var random = SeededGenerator(seed: 72)
        let list = Sample.list(
            server: Sample.holley, time: [0x72, 0x62, 0x02, 0x65, 0x69, 0x68, 0xD0, 0xE0],
            entries: [
                Sample.energy, Sample.entry(value: [0x72, 0x62, 0x01, 0x72, 0x62, 0x01, 0x62, 0x05]),
                Sample.entry(scaler: [0x52, 0x05], value: [0x69] + [UInt8](repeating: 0xFF, count: 8)),
                Sample.entry(value: Sample.octets(Array("text".utf8))),
            ])
        var telegrams = 0
        var errors = 0
        let next = Sample.file()
        for _ in 0..<10_000 {
            let file = Self.resealed(Self.mutate(list, &random))
            let found = Findings(FramerVerifier.outputs(SMLDecoder(), chunks: [file + next]))
            telegrams += found.telegrams.count - 1
            errors += found.errors.count
            #expect(found.telegrams.count >= 1)
        }
        #expect(telegrams > 100 && errors > 100)
    }
}
