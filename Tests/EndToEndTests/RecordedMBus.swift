import Foundation
import OBIS
import TestSupport

/// Compares what the command prints of a recorded answer with what libmbus found in it.
enum RecordedMBus {
    /// - Returns: nil when the one message has exactly the expected header and records.
    static func deviation(of results: [ExactJSON], from item: Corpus.Case) -> String? {
        guard let result = results.first, results.count == 1 else { return "\(results.count) messages" }
        let header = item.json["header"] as? [String: Any] ?? [:]
        if let report = header["application_error"] as? String {
            let message = Libmbus.reports[report].map { "the meter reports: \($0)" }
            let error = result["error"]
            return error?["code"]?.string == "meter-error" && error?["message"]?.string == message
                ? nil : "\(error ?? .null) instead of \(report)"
        }
        guard result["ok"]?.bool == true, let meter = result["meter"] else {
            return "\(result["error"] ?? .null)"
        }
        if let reason = deviation(of: meter, from: header) { return reason }
        let registers = result["registers"]?.items ?? []
        guard let expected = item.expected, expected.count == registers.count else {
            return "\(registers.count) records instead of \(item.expected?.count ?? 0)"
        }
        let warnings = (result["warnings"]?.items ?? []).compactMap(\.string)
        return zip(registers, expected).lazy.compactMap { register, wanted in
            deviation(of: register, from: wanted, warnings).map { "record \(wanted["record"] ?? "?"): \($0)" }
        }.first
    }

    private static func deviation(of meter: ExactJSON, from header: [String: Any]) -> String? {
        let id = header["id"] as? String ?? ""
        let padded = String(repeating: "0", count: max(0, 8 - id.count)) + id
        // libmbus prints 0, which names no maker, as three characters that are no letters.
        let maker = (header["manufacturer"] as? String).flatMap { $0 == "@@@" ? nil : $0 }
        let medium = (header["medium"] as? String).flatMap { Libmbus.media[$0] }?.rawValue
        let status = (header["status"] as? String).flatMap { UInt8($0.dropFirst(2), radix: 16) }.map(Int.init)
        let fields: [(String, Bool)] = [
            ("id", meter["id"]?.string == padded), ("manufacturer", meter["manufacturer"]?.string == maker),
            ("version", meter["version"]?.string == (header["version"] as? Int).map { "\($0)" }),
            ("medium", meter["medium"]?.string == medium && medium != nil),
            ("access_number", meter["access_number"]?.int == header["access_no"] as? Int),
            ("status", meter["status"]?.int == status),
        ]
        return fields.first { !$0.1 }.map { "\($0.0) \(meter[$0.0] ?? .null)" }
    }

    private static func deviation(
        of register: ExactJSON, from wanted: [String: Any], _ warnings: [String]
    ) -> String? {
        let function = wanted["function"] as? String ?? ""
        let isMakers = ["manufacturer-specific", "more-records-follow"].contains(function)
        let numbers = ["record"] + (isMakers ? [] : ["storage", "tariff", "subunit"])
        for name in numbers where register[name]?.int != wanted[name] as? Int {
            return "\(name) \(register[name] ?? .null)"
        }
        let text = wanted["value_text"] as? String ?? ""
        if isMakers {
            // One of the sources prints the bytes from the last to the first.
            let bytes = Corpus.bytes(hex: text)
            let isRight = [bytes, bytes.reversed()].contains { register["value"]?.string == Hex.string($0) }
            return isRight ? nil : "\(register["value"] ?? .null) instead of \(text)"
        }
        // What the sources do not agree about is no expectation.
        guard wanted["disputed"] == nil, wanted["unsure"] == nil else { return nil }
        if register["function"]?.string != function { return "function \(register["function"] ?? .null)" }
        let quantity = (wanted["quantity"] as? String).map { Libmbus.names[$0] ?? $0 }
        if let quantity, register["quantity"]?.string?.hasPrefix(quantity) != true {
            return "quantity \(register["quantity"] ?? .null) instead of \(quantity)"
        }
        return deviation(of: register, text, unit: wanted["unit"] as? String ?? "", warnings)
    }

    private static func deviation(
        of register: ExactJSON, _ text: String, unit: String, _ warnings: [String]
    ) -> String? {
        // libmbus does not know the VIFE for durations.
        let isDuration =
            register["quantity"]?.string?.contains(", duration of ") == true && register["unit"]?.string == "s"
        guard let factor = Libmbus.factor(register["unit"]?.string, unit) ?? (isDuration ? 1 : nil) else {
            return "unit \(register["unit"] ?? .null) instead of \(unit)"
        }
        let isRight =
            switch register["value"] {
            case .number(let digits):
                FixedDecimal(digits).map { Libmbus.isSame($0, times: factor, as: text) } ?? false
            case .string(let value): value == text || "\(value)Z" == text
            case .null: isNoValue(text, register, warnings)
            default: false
            }
        return isRight ? nil : "\(register["value"] ?? .null) instead of \(text)"
    }

    /// libmbus prints a number or a date also where there is none; a warning, NaN or an impossible date tells.
    private static func isNoValue(_ text: String, _ register: ExactJSON, _ warnings: [String]) -> Bool {
        if ["nan", "-nan"].contains(text) { return true }
        if register["quantity"]?.string == "Time point (date)" {
            let parts = text.split(separator: "-").compactMap { Int($0) }
            return parts.count == 3
                && MeterTime(year: parts[0], month: parts[1], day: parts[2], hour: 0, minute: 0, second: 0) == nil
        }
        return warnings.contains { warning in
            warning.hasPrefix("\(register["code"]?.string ?? ""): ")
                && (warning.hasSuffix("are no decimal digits") || warning.contains("the meter reports"))
        }
    }
}
