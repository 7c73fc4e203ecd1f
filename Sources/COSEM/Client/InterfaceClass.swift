import OBIS

/// The interface classes that are read (IEC 62056-6-2, 4.3 and 4.4).
enum InterfaceClass {
    static let data: UInt16 = 1
    static let register: UInt16 = 3
    static let extendedRegister: UInt16 = 4
    static let demandRegister: UInt16 = 5
    static let profileGeneric: UInt16 = 7
    static let clock: UInt16 = 8
    static let association: UInt16 = 15

    /// What an object may be of which only the name is known, the most likely first.
    static func candidates(for name: ObisCode) -> [UInt16] {
        guard name.a != 0 else { return [data, register, extendedRegister] }
        return switch name.d {
        case 4, 5: [demandRegister, register, extendedRegister, data]
        case 2, 6: [extendedRegister, register, demandRegister, data]
        default: [register, extendedRegister, demandRegister, data]
        }
    }
}

extension CosemAttribute {
    private func sibling(_ attribute: UInt8) -> CosemAttribute {
        CosemAttribute(interfaceClass: interfaceClass, name: name, attribute: attribute)
    }

    /// Where the scale and the unit of a value stand; nil for an attribute that has none.
    var scale: CosemAttribute? {
        switch (interfaceClass, attribute) {
        case (InterfaceClass.register, 2), (InterfaceClass.extendedRegister, 2): sibling(3)
        case (InterfaceClass.demandRegister, 2), (InterfaceClass.demandRegister, 3): sibling(4)
        default: nil
        }
    }

    /// Where it says when a value was captured; nil for an attribute of which it does not.
    var captureTime: CosemAttribute? {
        interfaceClass == InterfaceClass.extendedRegister && attribute == 2 ? sibling(5) : nil
    }

    /// Whether it says something about another attribute.
    var isDescription: Bool {
        switch (interfaceClass, attribute) {
        case (InterfaceClass.register, 3), (InterfaceClass.extendedRegister, 3), (InterfaceClass.extendedRegister, 5),
            (InterfaceClass.demandRegister, 4):
            true
        default: false
        }
    }
}

/// Attributes of several objects, put together to what a telegram says.
struct ReadAttributes: Sendable {
    private var scales: [CosemAttribute: ScalerUnit]
    private var times: [CosemAttribute: MeterTime] = [:]
    private var values: [(CosemAttribute, [UInt8])] = []
    private var refused: Set<CosemAttribute> = []

    init(scales: [CosemAttribute: ScalerUnit] = [:]) {
        self.scales = scales
    }

    var isEmpty: Bool { values.isEmpty }

    /// Whether each value that has a scale is there with it, unless the meter does not give it.
    var hasAllScales: Bool {
        values.allSatisfy { attribute, _ in
            attribute.scale.map { scales[$0] != nil || refused.contains($0) } ?? true
        }
    }

    /// Scales and times may come before or after their values. What was refused is no part of it.
    mutating func add(_ result: AttributeResult, of attribute: CosemAttribute) {
        if case .refused = result { refused.insert(attribute) }
        guard case .data(let bytes) = result, let answer = Answer(bytes) else { return }
        guard attribute.isDescription else { return values.append((attribute, bytes)) }
        if let scale = answer.scalerUnit { scales[attribute] = scale } else { refused.insert(attribute) }
        if case .time(let time) = answer.reader.value(at: 0) { times[attribute] = time }
    }

    var telegram: Telegram {
        var body = PushBody()
        for (attribute, bytes) in values {
            guard let answer = Answer(bytes) else { continue }
            body.append(
                attribute.name, answer.tape, of: bytes, scalerUnit: attribute.scale.flatMap { scales[$0] },
                time: attribute.captureTime.flatMap { times[$0] })
        }
        return Telegram(
            meter: PushIdentity.identity(of: body.registers), meterTime: PushIdentity.clock(of: body.registers),
            registers: body.registers, warnings: body.warnings)
    }
}
