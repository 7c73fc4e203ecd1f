import Foundation
import OBIS
import TestSupport
import Testing

/// The recorded frames of real meters through the command, against what independent decoders found.
@Suite("`obisd decode` on recordings")
struct RecordedTests {
    @Test(
        "agrees with every expectation, and refuses every invalid one",
        arguments: [
            ("dlms-push", "dlms-push"), ("dlms-push-encrypted", "dlms-push"),
            ("dlms-mbus", "dlms-push"), ("iec62056-21", "iec62056-21"), ("dsmr-p1", "dsmr-p1"), ("sml", "sml"),
            ("mbus", "mbus"),
        ])
    func folder(name: String, protocolName: String) async throws {
        guard let corpus = Corpus(name) else { return }
        let cases = try corpus.cases()
        let lines = try await decode(cases, corpus.folder, protocolName)
        var wrong: [String] = []
        for item in cases {
            let results = lines[item.name] ?? []
            if let reason = item.isValid ? deviation(of: results, from: item) : refusal(results) {
                wrong.append("\(item.name): \(reason)")
            }
        }
        print("decode \(name): \(cases.count - wrong.count) of \(cases.count)")
        for line in wrong { print("  \(line)") }
        #expect(wrong.isEmpty && !cases.isEmpty)
    }

    @Test(
        "exits 65 for each invalid recording",
        arguments: ["dlms-push", "dlms-push-encrypted", "dlms-mbus", "iec62056-21", "dsmr-p1", "sml", "mbus"])
    func exitCodes(name: String) async throws {
        guard let corpus = Corpus(name) else { return }
        let protocolName = name.hasPrefix("dlms") ? "dlms-push" : name
        for item in try corpus.cases() where !item.isValid {
            let outcome = try await Program.run(arguments(protocolName, [item], corpus.folder))
            #expect(outcome.exitCode == 65, "\(item.name)")
        }
    }

    // MARK: Running

    /// Files with equal keys go through one call. - Returns: the lines of each case.
    private func decode(
        _ cases: [Corpus.Case], _ folder: URL, _ protocolName: String
    ) async throws -> [String: [ExactJSON]] {
        var lines: [String: [ExactJSON]] = [:]
        for (_, group) in Dictionary(
            grouping: cases, by: { "\($0.hexKey("guek") ?? "") \($0.hexKey("gak") ?? "")" })
        {
            let outcome = try await Program.run(arguments(protocolName, group, folder))
            let results = outcome.lines.compactMap { ExactJSON($0) }
            #expect(results.count == outcome.lines.count, "every line is JSON")
            // In the order of the files.
            let order = results.compactMap { $0["file"]?.string }.reduce(into: [String]()) {
                names, name in
                if names.last != name { names.append(name) }
            }
            #expect(order == group.map { path(of: $0, folder) })
            for (item, path) in zip(group, order) {
                lines[item.name] = results.filter { $0["file"]?.string == path }
            }
        }
        return lines
    }

    private func path(of item: Corpus.Case, _ folder: URL) -> String {
        folder.appendingPathComponent(item.json["data"] as? String ?? "").path
    }

    private func arguments(_ protocolName: String, _ cases: [Corpus.Case], _ folder: URL) -> [String] {
        let keys = [("--key", "guek"), ("--auth-key", "gak")].flatMap { option, name in
            cases.first?.hexKey(name).map { [option, $0] } ?? []
        }
        return ["decode", "--protocol", protocolName, "--format", "json"] + keys
            + cases.map { path(of: $0, folder) }
    }

    // MARK: Comparing

    private func refusal(_ results: [ExactJSON]) -> String? {
        results.isEmpty
            ? "nothing was said" : results.contains { $0["ok"]?.bool != false } ? "was not refused" : nil
    }

    /// - Returns: nil when one of the messages has exactly the expected values.
    private func deviation(of results: [ExactJSON], from item: Corpus.Case) -> String? {
        if results.first?["protocol"]?.string == "mbus" { return RecordedMBus.deviation(of: results, from: item) }
        let good = results.filter { $0["ok"]?.bool == true }
        guard let expected = item.expected else {
            let codes = results.compactMap { $0["error"]?["code"]?.string }
            return !good.isEmpty || codes.contains("key-missing") ? nil : "\(codes)"
        }
        // Two stray parentheses are no data set, though a decoder made an empty one of them.
        let named = expected.filter { !($0["obis"] is NSNull && $0["value"] as? String == "" && $0["hex"] == nil) }
        let wanted = Self.inOrder(named.flatMap(Self.values)) { $0["obis"] as? String }
        let unjudged = (item.json["lines_without_expectation"] as? [String] ?? []).map {
            String($0.prefix { $0 != "(" })
        }
        let deviations = good.map { message in
            let judged = (message["registers"]?.items ?? []).filter { register in
                // The decoders of SML do not tell of an entry without a value.
                !unjudged.contains(register["code"]?.string ?? "")
                    && !(message["protocol"]?.string == "sml" && register["value"] == .null)
            }
            return Self.deviation(of: judged, from: wanted)
        }
        return deviations.contains { $0 == nil } ? nil : deviations.first.flatMap { $0 } ?? "no message"
    }

    /// A data set or structure with several values is one register for each.
    private static func values(_ entry: [String: Any]) -> [[String: Any]] {
        guard let items = (entry["values"] ?? entry["items"]) as? [[String: Any]] else {
            return [entry]
        }
        return items.map { item in
            item.merging(["obis": entry["obis"] ?? NSNull()]) { first, _ in first }
        }
    }

    /// By name where every entry has one, since not every source kept the order of the frame.
    private static func inOrder<Entry>(_ entries: [Entry], name: (Entry) -> String?) -> [Entry] {
        let names = entries.map(name)
        guard names.allSatisfy({ $0 != nil }) else { return entries }
        return zip(names, entries).enumerated()
            .sorted { ($0.element.0 ?? "", $0.offset) < ($1.element.0 ?? "", $1.offset) }.map(\.element.1)
    }

    private static func deviation(of registers: [ExactJSON], from wanted: [[String: Any]]) -> String? {
        let registers = inOrder(registers) { $0["code"]?.string }
        guard registers.count == wanted.count else {
            return "\(registers.count) values instead of \(wanted.count)"
        }
        return zip(registers, wanted).lazy.compactMap(deviation).first
    }

    private static func deviation(of register: ExactJSON, from wanted: [String: Any]) -> String? {
        let code = wanted["obis"] as? String
        guard register["code"]?.string == code else {
            return "\(register["code"] ?? .null) instead of \(code ?? "-")"
        }
        let unit = (wanted["unit_code"] as? Int).flatMap(UInt8.init(exactly:)).map { Unit(code: $0)?.symbol }
        if let unit = unit ?? (wanted["unit"] as? String).map({ Unit(printed: $0)?.symbol }),
            register["unit"]?.string != unit
        {
            return "\(code ?? "-"): unit \(register["unit"] ?? .null) instead of \(unit ?? "none")"
        }
        let isSame =
            register["text"] == nil ? isSameBinary(register, wanted) : isSamePrinted(register, wanted)
        return isSame
            ? nil
            : "\(code ?? "-"): \(register["value"] ?? .null) instead of \(wanted["value"] ?? "nothing")"
    }

    /// A printed value is the text, exactly, and the number with all of its digits.
    private static func isSamePrinted(_ register: ExactJSON, _ wanted: [String: Any]) -> Bool {
        guard let text = wanted["value"] as? String, register["text"]?.string == text else {
            return false
        }
        guard let digits = register["value"]?.digits else { return true }
        let printed = text.filter { !$0.isWhitespace }.drop { $0 == "+" }
        return FixedDecimal(printed)?.description == digits
    }

    private static func isSameBinary(_ register: ExactJSON, _ wanted: [String: Any]) -> Bool {
        switch register["value"] {
        case .number(let digits):
            guard let number = FixedDecimal(digits) else { return false }
            if let text = wanted["value_text"] as? String { return number == FixedDecimal(text) }
            return (wanted["value"] as? NSNumber).flatMap { FixedDecimal($0.stringValue) } == number
        case .string(let text):
            let value = wanted["value"] as? String
            return text == value || text == (wanted["hex"] as? String)?.lowercased()
                || text == value?.filter { $0 != " " }
        case .bool(let flag):
            return "\(flag)".capitalized == wanted["value"] as? String
                || (wanted["value"] as? NSNumber)?.boolValue == flag
        case .null: return wanted["value"] == nil || wanted["value"] is NSNull
        default: return false
        }
    }
}

extension Corpus.Case {
    fileprivate func hexKey(_ name: String) -> String? {
        key(name).map { Hex.string($0) }
    }
}
