import OBIS
import SML
import TestSupport
import Testing
import Wire

@Suite("SML files")
struct FileTests {
    private func findings(_ chunks: [UInt8]...) -> Findings {
        Findings(FramerVerifier.outputs(SMLDecoder(), chunks: chunks))
    }

    private let file = Sample.push(seed: 1)
    private var telegram: Telegram { get throws { try #require(findings(file).telegrams.first) } }

    @Test("are the same whole, in pieces, and several at once")
    func chunks() throws {
        let telegram = try telegram
        #expect(FramerVerifier.deviations({ SMLDecoder() }, input: file, expected: [telegram]) == [])
        for split in file.indices {
            let found = findings(Array(file[..<split]), Array(file[split...]))
            #expect(found.telegrams == [telegram] && found.lost == 0, "split at \(split)")
        }
    }

    @Test("stand between noise")
    func noise() throws {
        let telegram = try telegram
        var random = SeededGenerator(seed: 1)
        for round in 0..<200 {
            let before = random.bytes(Int.random(in: 0...60, using: &random))
            let between = random.bytes(Int.random(in: 1...300, using: &random))
            let found = findings(before + file + between, file)
            #expect(found.telegrams == [telegram, telegram] && found.errors.isEmpty, "round \(round)")
            #expect(found.noise == before.count + between.count, "round \(round)")
        }
    }

    @Test("that are cut are told of, and cost nothing but themselves")
    func truncated() throws {
        let telegram = try telegram
        for count in 1..<file.count {
            let part = Array(file[..<count])
            let alone = findings(part)
            #expect(alone.telegrams.isEmpty && alone.lost == count, "cut at \(count)")
            #expect(alone.codes == (count < 8 ? [] : [.truncated]), "cut at \(count)")
            let next = findings(part + file)
            #expect(next.telegrams == [telegram] && next.lost == count, "cut at \(count), then the next")
            #expect(next.errors.count == (count < 8 ? 0 : 1), "cut at \(count), then the next")
        }
    }

    @Test("whose beginning is lost are noise, and the next one is read")
    func joined() throws {
        let telegram = try telegram
        for count in 1..<file.count {
            let found = findings(Array(file[count...]) + file)
            #expect(found.telegrams == [telegram] && found.noise == file.count - count, "from \(count)")
        }
    }

    @Test("never give another value for a flipped bit")
    func flipped() throws {
        let telegram = try telegram
        for index in file.indices {
            for bit in 0..<8 {
                var damaged = file
                damaged[index] ^= 1 << bit
                let found = findings(damaged + file)
                #expect(found.telegrams == [telegram], "byte \(index), bit \(bit)")
                #expect(found.lost == file.count, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("with lost bytes cost nothing but themselves")
    func lostBytes() throws {
        let telegram = try telegram
        for index in file.indices {
            for count in 1...5 where index + count <= file.count {
                let damaged = Array(file[..<index] + file[(index + count)...])
                let found = findings(file + damaged + file)
                #expect(found.telegrams == [telegram, telegram], "\(count) lost at \(index)")
            }
        }
    }

    @Test("tell of their damage at once, not only with the next one")
    func promptly() throws {
        var damaged = file
        damaged[60] ^= 1
        var decoder = SMLDecoder()
        decoder.append(damaged)
        guard case .rejected(let error, let count)? = decoder.next() else { Issue.record("nothing"); return }
        #expect(error.code == .checksum && error.offset == 0 && count == damaged.count)
        #expect(decoder.next() == nil && decoder.isIdle)
    }

    // MARK: Escape sequences

    /// A text that holds `content` somewhere.
    private func holding(_ content: [UInt8]) -> [UInt8] {
        Sample.file(entries: [Sample.entry([1, 0, 96, 1, 0, 255], value: Sample.octets(content)), Sample.energy])
    }

    @Test(
        "hold every run of escape bytes, with what looks like a start or an end behind it",
        arguments: [[], [1, 1, 1, 1], [0x1A, 0, 0x12, 0x34], [1, 1, 0x1A]] as [[UInt8]])
    func literals(behind: [UInt8]) {
        for run in 0...9 {
            let content = [UInt8](repeating: 0x1B, count: run) + behind
            guard !content.isEmpty else { continue }
            let file = holding(content)
            for chunks in [[file + file], (file + file).map { [$0] }] {
                let found = Findings(FramerVerifier.outputs(SMLDecoder(), chunks: chunks))
                #expect(found.telegrams.count == 2 && found.lost == 0, "\(run) bytes")
                for telegram in found.telegrams {
                    #expect(telegram.registers.first?.value == .text(Hex.string(content)), "\(run) bytes")
                }
            }
        }
    }

    @Test("with a start sequence as content are lost alone when they are cut or damaged")
    func literalStart() {
        let file = holding([0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1])
        let wanted = findings(file).telegrams
        #expect(wanted.count == 1)
        for count in 1..<file.count {
            let found = findings(Array(file[..<count]) + file)
            // Where both break off, which of the two starts was the second one cannot be told.
            #expect(found.telegrams == wanted || found.lost == count + file.count, "cut at \(count)")
            #expect(findings(Array(file[..<count]) + self.file).telegrams.count == 1, "cut at \(count), then another")
        }
    }

    @Test("with escape bytes left single by a meter are read, since the checksum is right")
    func single() throws {
        var content = holding([0x1B, 0x1B, 0x1B, 0x1B, 0x55])
        let doubled = try #require(content.indices.dropFirst(8).first { content[$0...].starts(with: Sample.escape) })
        content.removeSubrange(doubled..<(doubled + 4))
        content.removeLast(2)
        let checksum = Checksum.x25(content.rawSpan)
        let found = findings(content + [UInt8(checksum & 0xFF), UInt8(checksum >> 8)])
        #expect(found.telegrams.first?.registers.first?.value == .text("1b1b1b1b55") && found.lost == 0)
    }

    // MARK: Boundaries

    @Test("may be cut into datagrams")
    func datagrams() throws {
        var decoder = SMLDecoder()
        var telegrams: [Telegram] = []
        for part in [file[..<100], file[100..<200], file[200...]] {
            decoder.append(Array(part))
            decoder.endBurst()
            while let output = decoder.next() { if case .frame(let telegram) = output { telegrams.append(telegram) } }
        }
        let telegram = try telegram
        #expect(telegrams == [telegram] && decoder.isIdle)
    }

    @Test("are waited for, but not for ever")
    func waiting() {
        var decoder = SMLDecoder()
        #expect(decoder.isIdle)
        decoder.append(Array(file.dropLast()))
        #expect(decoder.next() == nil && !decoder.isIdle)
        decoder.finish()
        guard case .rejected(let error, _)? = decoder.next() else { Issue.record("nothing"); return }
        #expect(error.code == .truncated && decoder.next() == nil && decoder.isIdle)
        decoder.append([0x55, 0x1B, 0x1B])
        guard case .noise(1)? = decoder.next() else { Issue.record("no noise"); return }
        #expect(decoder.next() == nil && !decoder.isIdle)
        decoder.finish()
        guard case .noise(2)? = decoder.next() else { Issue.record("no noise"); return }
        #expect(decoder.next() == nil && decoder.isIdle)
    }

    @Test("may be as long as the limit, and no longer")
    func limit() throws {
        let fillers = (0..<1990).map { _ in Sample.entry(value: Sample.octets([0x41])) }
        let long = Sample.file(entries: fillers)
        #expect(long.count < Limits.smlFile && findings(long).telegrams.first?.registers.count == 1990)
        let overlong = Sample.start + [UInt8](repeating: 0x55, count: Limits.smlFile) + file
        let found = findings(overlong)
        let telegram = try telegram
        #expect(found.codes == [.limit] && found.telegrams == [telegram])
        #expect(found.lost == overlong.count - file.count)
    }

    // MARK: Messages

    @Test("whose one message is damaged keep the others")
    func damagedMessage() throws {
        let good = Sample.list(entries: [Sample.energy])
        for index in good.indices {
            var bad = good
            bad[index] ^= 0x02
            let found = findings(Sample.file([good, bad, good]))
            // A length that lies takes the rest of the file with it.
            #expect((1...2).contains(found.telegrams.count) && found.errors.count == 1, "byte \(index)")
            #expect(Set(found.telegrams).count == 1, "byte \(index)")
        }
        var wrongCheck = good
        wrongCheck[good.count - 2] ^= 1
        let found = findings(Sample.file([good, wrongCheck, good]))
        #expect(found.telegrams.count == 2 && found.codes == [.checksum] && found.lost == good.count)
        #expect(found.errors.first?.offset == 8 + good.count)
    }

    @Test("with messages of other kinds pass them over")
    func otherMessages() {
        let others = [0x0300, 0x0301, 0x0401, 0x0501, 0xFF01, 0x1234].map { tag in
            Sample.message(tag, [0x73, 0x01, 0x72, 0x62, 0x05, 0x42, 0x01, 0x03, 0x41, 0x42])
        }
        let found = findings(Sample.file(others + [Sample.list(entries: [Sample.energy])] + others))
        #expect(found.telegrams.count == 1 && found.lost == 0)
        let none = findings(Sample.file(others))
        #expect(none.telegrams.isEmpty && none.lost == 0)
    }

    @Test("with a message that is none are refused from there on")
    func malformedMessages() {
        let good = Sample.list(entries: [Sample.energy])
        for bad: [UInt8] in [[0x55], [0x76], [0x76, 0x10], [0x76, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01], [0xF6]] {
            let found = findings(Sample.file([good, bad]))
            #expect(found.telegrams.count == 1 && found.codes == [.malformed], "\(bad)")
        }
        let notRead = Sample.message(0x0701, [0x72, 0x01, 0x01])
        let found = findings(Sample.file([notRead, good]))
        #expect(found.telegrams.count == 1 && found.codes == [.malformed] && found.lost == notRead.count)
    }

    @Test("are told of in order, also from one hundred lists")
    func many() {
        let lists = (0..<100).map { Sample.list(entries: [Sample.entry(value: [0x62, UInt8($0)])]) }
        let found = findings(Sample.file(lists))
        #expect(found.telegrams.map { $0.registers.first?.value.number?.mantissa } == (0..<100).map { Int64($0) })
    }
}
