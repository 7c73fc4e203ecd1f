import COSEM
import Foundation
import MBus
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Recorded pushes")
struct CorpusTests {
    @Test("decode as independent decoders say", arguments: ["dlms-push", "dlms-push-encrypted", "dlms-mbus"])
    func agreement(folder: String) throws {
        guard let corpus = Corpus(folder) else { return }
        var wrong: [String] = []
        let cases = try corpus.cases()
        for item in cases {
            if let reason = deviation(of: item) { wrong.append("\(item.name): \(reason)") }
        }
        print("\(folder): \(cases.count - wrong.count) of \(cases.count)")
        for line in wrong { print("  \(line)") }
        #expect(wrong.isEmpty)
    }

    private func deviation(of item: Corpus.Case) -> String? {
        let keys = CipheringKeys(
            encryption: item.key("guek").map(Secret.init), authentication: item.key("gak").map(Secret.init))
        let outputs = FramerVerifier.outputs(
            PushDecoder(keys: keys, carriers: [DLMSCarrier()]), chunks: [item.bytes])
        let telegrams = outputs.compactMap { if case .frame(let telegram) = $0 { telegram } else { nil } }
        let errors = outputs.compactMap { if case .rejected(let error, _) = $0 { error } else { nil } }
        guard item.isValid else {
            return telegrams.isEmpty ? nil : "an invalid input gave a telegram"
        }
        guard let expected = item.expected else {
            // No key is published: the frame must be read as far as the missing key.
            return errors.contains { $0.code == .keyMissing } || !telegrams.isEmpty ? nil : "\(errors)"
        }
        let deviations = telegrams.map { Expectation.deviation(of: $0, from: expected, times: item.headerTimes) }
        if deviations.contains(where: { $0 == nil }) { return nil }
        return deviations.first.flatMap { $0 } ?? "no telegram: \(errors)"
    }
}

/// Compares a telegram with the values that an independent decoder found.
enum Expectation {
    static func deviation(of telegram: Telegram, from expected: [[String: Any]], times: [String]) -> String? {
        if !times.isEmpty, !times.contains(telegram.meterTime?.local ?? "") {
            return "time \(telegram.meterTime?.local ?? "none") instead of one of \(times)"
        }
        let wanted = inOrder(expected.flatMap(scalars)) { $0["obis"] as? String }
        let registers = inOrder(telegram.registers) { $0.obis?.description }
        guard registers.count == wanted.count else { return "\(registers.count) registers instead of \(wanted.count)" }
        for (register, wanted) in zip(registers, wanted) {
            if let reason = deviation(of: register, from: wanted) { return "\(register.code ?? "-"): \(reason)" }
        }
        return nil
    }

    /// By name where every entry has one, since not every source kept the order of the frame.
    private static func inOrder<Entry>(_ entries: [Entry], name: (Entry) -> String?) -> [Entry] {
        let names = entries.map(name)
        guard names.allSatisfy({ $0 != nil }) else { return entries }
        return zip(names, entries).enumerated()
            .sorted { ($0.element.0 ?? "", $0.offset) < ($1.element.0 ?? "", $1.offset) }.map(\.element.1)
    }

    /// A structure as value is one register for each of its elements.
    private static func scalars(_ entry: [String: Any]) -> [[String: Any]] {
        guard let items = entry["items"] as? [[String: Any]] else { return [entry] }
        return items.map { item in item.merging(["obis": entry["obis"] ?? NSNull()]) { first, _ in first } }
    }

    private static func deviation(of register: Register, from wanted: [String: Any]) -> String? {
        let code = wanted["obis"] as? String
        guard register.obis?.description == code else {
            return "named \(register.code ?? "none") instead of \(code ?? "none")"
        }
        if let unit = wanted["unit"] as? String, register.unit?.symbol != unit {
            return "unit \(register.unit?.symbol ?? "none")"
        }
        switch register.value {
        case .number(let number):
            if let text = wanted["value_text"] as? String {
                return number == FixedDecimal(text) ? nil : "\(number) instead of \(text)"
            }
            guard let value = wanted["value"] as? NSNumber else {
                return "a number instead of \(wanted["value"] ?? "nothing")"
            }
            return number == FixedDecimal(value.stringValue) ? nil : "\(number) instead of \(value)"
        case .text(let text), .wide(let text):
            return text == wanted["value"] as? String || text == (wanted["hex"] as? String)?.lowercased()
                ? nil : "\(text) instead of \(wanted["value"] ?? "nothing")"
        case .time(let time):
            return time.local == wanted["value"] as? String
                ? nil : "\(time.local) instead of \(wanted["value"] ?? "nothing")"
        case .flag(let flag):
            return "\(flag)".capitalized == wanted["value"] as? String
                || (wanted["value"] as? NSNumber)?.boolValue == flag
                ? nil : "\(flag) instead of \(wanted["value"] ?? "nothing")"
        case .unavailable:
            return wanted["value"] is NSNull || wanted["value"] == nil
                ? nil : "unavailable instead of \(wanted["value"] ?? "nothing")"
        }
    }
}

extension Corpus.Case {
    /// The times of the message headers, as an independent decoder reads them.
    var headerTimes: [String] {
        ((json["messages"] as? [[String: Any]]) ?? []).compactMap {
            ($0["apdu"] as? [String: Any])?["timestamp"] as? String
        }
    }
}
