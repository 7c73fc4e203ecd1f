import IEC62056
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Recorded readouts of real meters")
struct CorpusTests {
    @Test("every valid recording decodes to what independent decoders find, every invalid one is refused")
    func recordings() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        let cases = try corpus.cases()
        let findings = cases.map { ($0.name, $0.isValid ? deviations($0) : refusalDeviations($0)) }
        for (name, deviations) in findings {
            for deviation in deviations { Issue.record("\(name): \(deviation)") }
        }
        let agreeing = findings.count { $0.1.isEmpty }
        print("iec62056-21: \(agreeing) of \(cases.count)")
        #expect(agreeing == cases.count)
        #expect(!cases.isEmpty)
    }

    @Test("recordings come out the same whole, byte by byte, in halves and three at once")
    func everyWay() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        for sample in try corpus.cases() where sample.isValid {
            let expected = telegrams(sample.bytes)
            // Lines alone have no beginning: three of them in a row are one.
            if expected.first?.meter.manufacturer == nil, sample.bytes.first != 0x01, sample.bytes.first != 0x02 {
                #expect(FramerVerifier.frames(ReadoutDecoder(), chunks: sample.bytes.map { [$0] }) == expected)
                continue
            }
            let deviations = FramerVerifier.deviations({ ReadoutDecoder() }, input: sample.bytes, expected: expected)
            #expect(deviations.isEmpty, "\(sample.name)")
        }
    }

    @Test("no recording gives other values when it is cut off anywhere")
    func truncated() throws {
        guard let corpus = Corpus("iec62056-21") else { return }
        for sample in try corpus.cases() where sample.isValid && sample.bytes.count < 2000 {
            let whole = telegrams(sample.bytes).flatMap(\.registers).map(named)
            for count in 0..<sample.bytes.count {
                let got = telegrams(Array(sample.bytes[..<count])).flatMap(\.registers).map(named)
                // Without an end line nothing says that lines are missing, but none may change.
                #expect(whole.starts(with: got), "\(sample.name) at \(count)")
            }
        }
    }

    private func named(_ register: Register) -> String {
        "\(register.code ?? "")(\(register.text ?? "")*\(register.unit?.symbol ?? ""))"
    }

    // MARK: Comparison

    private func deviations(_ sample: Corpus.Case) -> [String] {
        let outputs = FramerVerifier.outputs(ReadoutDecoder(), chunks: [sample.bytes])
        var telegrams: [Telegram] = []
        for output in outputs {
            switch output {
            case .frame(let telegram): telegrams.append(telegram)
            case .rejected(let error, _): return ["refused: \(error)"]
            case .noise: continue
            }
        }
        guard telegrams.count == 1, let telegram = telegrams.first else { return ["\(telegrams.count) telegrams"] }
        return identityDeviations(telegram, sample) + valueDeviations(telegram, sample)
    }

    private func identityDeviations(_ telegram: Telegram, _ sample: Corpus.Case) -> [String] {
        var result: [String] = []
        if let manufacturer = sample.json["manufacturer"] as? String,
            telegram.meter.manufacturer != manufacturer.uppercased()
        {
            result.append("manufacturer \(telegram.meter)")
        }
        if let line = sample.json["identification"] as? String, let version = telegram.meter.version,
            !line.hasSuffix(version)
        {
            result.append("version \(version)")
        }
        if let time = sample.json["timestamp"] as? String, telegram.meterTime?.description != time {
            result.append("time \(String(describing: telegram.meterTime))")
        }
        return result
    }

    private func valueDeviations(_ telegram: Telegram, _ sample: Corpus.Case) -> [String] {
        guard let expected = sample.expected else { return [] }
        let wanted = expected.flatMap { entry -> [(code: String, index: Int?, value: [String: Any])] in
            let code = entry["obis"] as? String ?? ""
            guard let values = entry["values"] as? [[String: Any]] else { return [(code, nil, entry)] }
            return values.enumerated().map { (code, $0.offset, $0.element) }
        }
        guard wanted.count == telegram.registers.count else {
            return ["\(telegram.registers.count) values instead of \(wanted.count)"]
        }
        return zip(wanted, telegram.registers).compactMap { want, register in
            let isSame =
                register.code == want.code && register.index == want.index
                && register.text == want.value["value"] as? String
                && register.unit?.symbol == want.value["unit"] as? String && hasNumber(register, want.value)
            return isSame ? nil : "\(want) but \(register)"
        }
    }

    /// The expectations leave out numbers of more than fifteen digits.
    private func hasNumber(_ register: Register, _ want: [String: Any]) -> Bool {
        guard let number = want["number"] as? Double else {
            return register.value.number == nil || (register.text?.count ?? 0) > 15
        }
        return register.value.number?.double == number
    }

    private func refusalDeviations(_ sample: Corpus.Case) -> [String] {
        var result: [String] = []
        if !telegrams(sample.bytes).isEmpty { result.append("a telegram from bytes that are invalid") }
        if errors(sample.bytes).isEmpty { result.append("nothing was refused") }
        return result
    }
}
