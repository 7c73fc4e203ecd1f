public import OBIS

/// A text by which a telegram says whose it is.
public struct TelegramIdentifier: Sendable, Hashable {
    public let text: String
    /// Whether it is a binary number on the wire, as measured values are.
    public let isBinaryNumber: Bool
}

extension MeterProtocol {
    /// The meter's number, those of devices behind it, and the registers that identify. Texts as printed where the protocol
    /// prints them.
    public func identifiers(in telegram: Telegram) -> [TelegramIdentifier] {
        let meters = [telegram.meter.id] + subMeters(telegram).map(\.telegram.meter.id)
        return meters.compactMap { $0 }.map { TelegramIdentifier(text: $0, isBinaryNumber: false) }
            + telegram.registers.filter(\.identifiesDevice).flatMap(\.identifiers)
    }
}

extension Register {
    /// Whether it says by its name which device this is. Records of M-Bus have no code, and heat meters of IEC 62056-21
    /// print their own ones.
    public var identifiesDevice: Bool {
        if let record { return Self.identifying.contains { record.quantity.hasPrefix($0) } }
        if printedCode == "9.21" { return true }
        let code = obis ?? printedCode.flatMap { ObisCode($0) }
        return code?.identifiesDevice(byCharacters: identifiers.first?.text.utf8.count ?? 0) ?? false
    }

    private static let identifying = ["Fabrication number", "Identification", "Customer"]

    fileprivate var identifiers: [TelegramIdentifier] {
        let isPrinted = text != nil || record != nil
        let printed = text.map { [TelegramIdentifier(text: $0, isBinaryNumber: false)] } ?? []
        switch value {
        case .text(let text), .wide(let text): return printed + [TelegramIdentifier(text: text, isBinaryNumber: false)]
        case .number(let number): return printed + [TelegramIdentifier(text: "\(number)", isBinaryNumber: !isPrinted)]
        case .flag, .time, .unavailable: return printed
        }
    }
}
