import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Recorded P1 telegrams of real meters")
struct P1CorpusTests {
    /// Encrypted telegrams come to the decoder decrypted.
    private func cases() throws -> [Corpus.Case] {
        try Corpus("dsmr-p1")?.cases().filter { !$0.name.hasPrefix("encrypted_") } ?? []
    }

    @Test("every valid recording decodes to what independent decoders find, every invalid one is refused")
    func recordings() throws {
        guard Corpus("dsmr-p1") != nil else { return }
        let cases = try cases()
        let findings = cases.map { ($0.name, $0.isValid ? deviations($0) : refusalDeviations($0)) }
        for (name, deviations) in findings {
            for deviation in deviations { Issue.record("\(name): \(deviation)") }
        }
        let agreeing = findings.count { $0.1.isEmpty }
        print("dsmr-p1: \(agreeing) of \(cases.count)")
        #expect(agreeing == cases.count)
        #expect(!cases.isEmpty)
    }

    @Test("the plaintext of an encrypted telegram is a telegram")
    func decrypted() throws {
        for sample in try Corpus("dsmr-p1")?.cases() ?? [] {
            guard let text = sample.json["plaintext_text"] as? String else { continue }
            let telegrams = P1.telegrams(text)
            #expect(telegrams.count == 1 && telegrams[0].warnings.isEmpty, "\(sample.name)")
            #expect(valueDeviations(telegrams[0], sample.expected ?? [], sample).isEmpty, "\(sample.name)")
        }
    }

    @Test("recordings come out the same whole, byte by byte, in halves and three at once")
    func everyWay() throws {
        for sample in try cases() where sample.isValid {
            let expected = P1.telegrams(sample.bytes)
            // One that starts in the middle of a telegram and ends at a bare mark runs into the next.
            guard sample.bytes.first == UInt8(ascii: "/"), sample.bytes.last != UInt8(ascii: "!") else {
                #expect(FramerVerifier.frames(P1Decoder(), chunks: sample.bytes.map { [$0] }) == expected)
                continue
            }
            let deviations = FramerVerifier.deviations({ P1Decoder() }, input: sample.bytes, expected: expected)
            #expect(deviations.isEmpty, "\(sample.name): \(deviations)")
        }
    }

    @Test("a recording that is cut off anywhere gives all of its values or none")
    func truncated() throws {
        for sample in try cases() where sample.isValid && sample.bytes.count < 2000 {
            let whole = P1.telegrams(sample.bytes).map(\.printed)
            for count in 0..<sample.bytes.count {
                let got = P1.telegrams(Array(sample.bytes[..<count])).map(\.printed)
                #expect(got.isEmpty || got == whole, "\(sample.name) at \(count)")
            }
        }
    }

    @Test("a changed recording with a check gives the same values or none")
    func changed() throws {
        var random = SeededGenerator(seed: 1)
        for sample in try cases() where sample.isValid && (sample.json["crc"] as? [String: Any])?["ok"] as? Bool == true
        {
            let whole = P1.telegrams(sample.bytes).map(\.printed)
            for _ in 0..<20 {
                var bytes = sample.bytes
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let got = P1.telegrams(bytes).map(\.printed)
                #expect(got.isEmpty || got == whole, "\(sample.name)")
            }
        }
    }

    // MARK: Comparison

    private func deviations(_ sample: Corpus.Case) -> [String] {
        var telegrams: [Telegram] = []
        for output in FramerVerifier.outputs(P1Decoder(), chunks: [sample.bytes]) {
            switch output {
            case .frame(let telegram): telegrams.append(telegram)
            case .rejected(let error, _): return ["refused: \(error)"]
            case .noise: continue
            }
        }
        let expectations: [[[String: Any]]]
        if let parts = sample.json["telegrams"] as? [[String: Any]] {
            expectations = parts.compactMap { $0["expected"] as? [[String: Any]] }
        } else {
            expectations = [sample.expected ?? []]
        }
        guard telegrams.count == expectations.count else { return ["\(telegrams.count) telegrams"] }
        return zip(telegrams, expectations).flatMap { valueDeviations($0, $1, sample) }
            + identityDeviations(telegrams[0], sample)
    }

    private func identityDeviations(_ telegram: Telegram, _ sample: Corpus.Case) -> [String] {
        guard let line = sample.json["identification"] as? String else { return [] }
        let isRight = telegram.meter.manufacturer == line.dropFirst().prefix(3).uppercased()
        return isRight ? [] : ["manufacturer \(telegram.meter)"]
    }

    private func valueDeviations(
        _ telegram: Telegram, _ expected: [[String: Any]], _ sample: Corpus.Case
    ) -> [String] {
        // An entry with neither name nor value is what another decoder makes of a parenthesis too many.
        let wanted = expected.flatMap { entry -> [(code: String, index: Int?, value: [String: Any])] in
            guard let code = entry["obis"] as? String else { return [] }
            guard let values = entry["values"] as? [[String: Any]] else { return [(code, nil, entry)] }
            return values.enumerated().map { (code, $0.offset, $0.element) }
        }
        let open = sample.json["lines_without_expectation"] as? [String] ?? []
        let registers = telegram.registers.filter { register in
            !open.contains { $0.hasPrefix("\(register.code ?? "")(") }
        }
        guard wanted.count == registers.count else {
            return ["\(registers.count) values instead of \(wanted.count)"]
        }
        return zip(wanted, registers).compactMap { want, register in
            let unit = (want.value["unit"] as? String).flatMap { Unit(printed: $0) }
            let isSame =
                register.code == want.code && register.index == want.index
                && register.text == want.value["value"] as? String
                && (register.unit == unit || unit == nil && register.time != nil) && hasNumber(register, want.value)
            return isSame ? nil : "\(want) but \(register)"
        }
    }

    /// Identities and times have digits and are no numbers.
    private func hasNumber(_ register: Register, _ want: [String: Any]) -> Bool {
        guard let number = want["number"] as? Double else { return register.value.number == nil }
        switch register.value {
        case .number(let value): return value.double == number
        case .text, .time: return true
        case .wide, .flag, .unavailable: return false
        }
    }

    private func refusalDeviations(_ sample: Corpus.Case) -> [String] {
        var result: [String] = []
        if !P1.telegrams(sample.bytes).isEmpty { result.append("a telegram from bytes that are invalid") }
        if P1.errors(sample.bytes).isEmpty { result.append("nothing was refused") }
        return result
    }
}
