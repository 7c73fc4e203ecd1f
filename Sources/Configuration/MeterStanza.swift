import IEC62056
import Metering
import OBIS
import Rules
import Wire

import struct Foundation.TimeZone

extension ConfigurationReading {
    private static let commonKeys = [
        "id", "name", "enabled", "protocol", "transport", "bus", "time_zone", "meter_clock", "serial", "interval",
        "align", "at", "record", "limits", "anomalies", "offset", "plausible", "behind",
    ]

    private static func spellings(_ key: ProtocolKey) -> [String] {
        switch key {
        case .encryptionKey, .authenticationKey, .password: secretKeys(key.rawValue)
        case .profile, .address, .secondary, .mode, .baud, .wakeUp, .crc, .subMeters, .registers, .loadProfile,
            .client, .server, .security, .ciphering, .framing, .systemTitle, .dedicatedKey, .invocationCounter,
            .request:
            [key.rawValue]
        }
    }

    func meters(_ value: Value) -> [Meter] {
        (value.list() ?? []).compactMap(meter)
    }

    private func behind(_ value: Value, _ id: String?) -> String? {
        guard let front = value.identifier() else { return nil }
        guard front != id else {
            value.fail("is the meter itself", remedy: "name the meter in front of it")
            return nil
        }
        fronts.append((front, value))
        return front
    }

    /// When all meters are read: whether those exist that others stand behind.
    func checkFronts(_ meters: [Meter]) {
        let ids = meters.map(\.id)
        for (front, value) in fronts where !ids.contains(front) {
            value.fail("there is no meter \(quoted(front))", remedy: value.suggestion(for: front, among: ids))
        }
    }

    private func meter(_ value: Value) -> Meter? {
        let keys = Self.commonKeys + ProtocolKey.allCases.flatMap(Self.spellings)
        guard let section = value.section("a meter", keys: keys) else { return nil }
        let id = section.required("id", example: "main")?.identifier()
        if let id { note(id, section) }
        let meterProtocol = section.required("protocol", example: "dlms-push").flatMap(namedProtocol)
        let isEnabled = section["enabled"].flatMap { $0.bool() } ?? true
        if let meterProtocol { refuseForeignKeys(meterProtocol, section) }
        var settings = settings(section, meterProtocol, isEnabled: isEnabled)
        if meterProtocol?.keys.contains(.request) == true { checkProgramming(section, settings) }
        let line = meterProtocol?.defaultLine(settings) ?? LineSettings(baud: 2400)
        let bus = bus(section, meterProtocol, settings)
        let endpoint = bus?.endpoint ?? transport(section, line)
        settings.line = endpoint?.line
        if let endpoint, bus == nil, isEnabled { claim(endpoint, for: id ?? "?", section) }
        if let bus, let slave = settings.slave, isEnabled { claim(slave, on: bus, for: id ?? "?", section) }
        if meterProtocol?.keys.contains(.security) ?? false {
            requireLogicalNames(settings, section)
            if isEnabled { requireSecrets(settings, section) }
        }
        if let endpoint, let place = section["transport"] ?? section["bus"] {
            requireLine(meterProtocol?.needsLine(settings), endpoint, place)
        }
        let clock = clock(section)
        let schedule = schedule(section, meterProtocol, settings)
        let recordsEvery = section["record"].flatMap(record)
        let subMeters = section["sub_meters"].flatMap(subMeters) ?? []
        let limits = section["limits"].flatMap(limits) ?? MeterLimits()
        let rules = section["anomalies"].map { self.rules($0, limits) } ?? RuleSettings()
        let plausibility = section["plausible"].map { self.plausibility($0) } ?? PlausibilityBounds()
        let front = section["behind"].flatMap { behind($0, id) }
        let offsets = section["offset"].map { self.offsets($0) } ?? [:]
        let name = section["name"]?.label(atMost: 255)
        let serial = section["serial"]?.label(atMost: 64)

        guard let id, let meterProtocol, let endpoint else { return nil }
        return Meter(
            id: id, name: name, isEnabled: isEnabled, protocolName: meterProtocol.name, endpoint: endpoint,
            bus: bus?.id, settings: settings, timeZone: clock.zone, usesMeterClock: clock.isUsed, serial: serial,
            interval: schedule.interval, isAligned: schedule.isAligned, times: schedule.times,
            recordsEvery: recordsEvery, limits: limits, rules: rules, offsets: offsets, plausibility: plausibility,
            behind: front, subMeters: subMeters)
    }

    private func transport(_ section: Section, _ line: LineSettings) -> Endpoint? {
        guard section["bus"] == nil else { return nil }
        return section.required("transport", example: "{serial: /dev/ttyUSB0}").flatMap { endpoint($0, line: line) }
    }

    /// What the protocol does to the line cannot be done over a link that has none.
    private func requireLine(_ reason: String?, _ endpoint: Endpoint, _ transport: Value) {
        guard let reason, endpoint.line == nil else { return }
        if case .file = endpoint { return }
        transport.fail(
            "cannot be used, since \(reason)",
            remedy: "write `serial:`, or `rfc2217:` for a server that takes line settings over the network")
    }

    // MARK: What may stand once only

    /// - Parameter section: of the meter or of the device behind one.
    private func note(_ id: String, _ section: Section) {
        if let first = meterPlaces[id] {
            section["id"]?.fail(
                "another meter is called \(quoted(id)) (\(first))", remedy: "give each meter an id of its own")
        } else {
            meterPlaces[id] = section.value.node.place
        }
    }

    func claim(_ endpoint: Endpoint, for meter: String, _ section: Section) {
        let resource = endpoint.exclusiveResource
        guard let transport = section["transport"] else { return }
        if let owner = owners[resource] {
            transport.fail(
                "the meter \(quoted(owner.meter)) has this port already (\(owner.place))",
                remedy: "give each meter a port of its own, or write `enabled: false` for one of them")
        } else {
            owners[resource] = (meter, transport.node.place)
        }
    }

    // MARK: Protocol

    private func namedProtocol(_ value: Value) -> MeterProtocol? {
        guard let text = value.text() else { return nil }
        if let found = loader.protocols.first(where: { $0.name == text }) { return found }
        let names = loader.protocols.map(\.name)
        value.fail("\(quoted(text)) is no protocol", remedy: value.suggestion(for: text, among: names))
        return nil
    }

    private func refuseForeignKeys(_ meterProtocol: MeterProtocol, _ section: Section) {
        for key in ProtocolKey.allCases where !meterProtocol.keys.contains(key) {
            for spelling in Self.spellings(key) {
                section[spelling]?.fail(
                    "has no meaning for the protocol \(meterProtocol.name)", remedy: "leave the key out")
            }
        }
    }

    private func settings(
        _ section: Section, _ meterProtocol: MeterProtocol?, isEnabled: Bool
    ) -> ProtocolSettings {
        var settings = ProtocolSettings()
        settings.profile = section["profile"].flatMap(profile)
        let isSlave = meterProtocol?.keys.contains(.secondary) ?? false
        if isSlave {
            settings.slave = slave(section)
        } else {
            settings.address = section["address"].flatMap(deviceAddress)
        }
        let isAssociation = meterProtocol?.keys.contains(.security) ?? false
        if isAssociation {
            settings.association = association(section)
        } else {
            settings.mode = choice(section["mode"], "mode of a meter") ?? .auto
        }
        settings.maximumBaud = section["baud"].flatMap(isSlave ? lineRate : signOnRate)
        settings.wakeUp = section["wake_up"].flatMap(wakeUp)
        settings.checksum = choice(section["crc"], "check of a telegram") ?? .auto
        settings.registers = section["registers"].flatMap(registers) ?? []
        settings.loadProfile = section["load_profile"].flatMap(loadProfile) ?? .standard
        settings.request = choice(section["request"], "command to read")
        // The keys of a meter that is not read may be missing; that they stand in the file is refused all the same.
        if isEnabled {
            func secret(_ key: ProtocolKey, _ kind: SecretKind) -> Secret? {
                let isUsed = meterProtocol?.keys.contains(key) ?? true
                return isUsed ? self.secret(key.rawValue, of: kind, in: section) : nil
            }
            settings.encryptionKey = secret(.encryptionKey, .key)
            settings.authenticationKey = secret(.authenticationKey, .key)
            settings.password = secret(.password, .text)
        } else {
            refusePlainSecrets(section)
        }
        return settings
    }

    private func choice<Choice: CaseIterable & RawRepresentable<String>>(_ value: Value?, _ what: String) -> Choice? {
        value?.choice(what, Choice.allCases.map { ($0.rawValue, $0) })
    }

    private func refusePlainSecrets(_ section: Section) {
        for key in [ProtocolKey.encryptionKey, .authenticationKey, .password] {
            section[key.rawValue]?.fail(
                "secrets do not stand in the configuration", remedy: "write `\(key.rawValue)_file: <path>`")
        }
    }

    private func profile(_ value: Value) -> Profile? {
        guard let text = value.text() else { return nil }
        if let profile = profiles[text] { return profile }
        let names = profiles.keys.sorted()
        value.fail("there is no profile \(quoted(text))", remedy: value.suggestion(for: text, among: names))
        return nil
    }

    /// IEC 62056-21, 6.3.1: at most 32 of 0-9 A-Z a-z and space.
    private func deviceAddress(_ value: Value) -> String? {
        guard let text = value.label(atMost: 32) else { return nil }
        if text.utf8.allSatisfy({ $0 == 0x20 || Character(Unicode.Scalar($0)).isASCIIAlphanumeric }) { return text }
        value.fail("\(quoted(text)) is no device address", remedy: "write at most 32 letters, digits and spaces")
        return nil
    }

    private func signOnRate(_ value: Value) -> Int? {
        guard let baud = value.integer("rate", in: 300...19200) else { return nil }
        if SignOnMode.rateCharacter(baud: baud) != nil { return baud }
        value.fail("\(baud) is no rate of a sign-on", remedy: "write 300, 600, 1200, 2400, 4800, 9600 or 19200")
        return nil
    }

    private func lineRate(_ value: Value) -> Int? {
        guard let baud = value.integer("rate", in: 300...115_200) else { return nil }
        if LineSettings.baudRates.contains(baud) { return baud }
        let rates = LineSettings.baudRates.map(String.init).joined(separator: ", ")
        value.fail("\(baud) is no rate of a line", remedy: "write one of \(rates)")
        return nil
    }

    /// `true`, or what differs from the standard's wake-up.
    private func wakeUp(_ value: Value) -> WakeUp? {
        if case .scalar = value.node.content { return value.bool() == true ? WakeUp() : nil }
        guard let section = value.section("a wake-up", keys: ["line", "duration", "pause"]) else { return nil }
        var wakeUp = WakeUp()
        wakeUp.line = section["line"]?.parsed("line of a serial port", examples: "300 7E1 or 2400 8N1") {
            LineSettings($0)
        }
        let range = Duration.milliseconds(100)...WakeUp.longest
        wakeUp.duration = section["duration"]?.duration(in: range, examples: "2200ms") ?? wakeUp.duration
        wakeUp.pause = section["pause"]?.duration(in: range, examples: "1600ms") ?? wakeUp.pause
        return wakeUp
    }

    // MARK: Registers

    private static let mostRegisters = 256

    private func registers(_ value: Value) -> [RegisterChoice]? {
        guard let items = value.listOrOne() else { return nil }
        guard !items.isEmpty, items.count <= Self.mostRegisters else {
            value.fail(
                "must name 1 to \(Self.mostRegisters) registers",
                remedy: "write their codes, or leave the key out where the protocol reads what the meter offers")
            return nil
        }
        return items.compactMap { item in
            if case .scalar = item.node.content { return item.label(atMost: 32).map { RegisterChoice($0) } }
            guard let section = item.section("a register", keys: ["code", "class", "attribute"]),
                let code = section.required("code", example: "1-0:1.8.0*255")?.label(atMost: 32)
            else { return nil }
            return RegisterChoice(
                code,
                interfaceClass: section["class"]?.integer("interface class", in: 1...65535).map(UInt16.init),
                attribute: section["attribute"]?.integer("attribute", in: 1...127).map(UInt8.init))
        }
    }

    private func loadProfile(_ value: Value) -> LoadProfileChoice? {
        if case .scalar(let text) = value.node.content, let isUsed = Notation.bool(text) {
            return isUsed ? .standard : .off
        }
        return value.label(atMost: 32).map { .named($0) }
    }

    // MARK: Programming mode

    /// What a meter of IEC 62056-21 needs that is asked for single registers, and what has no meaning for others.
    private func checkProgramming(_ section: Section, _ settings: ProtocolSettings) {
        guard settings.mode == .programming else {
            for key in ["registers", "request", "load_profile"] + Self.secretKeys("password") {
                section[key]?.fail(
                    "has a meaning in programming mode only", remedy: "write `mode: programming`, or leave the key out")
            }
            return
        }
        guard let registers = section["registers"] else {
            section["mode"]?.fail(
                "programming mode reads single registers, and none is named",
                remedy: #"write for example `registers: ["0.0.0", "1.8.0", "2.8.0"]`"#)
            return
        }
        for choice in settings.registers where !ReadCommand.isValid(code: choice.code) {
            registers.fail(
                "\(quoted(choice.code)) is no code of a register", remedy: "write codes as the meter has them: 1.8.0")
        }
        for choice in settings.registers where choice.interfaceClass != nil || choice.attribute != nil {
            registers.fail(
                "a class or an attribute has no meaning for the register \(quoted(choice.code)) of this protocol",
                remedy: "write the code alone")
        }
        if case .named(let code) = settings.loadProfile, !ReadCommand.isValid(code: code) {
            section["load_profile"]?.fail("\(quoted(code)) is no code of a load profile", remedy: "write P.01 or P.02")
        }
        if let password = settings.password, !ProgrammingPassword.isValid(password) {
            (section["password_file"] ?? section["password_credential"])?.fail(
                "the file holds no password that a meter can have", remedy: "write 1 to 32 characters without ( ) / ! *"
            )
        }
    }

    // MARK: Clock

    private func clock(_ section: Section) -> (zone: ClockZone?, isUsed: Bool) {
        let zone = section["time_zone"].flatMap { value in value.text().flatMap { timeZone($0, value) } }
        let isUsed = section["meter_clock"]?.choice("use of the meter's clock", [("use", true), ("ignore", false)])
        return (zone, isUsed ?? true)
    }

    private func timeZone(_ text: String, _ value: Value) -> ClockZone? {
        if let zone = ClockZone(text) { return zone }
        let near = Suggestion.nearest(to: text, among: TimeZone.knownTimeZoneIdentifiers)
        value.fail(
            "\(quoted(text)) is no time zone",
            remedy: near.map { "did you mean \($0)?" }
                ?? "write a name such as Europe/Zurich, or an offset such as +01:00")
        return nil
    }

    // MARK: Schedule

    private struct Schedule {
        var interval: Duration?
        var isAligned = false
        var times: [TimeOfDay] = []
    }

    private func schedule(
        _ section: Section, _ meterProtocol: MeterProtocol?, _ settings: ProtocolSettings
    ) -> Schedule {
        var schedule = Schedule()
        let day = Duration.seconds(86_400)
        schedule.interval = section["interval"]?.duration(in: .seconds(1)...(day * 366), examples: "15m")
        schedule.isAligned = section["align"].flatMap { $0.bool() } ?? false
        schedule.times = section["at"].flatMap(times) ?? []
        guard let meterProtocol else { return schedule }

        guard meterProtocol.isPolled(settings) else {
            for key in ["align", "at"] {
                section[key]?.fail(
                    "a meter that talks by itself is not asked (\(meterProtocol.name))", remedy: "leave the key out")
            }
            return schedule
        }
        if section.names.contains("at") {
            for key in ["interval", "align"] {
                section[key]?.fail("`at` says already when the meter is read", remedy: "keep one of the two")
            }
            return schedule
        }
        if !section.names.contains("interval") { schedule.interval = Meter.defaultInterval }
        if schedule.isAligned, let interval = schedule.interval, !dividesDay(interval) {
            let place = section["interval"] ?? section.value
            place.fail(
                "\(Notation.text(interval)) does not divide a day, so it cannot be aligned",
                remedy: "write for example 1m, 5m, 15m or 1h")
        }
        return schedule
    }

    private func dividesDay(_ interval: Duration) -> Bool {
        let milliseconds = interval.wholeMilliseconds
        return milliseconds > 0 && 86_400_000 % milliseconds == 0
    }

    private func times(_ value: Value) -> [TimeOfDay]? {
        guard let items = value.listOrOne() else { return nil }
        guard !items.isEmpty else {
            value.fail("names no time", remedy: #"write for example ["00:00", "12:00"]"#)
            return nil
        }
        guard items.count <= 1440 else {
            value.fail("names more times than a day has minutes")
            return nil
        }
        let times = items.compactMap { $0.parsed("time of the day", examples: #""00:00""#) { TimeOfDay($0) } }
        return Set(times).sorted()
    }

    /// `{every: 10s}`.
    private func record(_ value: Value) -> Duration? {
        value.section("record", keys: ["every"])?.required("every", example: "10s")?
            .duration(in: .seconds(1)...(.seconds(86_400)), examples: "10s")
    }

    // MARK: Devices behind a meter

    private func subMeters(_ value: Value) -> [SubMeter]? {
        var channels: Set<UInt8> = []
        return value.list()?.compactMap { value in
            guard let section = value.section("a sub-meter", keys: ["channel", "id", "name", "serial"]) else {
                return nil
            }
            let channel = section.required("channel", example: "1")?.integer("channel of a sub-meter", in: 1...254)
            let id = section.required("id", example: "gas")?.identifier()
            if let id { note(id, section) }
            guard let id, let channel = channel.flatMap(UInt8.init(exactly:)) else { return nil }
            guard channels.insert(channel).inserted else {
                section["channel"]?.fail("stands twice", remedy: "keep one sub-meter for each channel")
                return nil
            }
            return SubMeter(
                channel: channel, id: id, name: section["name"]?.label(atMost: 255),
                serial: section["serial"]?.label(atMost: 64))
        }
    }

    // MARK: Limits

    private func limits(_ value: Value) -> MeterLimits? {
        let keys = ["contracted_power", "fuse", "phases", "nominal_voltage", "generator"]
        guard let section = value.section("limits", keys: keys) else { return nil }
        return MeterLimits(
            contractedPower: section["contracted_power"].flatMap(power),
            fuse: section["fuse"]?.quantity(in: [.ampere], example: "25 A"),
            phases: section["phases"]?.integer("number of phases", in: 1...3),
            nominalVoltage: section["nominal_voltage"]?.quantity(in: [.volt], example: "230 V"),
            hasGenerator: section["generator"].flatMap { $0.bool() })
    }

    private func power(_ value: Value) -> MeterLimits.Power? {
        let isActive =
            if case .scalar(let text) = value.node.content, let unit = Notation.quantity(text)?.unit {
                unit.convert(0, to: .watt) != nil
            } else {
                false
            }
        let unit: Unit = isActive ? .watt : .voltAmpere
        return value.quantity(in: [unit], example: "9 kVA or 9 kW").map { MeterLimits.Power($0, unit) }
    }
}

extension Character {
    fileprivate var isASCIIAlphanumeric: Bool { isASCII && (isLetter || isNumber) }
}
