import OBIS
import Wire

/// Which attributes are asked for to read the wanted registers, and what their answers come to.
///
/// What belongs to the object and not to the moment is learned once and kept over polls: the class of a name, its scale
/// and unit, the list of objects where the configuration names no registers.
struct RegisterReader: Sendable {
    private struct Entry: Sendable {
        let name: ObisCode
        /// Classes that the object may still be of; the first is asked for.
        var classes: [UInt16]
        let attribute: UInt8
        var value: AttributeResult?
        /// Whether the meter may leave it out without a word.
        var isOptional = false

        var target: CosemAttribute? {
            classes.first.map { CosemAttribute(interfaceClass: $0, name: name, attribute: attribute) }
        }
    }

    private let wanted: [WantedRegister]
    /// From the object list; nil before it was read.
    private var offered: [WantedRegister]?
    private var classes: [ObisCode: UInt16] = [:]
    /// Nil for an object whose scale the meter does not give.
    private var scales: [CosemAttribute: ScalerUnit?] = [:]
    private var captureTimes: [ObisCode: AttributeResult] = [:]
    private var entries: [Entry] = []
    /// Objects whose scale the meter did not give, and whether only for the moment.
    private var refusedScales: [CosemAttribute: Bool] = [:]
    /// The logical device name of the meter that all of this is about.
    private var device: [UInt8]?

    private static let objectList = CosemAttribute(
        interfaceClass: InterfaceClass.association, name: ObisCode(0, 0, 40, 0, 0), attribute: 2)
    private static let clock = ObisCode(0, 0, 1, 0, 0)
    private static let logicalDeviceName = ObisCode(0, 0, 42, 0, 0)

    /// - Parameter wanted: empty: what the object list has.
    init(_ wanted: [WantedRegister]) {
        self.wanted = wanted
    }

    /// A poll begins.
    mutating func begin() {
        entries = []
        captureTimes = [:]
        refusedScales = [:]
        if !needsObjectList { makeEntries() }
    }

    private var needsObjectList: Bool { wanted.isEmpty && offered == nil }

    private mutating func makeEntries() {
        var name = WantedRegister(Self.logicalDeviceName, interfaceClass: InterfaceClass.data)
        name.attribute = 2
        let time = WantedRegister(Self.clock, interfaceClass: InterfaceClass.clock)
        let registers = (wanted.isEmpty ? offered ?? [] : wanted).filter {
            $0.name != Self.logicalDeviceName && $0.name != Self.clock
        }
        entries = [name, time].map { entry($0, isOptional: true) } + registers.map { entry($0, isOptional: false) }
    }

    private func entry(_ register: WantedRegister, isOptional: Bool) -> Entry {
        let known = register.interfaceClass ?? classes[register.name]
        let candidates =
            known.map { [$0] }
            ?? InterfaceClass.candidates(for: register.name)
        return Entry(
            name: register.name, classes: candidates, attribute: register.attribute ?? 2, isOptional: isOptional)
    }

    // MARK: Questions

    /// What is still to be asked, at most `limit` attributes; empty when everything is known.
    func next(limit: Int) -> [CosemAttribute] {
        guard !needsObjectList else { return [Self.objectList] }
        let missing = entries.compactMap { $0.value == nil ? $0.target : nil }
        guard missing.isEmpty else { return Array(missing.prefix(limit)) }
        return Array((missingScales + missingTimes).prefix(limit))
    }

    private var given: [Entry] {
        entries.filter { if case .data? = $0.value { true } else { false } }
    }

    private var missingScales: [CosemAttribute] {
        given.compactMap { entry in entry.target?.scale }.filter { scales[$0] == nil }
    }

    /// An extended register says when its value was captured: the time of a maximum.
    private var missingTimes: [CosemAttribute] {
        given.filter { $0.target?.interfaceClass == InterfaceClass.extendedRegister && captureTimes[$0.name] == nil }
            .compactMap { $0.target?.captureTime }
    }

    // MARK: Answers

    mutating func take(_ results: [AttributeResult], for attributes: [CosemAttribute]) throws(WireError) {
        for (attribute, result) in zip(attributes, results) {
            // It may also be one of the wanted ones.
            if attribute == Self.objectList, needsObjectList {
                try takeObjectList(result)
            } else if let index = entries.firstIndex(where: { $0.value == nil && $0.target == attribute }) {
                takeValue(result, at: index)
            } else if attribute.attribute == 5, attribute.interfaceClass == InterfaceClass.extendedRegister {
                captureTimes[attribute.name] = result
            } else {
                takeScale(result, of: attribute)
            }
        }
    }

    private mutating func takeValue(_ result: AttributeResult, at index: Int) {
        if case .refused(let reason) = result, reason.meansOtherClass, entries[index].classes.count > 1 {
            entries[index].classes.removeFirst()
            return
        }
        entries[index].value = result
        if entries[index].name == Self.logicalDeviceName, case .data(let name) = result { meet(name) }
        if case .data = result { classes[entries[index].name] = entries[index].classes.first }
    }

    /// Another meter than before: nothing that was learned is true of it.
    private mutating func meet(_ name: [UInt8]) {
        defer { device = name }
        guard let device, device != name else { return }
        (scales, classes, offered) = ([:], [:], nil)
    }

    private mutating func takeScale(_ result: AttributeResult, of attribute: CosemAttribute) {
        switch result {
        case .data(let bytes): scales[attribute] = .some(Answer(bytes)?.scalerUnit)
        case .refused: scales[attribute] = .some(nil)
        }
        guard case .some(.some) = scales[attribute] else {
            if case .refused(let reason) = result {
                refusedScales[attribute] = reason.isTemporary
            } else {
                refusedScales[attribute] = false
            }
            return
        }
    }

    private mutating func takeObjectList(_ result: AttributeResult) throws(WireError) {
        guard case .data(let bytes) = result, let list = Answer(bytes) else {
            throw WireError(
                .unsupported, "the meter does not list its objects: name the wanted ones by `registers:`")
        }
        offered = list.elements().compactMap { list.object(at: $0, nameAt: 2) }
            .filter { Self.isMeasured($0.interfaceClass, $0.name) }
            .prefix(Limits.clientRegisters)
            .map { WantedRegister($0.name, interfaceClass: $0.interfaceClass) }
        guard offered?.isEmpty == false else {
            offered = nil
            throw WireError(.unsupported, "the meter lists no registers: name the wanted ones by `registers:`")
        }
        makeEntries()
    }

    /// Registers of the current billing period, and the numbers of the meter.
    private static func isMeasured(_ interfaceClass: UInt16, _ name: ObisCode) -> Bool {
        switch interfaceClass {
        case InterfaceClass.register, InterfaceClass.extendedRegister, InterfaceClass.demandRegister:
            name.a != 0 && name.f == 255
        case InterfaceClass.data: name.c == 96 && name.d == 1 && name.f == 255
        default: false
        }
    }

    // MARK: The reading

    /// What was read.
    ///
    /// - Throws: `meterError` where the meter gave none of the wanted values.
    mutating func telegram() throws(WireError) -> Telegram {
        var attributes = ReadAttributes(scales: scales.compactMapValues { $0 })
        var refusals: [String] = []
        var count = 0
        for entry in entries {
            guard let target = entry.target, let value = entry.value else { continue }
            switch value {
            case .data:
                if let isTemporary = target.scale.flatMap({ refusedScales[$0] }) {
                    refusals.append("\(entry.name) has no scale and unit: the meter does not give them")
                    if isTemporary { continue }
                }
                attributes.add(value, of: target)
                if let time = target.captureTime, let captured = captureTimes[target.name] {
                    attributes.add(captured, of: time)
                }
                if !entry.isOptional { count += 1 }
            case .refused(let reason):
                if !entry.isOptional { refusals.append("\(entry.name) was not given: \(reason.name)") }
            }
        }
        forgetMissingScales()
        guard count > 0 else {
            throw WireError(.meterError, refusals.first ?? "the meter gave none of its registers")
        }
        var telegram = attributes.telegram
        telegram.warnings += refusals
        return telegram
    }

    /// A scale that the meter did not give is asked for again at the next poll.
    private mutating func forgetMissingScales() {
        scales = scales.filter { $0.value != nil }
    }
}
