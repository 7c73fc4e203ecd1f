import Metering
import OBIS
import Redaction
import TestSupport
import Testing
import Transport

@Suite("Redacted recordings")
struct RedactedRecordingsTests {
    /// Of a protocol that cannot say where its identities stand, nothing is shown.
    static let names = ProtocolRegistry.all.filter { $0.survey != nil }.map(\.name)

    @Test("of what passes between a client and a meter are not shown")
    func dropsExchanges() throws {
        #expect(ProtocolRegistry.all.map(\.name).filter { !Self.names.contains($0) } == ["dlms-client"])
        let meterProtocol = try #require(ProtocolRegistry.named("dlms-client"))
        var random = SeededGenerator(seed: 3)
        let capture = Recorded(name: "", meterProtocol: meterProtocol, bytes: random.bytes(200)).capture(&random)
        var redactor = Redactor(salt: random.bytes(32))
        let result = redactor.redact(capture, of: meterProtocol)
        #expect(result.capture.pieces.isEmpty && result.droppedPieces == capture.pieces.count)
    }

    @Test("decode with all their values and another identity", arguments: Self.names)
    func recordings(name: String) throws {
        let meterProtocol = try #require(ProtocolRegistry.named(name))
        var random = SeededGenerator(seed: 11)
        let recordings = try Recorded.all(meterProtocol)
        var faults: [String] = []
        for recorded in recordings {
            let capture = recorded.capture(&random)
            var redactor = Redactor(salt: random.bytes(32))
            let redacted = redactor.redact(capture, of: meterProtocol)
            let reason = Self.fault(in: redacted, of: capture, meterProtocol)
            if let reason { faults.append("\(recorded.name): \(reason)") }
        }
        print("redaction \(name): \(recordings.count - faults.count) of \(recordings.count)")
        for fault in faults { print("  \(fault)") }
        #expect(faults.isEmpty && !recordings.isEmpty)
    }

    /// No check is right then, and nothing else is known of the meter. A bit in the very name of a number may still hide it.
    @Test("hardly ever give an identity away when they are damaged", arguments: Self.names)
    func damage(name: String) throws {
        let meterProtocol = try #require(ProtocolRegistry.named(name))
        var random = SeededGenerator(seed: 21)
        let recordings = try Recorded.all(meterProtocol)
        let left = recordings.enumerated().count { index, recorded in
            let before = Decoded(recorded.bytes, meterProtocol)
            let known = Set(before.telegrams.flatMap { meterProtocol.identifiers(in: $0).map(\.text) })
            var damaged = recorded
            damaged.damage(index % 4, &random)
            var redactor = Redactor(salt: random.bytes(32))
            let result = redactor.redact(damaged.capture(&random), of: meterProtocol)
            return known.contains { Leak.isIn(result.capture.bytes, $0, original: before) }
        }
        print("redaction \(name), damaged: \(left) of \(recordings.count) give an identity away")
        #expect(left * 30 <= recordings.count && !recordings.isEmpty)
    }

    /// - Returns: what is wrong, if anything is.
    private static func fault(
        in redacted: Redactor.RedactedCapture, of capture: Capture, _ meterProtocol: MeterProtocol
    ) -> String? {
        guard redacted.droppedPieces == 0 else { return "\(redacted.droppedPieces) pieces were dropped" }
        let shape = capture.pieces.map { "\($0.time) \($0.bytes.count)" }
        guard redacted.capture.pieces.map({ "\($0.time) \($0.bytes.count)" }) == shape else { return "other pieces" }
        let (before, after) = (
            Decoded(capture.bytes, meterProtocol), Decoded(redacted.capture.bytes, meterProtocol)
        )
        guard after.errors == before.errors else { return "errors \(before.errors), then \(after.errors)" }
        guard after.noise == before.noise, after.telegrams.count == before.telegrams.count else {
            return "\(after.telegrams.count) telegrams instead of \(before.telegrams.count)"
        }
        for (old, new) in zip(before.telegrams, after.telegrams) {
            if let reason = difference(old, new, meterProtocol) { return reason }
        }
        let known = Set(before.telegrams.flatMap { meterProtocol.identifiers(in: $0).map(\.text) })
        let leaks = known.filter { Leak.isIn(redacted.capture.bytes, $0, original: before) }
        return leaks.isEmpty ? nil : "left: \(leaks.sorted())"
    }

    private static func difference(_ old: Telegram, _ new: Telegram, _ meterProtocol: MeterProtocol) -> String? {
        guard new.registers.count == old.registers.count else { return "\(new.registers.count) registers" }
        guard
            (new.meter.manufacturer, new.meter.medium?.rawValue) == (old.meter.manufacturer, old.meter.medium?.rawValue)
        else { return "made by \(new.meter.manufacturer ?? "nobody")" }
        guard new.meterTime == old.meterTime, new.warnings == old.warnings else { return "\(new.warnings)" }
        // Zeros are a number that nobody has set.
        if let id = old.meter.id, id.contains(where: { $0 != "0" }),
            new.meter.id == id || new.meter.id?.count != id.count
        {
            return "meter \(id), then \(new.meter.id ?? "none")"
        }
        let identifiers = meterProtocol.identifiers(in: old).map(\.text)
        for (before, after) in zip(old.registers, new.registers) where before != after {
            let isIdentity = before.identifiesDevice || Leak.names(before, identifiers)
            guard isIdentity, after.obis == before.obis else { return "\(before) became \(after)" }
        }
        return nil
    }
}

/// The forms in which an identifier could be left.
enum Leak {
    /// Whether a register that is no identity by its name has one in its text.
    static func names(_ register: Register, _ identifiers: [String]) -> Bool {
        guard case .text(let text) = register.value else { return false }
        return identifiers.contains { identifier in
            forms(of: identifier).contains { text.contains(Hex.string($0)) } || text.contains(identifier)
        }
    }

    /// - Parameter original: what was there; a number that is measured may have the digits of the meter's.
    static func isIn(_ bytes: [UInt8], _ identifier: String, original: Decoded) -> Bool {
        let significant = identifier.drop { $0 == "0" || $0 == " " }
        guard significant.count >= 6, significant.contains(where: { $0 != "0" && $0 != "F" }) else { return false }
        let isMeasured = original.telegrams.flatMap(\.registers).contains { register in
            guard !register.identifiesDevice, case .number(let number)? = register.wireValue else { return false }
            return "\(number)".filter(\.isNumber) == significant
        }
        let stripped = bytes.map { $0.nonzeroBitCount.isMultiple(of: 2) ? $0 & 0x7F : $0 }
        let texts = [
            Array(significant.utf8), significant.utf8.reversed(), Array(Hex.string(Array(significant.utf8)).utf8),
        ]
        if texts.contains(where: { contains(bytes, $0) || contains(stripped, $0) }) { return true }
        return !isMeasured && forms(of: String(significant)).contains { contains(bytes, $0) }
    }

    /// Packed digits and binary numbers, both ways round.
    private static func forms(of text: String) -> [[UInt8]] {
        let digits = text.count.isMultiple(of: 2) ? text : "0" + text
        var forms: [[UInt8]] = []
        if let packed = Hex.bytes(digits.utf8), packed.count >= 4 { forms = [packed, packed.reversed()] }
        if let number = UInt32(text), number >= 1 << 20 {
            let binary = (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
            forms += [binary, binary.reversed()]
        }
        return forms
    }

    static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard let first = part.first, bytes.count >= part.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0] == first && bytes[$0...].starts(with: part) }
    }
}
