import IEC62056
import MeterSimulator
import OBIS
import TestSupport
import Testing
import Wire

@Suite("P1 telegrams on the wire")
struct P1DecoderTests {
    static let lines = [
        "1-3:0.2.8(50)", "0-0:1.0.0(260115123456W)", "0-0:96.1.1(4530303434303037313331363530363138)",
        "1-0:1.8.1(003432.827*kWh)", "1-0:1.7.0(00.378*kW)", "0-0:96.13.0()",
        "0-1:24.1.0(003)", "0-1:24.2.1(260115120000W)(00473.789*m3)",
    ]
    static let sample = P1.telegram(lines)
    static let whole = P1.telegrams(sample)
    /// No check and no version, as before DSMR 4.
    static let old = bytes("/ISk5\\2MT382-1003\r\n\r\n0-0:96.1.1(30)\r\n1-0:1.8.1(00036.133*kWh)\r\n!\r\n")

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    // MARK: Checks

    @Test("a telegram counts with its check only", arguments: ["0000", "FFFF", "12", "123", "12G4", "!", " "])
    func wrongCheck(_ digits: String) {
        let broken = Self.sample.dropLast(6) + Self.bytes(digits + "\r\n")
        #expect(P1.telegrams(Array(broken)) == [])
        #expect(P1.errors(Array(broken)).count == 1)
        #expect(P1.telegrams(Array(broken) + Self.sample) == Self.whole)
    }

    @Test("zeros in front of a check may be missing, and nothing else of it")
    func shortCheck() {
        var found: [Int: [UInt8]] = [:]
        for number in 0..<20_000 where found.count < 3 {
            let telegram = P1.checked("/KMP5 WarmteLink\r\n\r\n0-1:24.2.1(260115120000W)(\(number)*GJ)\r\n!")
            let zeros = telegram.suffix(6).prefix { $0 == UInt8(ascii: "0") }.count
            if zeros > 0, found[zeros] == nil { found[zeros] = telegram }
        }
        #expect(found.count == 3)
        for (zeros, telegram) in found {
            let short = telegram.dropLast(6) + telegram.suffix(6).dropFirst(zeros)
            #expect(P1.telegrams(Array(short)).map(\.registers) == P1.telegrams(telegram).map(\.registers))
            #expect(P1.telegrams(Array(short)).count == 1)
            let other = telegram.dropLast(6) + telegram.suffix(6).dropFirst(zeros).dropLast(3) + [0x0D, 0x0A]
            #expect(P1.errors(Array(other)).map(\.code) == [.malformed] || zeros == 3)
        }
    }

    @Test(
        "each setting takes what it says",
        arguments: [
            (P1Checksum.auto, [true, true, true]), (.arc, [true, false, false]), (.x25, [false, true, false]),
            (.none, [true, true, true]),
        ])
    func settings(_ checksum: P1Checksum, _ taken: [Bool]) {
        let text = "/HLY5DTSD545\r\n\r\n1-0:1.8.0(000001.000*kWh)\r\n!"
        let samples = [P1.checked(text), P1.checked(text, by: Checksum.x25), Self.bytes(text + "\r\n")]
        for (sample, isTaken) in zip(samples, taken) {
            let telegrams = P1.telegrams(sample, checksum: checksum)
            #expect(telegrams.count == (isTaken ? 1 : 0))
            #expect(telegrams.allSatisfy { $0.warnings == [] })
            #expect(P1.errors(sample, checksum: checksum).map(\.code) == (isTaken ? [] : [.checksum]))
        }
    }

    @Test("no check is looked at where none is wanted")
    func ignored() {
        var broken = Self.sample
        broken[broken.count - 3] = UInt8(ascii: "0")
        broken[broken.count - 4] = UInt8(ascii: "0")
        #expect(P1.telegrams(broken, checksum: .none).map(\.registers) == Self.whole.map(\.registers))
    }

    @Test(
        "a version that has a check gives a warning where there is none",
        arguments: ["1-3:0.2.8(40)", "0-0:96.1.4(50217)"])
    func missingCheck(_ version: String) {
        let text = "/KFM5KAIFA-METER\r\n\r\n\(version)\r\n1-0:1.8.1(000671.578*kWh)\r\n!\r\n"
        let telegrams = P1.telegrams(text)
        #expect(telegrams.count == 1 && telegrams[0].warnings.count == 1)
        #expect(P1.telegrams(Self.bytes(text), checksum: .none).map(\.warnings) == [[]])
    }

    @Test("a meter that had a check once has lost it when it comes without")
    func lostCheck() {
        let bare = Self.sample.dropLast(6) + [0x0D, 0x0A]
        #expect(P1.telegrams(Array(bare)).map(\.registers) == Self.whole.map(\.registers))
        #expect(P1.telegrams(Self.sample + bare) == Self.whole)
        #expect(P1.errors(Self.sample + bare).map(\.code) == [.checksum])
        #expect(P1.telegrams(Self.sample + Self.old).count == 2, "another meter")
    }

    @Test("line ends that a terminal changed are put back for the check, with a warning")
    func lineEnds() {
        let text = String(decoding: Self.sample, as: UTF8.self)
        for end in ["\n", "\n\n"] {
            let telegrams = P1.telegrams(
                text.split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: end))
            #expect(telegrams.map(\.registers) == Self.whole.map(\.registers))
            #expect(telegrams.map(\.warnings.count) == [1])
        }
        let old = String(decoding: Self.old, as: UTF8.self).replacing("\r\n", with: "\n")
        #expect(P1.telegrams(old) == P1.telegrams(Self.old))
    }

    @Test("parity bits are taken away, and one that is wrong refuses a telegram without a check")
    func parity() {
        let sent = Self.old.map(Parity.added)
        #expect(P1.telegrams(sent) == P1.telegrams(Self.old))
        for index in 0..<(sent.count - 2) {
            for bit in 0..<8 {
                var flipped = sent
                flipped[index] ^= 1 << bit
                #expect(P1.telegrams(flipped) == [], "byte \(index), bit \(bit)")
            }
        }
        #expect(P1.telegrams(Self.sample.map(Parity.added)) == [], "a check is about eight bits")
    }

    // MARK: Finding

    @Test("NUL, blank lines and noise may stand around a telegram")
    func padding() {
        let nul = [UInt8](repeating: 0, count: 21)
        let outputs = FramerVerifier.outputs(
            P1Decoder(), chunks: [nul + Self.sample + nul + [0x0D, 0x0A] + Self.sample + nul])
        #expect(outputs.count == 2)
        let noisy = FramerVerifier.outputs(P1Decoder(), chunks: [Self.bytes("xyz") + Self.sample + Self.bytes("/4!")])
        #expect(noisy.count == 3)
        #expect(noise(noisy.first) == 3 && noise(noisy.last) == 3)
    }

    @Test("a stream that is joined in the middle gives noise first")
    func joined() {
        for start in 1..<Self.sample.count {
            let outputs = FramerVerifier.outputs(P1Decoder(), chunks: [Self.sample[start...] + Self.sample])
            #expect(P1.telegrams(Self.sample[start...] + Self.sample) == Self.whole, "from \(start)")
            #expect(outputs.count <= 2)
        }
    }

    @Test("a telegram without end costs the bytes before the next one, wherever that begins")
    func interrupted() {
        for end in 5..<(Self.sample.count - 6) {
            let bytes = Self.sample[..<end] + Self.sample
            #expect(P1.telegrams(Array(bytes)) == Self.whole, "cut at \(end)")
            let discarded = FramerVerifier.outputs(P1Decoder(), chunks: [Array(bytes)]).reduce(0) { sum, output in
                switch output {
                case .rejected(_, let count), .noise(let count): sum + count
                case .frame: sum
                }
            }
            #expect(discarded == end, "cut at \(end)")
        }
    }

    @Test("a slash inside of a value begins nothing")
    func slash() {
        let lines = ["1-0:1.7.0(00.378*kW)", "0-1:24.2.9(00.100*m3/h)", "0-0:96.13.9(/ABC5 is no meter)"]
        let telegrams = P1.telegrams(P1.telegram(lines))
        #expect(telegrams.map(\.registers.count) == [3])
        #expect(telegrams[0].registers[1].unit == .cubicMetrePerHour)
    }

    @Test("an identification line may hold the character 02 of tools that read an escape")
    func escape() {
        let telegrams = P1.telegrams(P1.telegram(Self.lines, identification: "/ISk5\u{2}MIE5T-200"))
        #expect(telegrams.map(\.meter.manufacturer) == ["ISK"])
    }

    @Test("a readout with a block check is told to be one")
    func readout() {
        #expect(P1.errors(Sample.readout).first?.code == .unsupported)
        #expect(P1.telegrams(Sample.readout) == [])
    }

    @Test("what is longer than any telegram is given up, and the next one is read")
    func limits() {
        let endless = Self.bytes("/ISK5\\2M550T-1012\r\n\r\n")
        let many = endless + (0..<2000).flatMap { _ in Self.bytes("1-0:1.8.1(003432.827*kWh)\r\n") }
        #expect(P1.telegrams(many + Self.sample) == Self.whole)
        #expect(P1.errors(many).map(\.code) == [.limit])
        let line = P1.telegram(["0-0:96.13.0(" + String(repeating: "30", count: 2100) + ")"])
        #expect(P1.errors(line).map(\.code) == [.limit])
        let message = P1.telegram(["0-0:96.13.0(" + String(repeating: "30", count: 1024) + ")"])
        #expect(P1.telegrams(message).map(\.warnings) == [[]])
    }

    @Test("a telegram goes on in the next datagram, and is there with its last digit")
    func datagrams() {
        var decoder = P1Decoder()
        decoder.append(Array(Self.sample[..<100]))
        decoder.endBurst()
        #expect(frame(decoder.next()) == nil && !decoder.isIdle)
        decoder.append(Array(Self.sample[100...].dropLast(2)))
        #expect(frame(decoder.next()) == Self.whole.first)
        decoder.append([0x0D, 0x0A])
        #expect(frame(decoder.next()) == nil)
        #expect(decoder.isIdle)
    }

    // MARK: Damage

    /// What the simulated meters send.
    static let simulated: [(P1Meter.Version, [UInt8])] = P1Meter.Version.allCases.map { version in
        var meter = P1Meter(configuration: .init(version: version))
        let time = MeterTime(localSeconds: 1_768_480_496)
        return (version, meter.telegram(Household(seed: 7), time: time, isSummer: false))
    }

    @Test("each simulated telegram comes out the same in every way of arriving", arguments: simulated)
    func everyWay(_ version: P1Meter.Version, _ bytes: [UInt8]) throws {
        let expected = P1.telegrams(bytes)
        #expect(expected.map(\.warnings) == [[]])
        #expect(FramerVerifier.deviations({ P1Decoder() }, input: bytes, expected: expected) == [])
        for split in 1..<bytes.count {
            let chunks = [Array(bytes[..<split]), Array(bytes[split...])]
            #expect(FramerVerifier.frames(P1Decoder(), chunks: chunks) == expected, "split at \(split)")
        }
    }

    @Test("a flipped bit gives no other value where there is a check", arguments: simulated)
    func flipped(_ version: P1Meter.Version, _ bytes: [UInt8]) throws {
        guard version != .v22 else { return }
        let expected = P1.telegrams(bytes)
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                // Behind the telegram, and capital letters among the digits.
                let isHarmless = index >= bytes.count - 6
                let got = P1.telegrams(damaged)
                #expect(got.isEmpty || (isHarmless && got == expected), "byte \(index), bit \(bit)")
                guard bit == index % 8 else { continue }
                #expect(P1.telegrams(damaged + bytes) == got + expected, "byte \(index), bit \(bit), and the next")
            }
        }
    }

    @Test("a flipped bit never turns one check into the other")
    func flippedBetweenChecks() {
        var random = SeededGenerator(seed: 16)
        for _ in 0..<200 {
            let bytes = random.bytes(Int.random(in: 1...300, using: &random))
            let parity = bytes.reduce(0) { $0 + $1.nonzeroBitCount } % 2
            #expect(Checksum.arc(bytes.rawSpan).nonzeroBitCount % 2 == parity)
            #expect(Checksum.x25(bytes.rawSpan).nonzeroBitCount % 2 == parity)
        }
    }

    @Test("a telegram that ends anywhere gives nothing, or all of it with a warning", arguments: simulated)
    func truncated(_ version: P1Meter.Version, _ bytes: [UInt8]) throws {
        let whole = try #require(P1.telegrams(bytes).first)
        for count in 0..<bytes.count {
            let got = P1.telegrams(Array(bytes[..<count]))
            let isWhole = got.count == 1 && got[0].printed == whole.printed
            #expect(got.isEmpty || (isWhole && (got[0] == whole || !got[0].warnings.isEmpty)), "cut at \(count)")
            let told = FramerVerifier.outputs(P1Decoder(), chunks: [Array(bytes[..<count])])
            #expect(count == 0 || !told.isEmpty, "cut at \(count)")
            #expect(P1.telegrams(bytes[..<count] + bytes).last?.registers == whole.registers, "cut at \(count)")
        }
    }

    static let junk: [(String, [UInt8])] = [
        ("slashes", bytes("/")), ("identifications", bytes("/LGZ4ZMF100AC.M26\r\n")), ("marks", bytes("!\r\n")),
        ("heads", bytes("/ISK5")), ("lines", bytes("1-0:1.8.1(003432.827*kWh)\r\n")), ("brackets", bytes("(")),
        ("an endless line", bytes("1")), ("zeros", [0]), ("high bytes", [0xAF, 0xFF]), ("ends", bytes("\n!00")),
    ]

    @Test("more garbage than a link may hold costs nothing but itself", arguments: junk)
    func garbage(_ name: String, _ unit: [UInt8]) {
        var decoder = P1Decoder()
        var held = 0
        var telegrams: [Telegram] = []
        let block = Array((0..<4096).map { _ in unit }.joined().prefix(4096))
        for head in [[], Self.bytes("/ISK5\\2M550T-1012\r\n\r\n")] {
            decoder.append(head)
            for _ in 0..<48 {
                decoder.append(block)
                held += block.count
                while let output = decoder.next() {
                    if case .frame(let telegram) = output { telegrams.append(telegram) }
                }
            }
        }
        decoder.finish()
        while decoder.next() != nil {}
        #expect(telegrams.isEmpty && held > 2 * Limits.linkBuffer)
        decoder.append(Self.sample)
        #expect(frame(decoder.next()) == Self.whole.first)
    }

    @Test("whatever is changed, cut or doubled, it decodes or is refused")
    func mutations() {
        var random = SeededGenerator(seed: 62056)
        var decoded = 0
        for round in 0..<3000 {
            var bytes = Self.simulated[round % Self.simulated.count].1
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(contentsOf: bytes[index...].prefix(40), at: index)
                default: bytes.insert(Array("()*!/\n\r-:.".utf8).randomElement(using: &random) ?? 0, at: index)
                }
            }
            for checksum in P1Checksum.allCases {
                decoded += P1.telegrams(bytes, checksum: checksum).count
            }
            #expect(P1.telegrams(bytes + Self.sample).last == Self.whole.last, "round \(round)")
        }
        #expect(decoded > 0)
    }

    // MARK: Outputs

    private func frame(_ output: FramerOutput<Telegram>?) -> Telegram? {
        if case .frame(let telegram) = output { telegram } else { nil }
    }

    private func noise(_ output: FramerOutput<Telegram>?) -> Int? {
        if case .noise(let count) = output { count } else { nil }
    }
}
