import Foundation
import OBIS
import SML
import TestSupport
import Testing
import Wire

@Suite("Recorded SML files")
struct CorpusTests {
    @Test("decode as independent decoders say")
    func agreement() throws {
        guard let corpus = Corpus("sml") else { return }
        var wrong: [String] = []
        let cases = try corpus.cases()
        for item in cases {
            if let reason = Self.deviation(of: item) { wrong.append("\(item.name): \(reason)") }
        }
        print("sml: \(cases.count - wrong.count) of \(cases.count)")
        for line in wrong { print("  \(line)") }
        #expect(wrong.isEmpty)
    }

    private static func deviation(of item: Corpus.Case) -> String? {
        let outputs = FramerVerifier.outputs(SMLDecoder(), chunks: [item.bytes])
        let telegrams = outputs.compactMap { if case .frame(let telegram) = $0 { telegram } else { nil } }
        guard item.isValid else {
            if !telegrams.isEmpty { return "an invalid input gave a telegram" }
            return outputs.contains { if case .rejected = $0 { true } else { false } } ? nil : "nothing was rejected"
        }
        if let expected = item.expected {
            guard let first = telegrams.first else { return "no telegram" }
            if let reason = Expectation.deviation(of: first, from: expected) { return reason }
        }
        return filesDeviation(of: item, telegrams: telegrams)
    }

    /// Every file of the capture on its own, and all of them together.
    private static func filesDeviation(of item: Corpus.Case, telegrams: [Telegram]) -> String? {
        var good = 0
        for file in item.json["sml_files"] as? [[String: Any]] ?? [] {
            guard let offset = file["offset"] as? Int, let length = file["length"] as? Int else { return "no offset" }
            let bytes = Array(item.bytes[offset..<offset + length])
            let outputs = FramerVerifier.outputs(SMLDecoder(), chunks: [bytes])
            guard file["crc"] as? String != "bad" else {
                guard outputs.count == 1, case .rejected = outputs[0] else { return "at \(offset): \(outputs)" }
                continue
            }
            good += 1
            guard outputs.count == 1, case .frame(let telegram) = outputs[0] else { return "at \(offset): \(outputs)" }
            if let expected = file["expected"] as? [[String: Any]],
                let reason = Expectation.deviation(of: telegram, from: expected)
            {
                return "at \(offset): \(reason)"
            }
        }
        return good == telegrams.count ? nil : "\(telegrams.count) telegrams of \(good) files"
    }

    @Test("are the same byte by byte")
    func dripped() throws {
        guard let corpus = Corpus("sml") else { return }
        for item in try corpus.cases() {
            let whole = FramerVerifier.frames(SMLDecoder(), chunks: [item.bytes])
            #expect(FramerVerifier.frames(SMLDecoder(), chunks: item.bytes.map { [$0] }) == whole, "\(item.name)")
        }
    }
}

/// Compares a telegram with the values that an independent decoder found. It tells of no register without a value.
enum Expectation {
    static func deviation(of telegram: Telegram, from expected: [[String: Any]]) -> String? {
        let registers = telegram.registers.filter { $0.value != .unavailable }
        guard registers.count == expected.count else {
            return "\(registers.count) registers instead of \(expected.count)"
        }
        for (register, wanted) in zip(registers, expected) {
            if let reason = deviation(of: register, from: wanted) { return "\(register.code ?? "-"): \(reason)" }
        }
        return nil
    }

    private static func deviation(of register: Register, from wanted: [String: Any]) -> String? {
        guard register.obis?.description == wanted["obis"] as? String else { return "instead of \(wanted)" }
        if let code = wanted["unit_code"] as? UInt8, register.unit != Unit(code: code) { return "unit not \(code)" }
        switch register.value {
        case .number(let number):
            guard number.description == wanted["value_text"] as? String else { return "\(number), not \(wanted)" }
            guard let raw = wanted["raw"] as? Int64 else { return nil }
            return register.wireValue == .number(FixedDecimal(raw)) ? nil : "another number as sent than \(raw)"
        case .text(let text):
            let value = wanted["value"] as? String ?? ""
            let digits = value.filter { $0 != " " }
            // Decoders show the same octets as text or as digits.
            return text == value || text == digits || Hex.string(text.utf8) == digits ? nil : "\(text), not \(value)"
        case .wide, .flag, .time, .unavailable:
            return "\(register.value) instead of \(wanted)"
        }
    }
}
