import COSEM
import MBus
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Pushes in frames of M-Bus")
struct CarrierTests {
    private static let message = Sample.notification(
        "02 04 09 06 01 00 01 08 00 FF 06 00 12 D6 87 09 06 01 00 02 08 00 FF 06 00 01 5B B4")
    private static let frames = DLMSCarrier.frames(of: message, pieceLength: 10)
    private static let telegram = Sample.decode(Sample.frame(Sample.header + message)).telegrams

    private struct Result {
        var telegrams: [Telegram] = []
        var errors: [WireError] = []
        var noise = 0

        init(_ chunks: [[UInt8]]) {
            let decoder = PushDecoder(keys: Sample.keys, carriers: [DLMSCarrier()])
            for output in FramerVerifier.outputs(decoder, chunks: chunks) {
                switch output {
                case .frame(let telegram): telegrams.append(telegram)
                case .rejected(let error, _): errors.append(error)
                case .noise(let count): noise += count
                }
            }
        }

        init(pieces order: [Int]) { self.init(order.map { frames[$0] }) }
    }

    @Test("are read, however the bytes arrive")
    func whole() {
        #expect(Self.frames.count == 4 && Self.telegram.count == 1)
        #expect(
            FramerVerifier.deviations(
                { PushDecoder(carriers: [DLMSCarrier()]) }, input: Self.frames.flatMap { $0 }, expected: Self.telegram)
                == [])
    }

    @Test("and of other links follow each other on one line")
    func mixed() {
        let hdlc = Sample.frame(Sample.header + Self.message)
        let mbus = Self.frames.flatMap { $0 }
        let result = Result([hdlc + mbus + hdlc + Sample.beat + mbus + mbus])
        #expect(result.telegrams.count == 5 && result.errors == [] && result.noise == 0)
    }

    @Test("without the carrier are not read")
    func unknown() {
        #expect(Sample.decode(Self.frames).telegrams == [])
    }

    @Test(
        "a piece that is lost, repeated or misplaced costs its message, and the next one is read",
        arguments: [
            [1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [3], [0, 0, 1, 3], [0, 1, 1, 2, 3], [3, 2, 1, 0],
        ])
    func lost(order: [Int]) {
        let result = Result(pieces: order)
        #expect(result.telegrams == [] && !result.errors.isEmpty)
        #expect(result.errors.allSatisfy { $0.code == .framing || $0.code == .truncated })
        #expect(Result(pieces: order + [0, 1, 2, 3]).telegrams == Self.telegram)
    }

    @Test("pieces of two messages are never joined around a damaged one")
    func damagedBetween() {
        let other = DLMSCarrier.frames(
            of: Sample.notification(
                "02 04 09 06 01 00 01 08 00 FF 06 00 00 00 01 09 06 01 00 02 08 00 FF 06 00 00 00 02"),
            pieceLength: 10)
        var damaged = Self.frames[1]
        damaged[12] ^= 0x01
        let result = Result([Self.frames[0], damaged, other[1], other[2], other[3]])
        #expect(result.telegrams == [] && result.errors.contains { $0.code == .checksum })
    }

    @Test("behind noise that begins like a bare message are found")
    func noise() {
        for first: [UInt8] in [[0x0F, 1, 2, 3], [0xDB, 0x08, 1], [0x68], [0x68, 0x05, 0x05, 0x68], [0x7E, 0xA0]] {
            let result = Result([first + Self.frames.flatMap { $0 }])
            #expect(result.telegrams == Self.telegram, "\(first)")
        }
    }

    @Test("a telegram of a slave is named")
    func foreign() throws {
        let slave = try #require(
            LongFrame(control: 0x08, address: 5, controlInformation: 0x72, data: [UInt8](repeating: 0, count: 12))
                .encoded())
        let result = Result([slave + Self.frames.flatMap { $0 }])
        #expect(result.errors.map(\.code) == [.unsupported] && result.telegrams == Self.telegram)
    }

    @Test("suite 1 is read like suite 0, since its symmetric half is the same; suite 2 is not")
    func suites() {
        let plain = Array(Sample.authenticated)
        #expect(Sample.decode(plain).telegrams.count == 1)
        let message = Array(Sample.encrypted.dropFirst(9).dropLast(3))
        for (suite, code) in [(0x21, nil), (0x22, WireError.Code.unsupported)] as [(Int, WireError.Code?)] {
            var changed = message
            guard let index = changed.firstIndex(of: 0x20).map({ $0 }), index > 0 else { continue }
            // Behind the header of the LLC, the tag, the title and its length, and the length of the content.
            changed[3 + 1 + 1 + 8 + 1] = UInt8(suite)
            let result = Sample.decode(changed)
            #expect(result.codes.first == code, "\(suite)")
            #expect(result.telegrams.count == (code == nil ? 1 : 0), "\(suite)")
        }
    }
}
