import OBIS

/// What the judgement of a reading depends on beside the reading itself. It is kept with the journal, so
/// that a restart neither forgets a counter nor misses a replayed message.
public struct ValidatorState: Sendable, Hashable {
    /// The name that the meter gives itself, by the list that carries it; "" for a telegram that is no list.
    public var devices: [String: String] = [:]
    /// The last good value of each counter.
    public var counters: [ObisCode: Counter] = [:]
    /// The message counter of each sender, by its system title in hexadecimal.
    public var invocationCounters: [String: InvocationCounter] = [:]

    public init() {}

    public struct InvocationCounter: Sendable, Hashable, Codable {
        public var highest: UInt32
        /// Of the newest message.
        public var last: UInt32
        /// How many messages in a row rose, but stayed below the highest.
        public var below: Int

        public init(highest: UInt32, last: UInt32? = nil, below: Int = 0) {
            self.highest = highest
            self.last = last ?? highest
            self.below = below
        }
    }

    public struct Counter: Sendable, Hashable {
        public var value: FixedDecimal
        /// How many readings in a row showed less.
        public var below: Int

        public init(value: FixedDecimal, below: Int = 0) {
            self.value = value
            self.below = below
        }
    }
}

/// What a message must be that comes over a network: whoever reaches the port could have sent another one.
public enum DemandedProtection: String, Sendable, Hashable {
    case none, encrypted, authenticated
}

/// Judges telegrams: `good`, `warning` or `error` for each value, with the reason. Throws nothing away.
public struct Validator: Sendable {
    /// So many readings in a row below the last one are not a damaged value: the counter was exchanged or
    /// reset, and its new level is believed.
    static let believedAfter = 12
    /// Counters and senders that are remembered of one meter: more than any has, and few enough to be stored.
    static let rememberedCounters = 512
    static let rememberedSenders = 16
    static let rememberedLists = 16

    private let plausibility: Plausibility
    private let serial: String?
    private let protection: DemandedProtection
    public private(set) var state: ValidatorState

    /// - Parameter serial: the number of the meter that is expected here; nil accepts any.
    public init(
        limits: InstallationLimits = InstallationLimits(), serial: String? = nil,
        protection: DemandedProtection = .none, state: ValidatorState = ValidatorState()
    ) {
        plausibility = Plausibility(limits: limits)
        self.serial = serial
        self.protection = protection
        self.state = state
    }

    /// Everything that is not good about a telegram.
    ///
    /// - Parameter keys: the JSON key of each register, in their order.
    public mutating func issues(of telegram: Telegram, keys: [String]) -> [QualityIssue] {
        var issues = telegram.warnings.map { QualityIssue(register: nil, level: .warning, code: .telegram, text: $0) }
        let isExpected = checkIdentity(telegram, &issues)
        checkProtection(telegram, &issues)
        checkInvocationCounter(telegram, &issues)
        if telegram.meterTime?.isDoubtful == true {
            issues.append(
                QualityIssue(
                    register: nil, level: .warning, code: .clockDoubtful,
                    text: "the meter says that its clock is not right"))
        }
        for (register, key) in zip(telegram.registers, keys) {
            if let issue = judge(register, key: key, isExpected: isExpected) { issues.append(issue) }
        }
        return issues
    }

    // MARK: Who sent it

    /// - Returns: whether the configured meter answered.
    private mutating func checkIdentity(_ telegram: Telegram, _ issues: inout [QualityIssue]) -> Bool {
        if let serial, !telegram.names(serial) {
            guard let id = telegram.meter.id else { return true }
            issues.append(
                QualityIssue(
                    register: nil, level: .error, code: .wrongSerial,
                    text: "meter \(id) answers where \(serial) is configured: check the cable, or change `serial`"))
            return false
        }
        guard let id = telegram.meter.id else { return true }
        // Lists of one meter may name it in different ways: the same list with another name is another meter.
        let list = telegram.list ?? ""
        if let known = state.devices[list], known != id { state.counters = [:] }
        if state.devices[list] != nil || state.devices.count < Self.rememberedLists { state.devices[list] = id }
        return true
    }

    private func checkProtection(_ telegram: Telegram, _ issues: inout [QualityIssue]) {
        let isMet =
            switch protection {
            case .none: true
            case .encrypted: telegram.ciphering != nil
            case .authenticated: telegram.ciphering?.isAuthenticated == true
            }
        guard !isMet else { return }
        issues.append(
            QualityIssue(
                register: nil, level: .error, code: .unprotected,
                text: "the message came over a network and is not \(protection.rawValue), although a key for that is "
                    + "configured: anybody could have sent it"))
    }

    private mutating func checkInvocationCounter(_ telegram: Telegram, _ issues: inout [QualityIssue]) {
        guard let ciphering = telegram.ciphering else { return }
        let title = Hex.string(ciphering.systemTitle)
        let counter = ciphering.invocationCounter
        guard var known = state.invocationCounters[title] else {
            guard state.invocationCounters.count < Self.rememberedSenders else { return }
            state.invocationCounters[title] = ValidatorState.InvocationCounter(highest: counter)
            return
        }
        defer { state.invocationCounters[title] = known }
        if counter > known.highest {
            known = ValidatorState.InvocationCounter(highest: counter)
            return
        }
        issues.append(
            QualityIssue(
                register: nil, level: .warning, code: .invocationCounter,
                text: "the message counter of \(title) went from \(known.highest) to \(counter): "
                    + "a repeated message, or its key or meter was exchanged"))
        // A new key begins anew and rises; so does a recording that is played, but not for long.
        known.below = counter > known.last ? known.below + 1 : 1
        known.last = counter
        if known.below >= Self.believedAfter { known = ValidatorState.InvocationCounter(highest: counter) }
    }

    // MARK: Values

    private mutating func judge(_ register: Register, key: String, isExpected: Bool) -> QualityIssue? {
        if case .wide = register.value {
            return QualityIssue(
                register: key, level: .warning, code: .wide, text: "more digits than 64 bits hold: kept as text")
        }
        guard let code = register.obis, let number = register.value.number else { return nil }
        if let objection = plausibility.objection(to: number, unit: register.unit, code: code) {
            return QualityIssue(register: key, level: .error, code: .implausible, text: objection)
        }
        guard isExpected, code.isRisingCounter else { return nil }
        return judgeCounter(Self.comparable(number, register.unit), code, key: key)
    }

    /// In the base unit, since lists of one meter and profiles may state the same counter in another one.
    private static func comparable(_ number: FixedDecimal, _ unit: Unit?) -> FixedDecimal {
        for base in [Unit.wattHour, .varHour, .voltAmpereHour, .litre, .joule] {
            if let value = unit?.convert(number, to: base) { return value }
        }
        return number
    }

    private mutating func judgeCounter(_ number: FixedDecimal, _ code: ObisCode, key: String) -> QualityIssue? {
        guard let last = state.counters[code], number < last.value, last.below + 1 < Self.believedAfter else {
            if state.counters[code] != nil || state.counters.count < Self.rememberedCounters {
                state.counters[code] = ValidatorState.Counter(value: number)
            }
            return nil
        }
        state.counters[code]?.below += 1
        return QualityIssue(
            register: key, level: .error, code: .counterDecreased,
            text: "the counter went back from \(last.value) to \(number)")
    }
}

extension Telegram {
    /// Whether any of the names by which the meter identifies itself is this number, leading zeros aside.
    fileprivate func names(_ serial: String) -> Bool {
        func significant(_ text: String) -> Substring { text.drop { $0 == "0" } }
        let identifying: Set<ObisCode.Quantity> = [
            .init(c: 42, d: 0, e: 0), .init(c: 96, d: 1, e: 0), .init(c: 96, d: 1, e: 1), .init(c: 0, d: 0, e: 0),
            .init(c: 96, d: 1, e: 255), .init(c: 0, d: 0, e: 5),
        ]
        let names = registers.filter {
            $0.obis.map { identifying.contains($0.quantity) && !($0.a == 0 && $0.b != 0) } ?? false
        }.compactMap(
            \.plainText)
        return ([meter.id].compactMap { $0 } + names).contains { significant($0) == significant(serial) }
    }
}

extension Register {
    fileprivate var plainText: String? {
        switch value {
        case .text(let text), .wide(let text): text
        case .number(let number): text?.filter { $0 != " " } ?? number.description
        default: nil
        }
    }
}

extension ObisCode {
    /// Energy of the current period in one direction or quadrant, in all or by tariff, and the volume or heat of other
    /// meters: only ever rises.
    fileprivate var isRisingCounter: Bool {
        guard f == 255 else { return false }
        return switch (a, c, d, e) {
        case (1, 1...10, 8, _), (1, 21...30, 8, _), (1, 41...50, 8, _), (1, 61...70, 8, _): true
        case (7, 3, 0, 0), (8...9, 1, 0, 0), (5...6, 1...2, 0, 0): true
        default: false
        }
    }
}
