import Foundation
import MBus
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Recorded answers")
struct CorpusTests {
    @Test("decode as independent decoders say")
    func agreement() throws {
        guard let corpus = Corpus("mbus") else { return }
        var wrong: [String] = []
        let cases = try corpus.cases()
        for item in cases {
            if let reason = Expectation.deviation(of: item) { wrong.append("\(item.name): \(reason)") }
        }
        print("mbus: \(cases.count - wrong.count) of \(cases.count)")
        for line in wrong { print("  \(line)") }
        #expect(wrong.isEmpty)
    }

    /// What the module does not do itself is to decipher: here a closure stands for it that knows the one text.
    @Test("open with the text behind them, and are refused without")
    func encrypted() throws {
        guard let corpus = Corpus("mbus") else { return }
        for item in try corpus.cases() where item.json["plaintext_records"] != nil {
            let refused = FramerVerifier.outputs(MBusDecoder(), chunks: [item.bytes])
            #expect(Expectation.errors(refused).map(\.code) == [.keyMissing], "\(item.name)")
        }
    }
}

/// Compares telegrams with what libmbus, whose names and units the recordings carry, found in them.
private enum Expectation {
    static func errors(_ outputs: [FramerOutput<Telegram>]) -> [WireError] {
        outputs.compactMap { if case .rejected(let error, _) = $0 { error } else { nil } }
    }

    static func deviation(of item: Corpus.Case) -> String? {
        let outputs = FramerVerifier.outputs(MBusDecoder(decipher: decipher(of: item)), chunks: [item.bytes])
        let telegrams = outputs.compactMap { if case .frame(let telegram) = $0 { telegram } else { nil } }
        guard item.isValid else {
            if !telegrams.isEmpty { return "an invalid input gave a telegram" }
            return outputs.isEmpty ? "an invalid input gave nothing" : nil
        }
        let header = item.json["header"] as? [String: Any] ?? [:]
        if let report = header["application_error"] as? String {
            guard let name = Libmbus.reports[report] else { return "the report '\(report)' is not in the table" }
            return errors(outputs).map(\.message) == ["the meter reports: \(name)"] ? nil : "\(outputs)"
        }
        guard let telegram = telegrams.first, telegrams.count == 1 else { return "no telegram: \(errors(outputs))" }
        if let reason = deviation(of: telegram.meter, from: header) { return reason }
        guard let expected = item.expected else { return "no expectation" }
        guard telegram.registers.count == expected.count else {
            return "\(telegram.registers.count) records instead of \(expected.count)"
        }
        for (register, wanted) in zip(telegram.registers, expected) {
            if let reason = deviation(of: register, from: wanted, telegram.warnings) {
                return "record \(wanted["record"] ?? "?") \(register.code ?? "-"): \(reason)"
            }
        }
        return nil
    }

    private static func decipher(of item: Corpus.Case) -> Decipher? {
        guard let text = item.json["plaintext_records"] as? String else { return nil }
        let plain = Corpus.bytes(hex: text)
        return { _, _ throws(WireError) in plain }
    }

    // MARK: Header

    private static func deviation(of meter: MeterIdentity, from header: [String: Any]) -> String? {
        let id = header["id"] as? String ?? ""
        let padded = String(repeating: "0", count: max(0, 8 - id.count)) + id
        if meter.id != padded { return "id \(meter.id ?? "none") instead of \(padded)" }
        // libmbus prints 0, which names no maker, as three characters that are no letters.
        let maker = (header["manufacturer"] as? String).flatMap { $0 == "@@@" ? nil : $0 }
        if meter.manufacturer != maker { return "maker \(meter.manufacturer ?? "none") instead of \(maker ?? "none")" }
        if meter.version != (header["version"] as? Int).map({ "\($0)" }) { return "version \(meter.version ?? "none")" }
        let medium = header["medium"] as? String ?? ""
        guard let wanted = Libmbus.media[medium] else { return "the medium '\(medium)' is not in the table" }
        if meter.medium != wanted { return "medium \(meter.medium?.rawValue ?? "none") instead of \(medium)" }
        if meter.accessNumber.map(Int.init) != header["access_no"] as? Int { return "access number" }
        let status = (header["status"] as? String).flatMap { UInt8($0.dropFirst(2), radix: 16) }
        return meter.status == status ? nil : "status"
    }

    // MARK: Records

    private static func deviation(
        of register: Register, from wanted: [String: Any], _ warnings: [String]
    ) -> String? {
        guard let record = register.record else { return "no record" }
        if record.number != wanted["record"] as? Int { return "number \(record.number)" }
        let function = wanted["function"] as? String ?? ""
        if ["manufacturer-specific", "more-records-follow"].contains(function) {
            return deviation(ofManufacturerData: register, from: wanted["value_text"] as? String ?? "")
        }
        for (name, value) in [("storage", record.storage), ("tariff", record.tariff), ("subunit", record.subunit)]
        where value != wanted[name] as? Int { return "\(name) \(value)" }
        let isFirm = wanted["disputed"] == nil && wanted["unsure"] == nil
        guard isFirm else { return nil }
        if record.function.rawValue != function { return "function \(record.function)" }
        return deviation(ofFirm: register, record, wanted, warnings)
    }

    /// One of the sources prints the bytes from the last to the first.
    private static func deviation(ofManufacturerData register: Register, from text: String) -> String? {
        let bytes = Corpus.bytes(hex: text)
        let isRight = [bytes, bytes.reversed()].contains { register.value == .text(Hex.string($0)) }
        return isRight ? nil : "\(register.value) instead of \(text)"
    }

    private static func deviation(
        ofFirm register: Register, _ record: RecordIdentity, _ wanted: [String: Any], _ warnings: [String]
    ) -> String? {
        let text = wanted["value_text"] as? String ?? ""
        let unit = wanted["unit"] as? String ?? ""
        let quantity = (wanted["quantity"] as? String).map { Libmbus.names[$0] ?? $0 }
        if let quantity, !record.quantity.hasPrefix(quantity) {
            return "quantity \(record.quantity) instead of \(quantity)"
        }
        guard let factor = Libmbus.factor(register.unit?.symbol, unit) ?? extended(register, record) else {
            return "the unit \(register.unit?.symbol ?? "none") for '\(unit)' is not in the table"
        }
        switch register.value {
        case .number(let number):
            return Libmbus.isSame(number, times: factor, as: text) ? nil : "\(number) instead of \(text)"
        case .time(let time): return "\(time.local)Z" == text ? nil : "\(time.local) instead of \(text)"
        case .text(let value): return value == text ? nil : "\(value) instead of \(text)"
        case .unavailable: return isNoValue(text, register, warnings) ? nil : "unavailable instead of \(text)"
        case .wide, .flag: return "\(register.value) instead of \(text)"
        }
    }

    /// libmbus does not know the VIFE for durations: the unit that it names is that of what lasted.
    private static func extended(_ register: Register, _ record: RecordIdentity) -> Double? {
        record.quantity.contains(", duration of ") && register.unit == .second ? 1 : nil
    }

    /// What libmbus prints although there is no value: NaN, dates with a month or a day that is none, digits A to F
    /// counted as 10 to 15, and the number beside a VIFE that says that there is none.
    private static func isNoValue(_ text: String, _ register: Register, _ warnings: [String]) -> Bool {
        if ["nan", "-nan"].contains(text) { return true }
        if register.record?.quantity == "Time point (date)" { return MeterTime(date: text) == nil }
        return warnings.contains { warning in
            warning.hasPrefix("\(register.code ?? ""): ")
                && (warning.hasSuffix("are no decimal digits") || warning.contains("the meter reports"))
        }
    }
}

extension MeterTime {
    /// `2013-12-31`.
    fileprivate init?(date text: String) {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3 else { return nil }
        self.init(year: parts[0], month: parts[1], day: parts[2], hour: 0, minute: 0, second: 0)
    }
}
