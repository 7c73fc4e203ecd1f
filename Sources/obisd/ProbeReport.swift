import Configuration
import Foundation
import Metering
import OBIS
import Wire

/// What was found on a port, for the configuration, for programs and for a person.
struct ProbeReport {
    /// As they were given on the command line.
    struct Keys {
        var encryption: KeyArgument?
        var authentication: KeyArgument?
    }

    private let finding: ProbeFinding
    private let endpoint: Endpoint
    private let keys: Keys
    private let fit: ProfileFit?
    /// With the names and units of the profile.
    private let telegrams: [Telegram]
    private let meter: MeterIdentity

    init(_ finding: ProbeFinding, at endpoint: Endpoint, keys: Keys) {
        self.finding = finding
        self.endpoint = endpoint
        self.keys = keys
        let takesProfile = finding.meterProtocol.keys.contains(.profile)
        let fit = takesProfile ? ProfileFit.best(for: finding.telegrams, among: ShippedProfiles.all) : nil
        self.fit = fit
        telegrams = finding.telegrams.map { telegram in
            guard let fit else { return telegram }
            var telegram = telegram
            telegram.warnings = []
            fit.profile.complete(&telegram)
            return telegram
        }
        meter = finding.meter(of: telegrams)
    }

    // MARK: Words

    private var found: String {
        let place = finding.line.map { " at \($0)" } ?? ""
        let way = finding.question.map { "answers to \($0.name)" } ?? "heard"
        return "\(finding.meterProtocol.name)\(place): \(way), \(finding.confidence.rawValue), \(count)"
    }

    private var count: String { finding.messages == 1 ? "1 message" : "\(finding.messages) messages" }

    private var name: String {
        let parts = [meter.medium?.rawValue, meter.manufacturer, meter.id].compactMap { $0 }
        return parts.isEmpty ? "a meter that does not say who it is" : "meter: \(parts.joined(separator: " "))"
    }

    private var isEncrypted: Bool { finding.sealed != nil || telegrams.contains { $0.ciphering != nil } }

    private var protection: String? {
        guard isEncrypted else { return nil }
        let title = finding.systemTitle.map { " (system title \(Hex.string($0)))" } ?? ""
        switch finding.sealed?.code {
        case .keyMissing?: return "encrypted\(title); its key is needed to read it: ask the utility"
        case .authentication?: return "encrypted\(title); the authentication key that was given does not fit"
        case .decryption?: return "encrypted\(title); the encryption key that was given does not fit"
        default: return "encrypted\(title); the key that was given fits"
        }
    }

    private var alternatives: String? {
        finding.others.isEmpty ? nil : "without its key it may as well be \(finding.others.joined(separator: ", "))"
    }

    private var profileNote: String? { fit.map { "profile \($0.profile.name), \($0.confidence.rawValue): \($0.why)" } }

    /// For a person, on standard error.
    func show() {
        if let search {
            return Output.note("\(found)\nseveral meters answer at once: find them by `\(search)`")
        }
        for text in [found, name, protection, alternatives, profileNote] { text.map(Output.note) }
        for telegram in telegrams {
            let result = DecodeResult(
                file: "registers", protocolName: finding.meterProtocol.name, outcome: .success(telegram))
            Output.note(String(decoding: result.text.dropLast(), as: UTF8.self))
        }
    }

    /// The command that finds several meters.
    private var search: String? {
        guard finding.isSeveral, let command = finding.question?.search else { return nil }
        return "obisd \(command) \(port)"
    }

    private var port: String {
        switch endpoint {
        case .serial(let path, _): path
        case .rfc2217: "rfc2217://\(hostPort)"
        default: hostPort
        }
    }

    private var hostPort: String {
        switch endpoint {
        case .tcp(let host, let port), .rfc2217(let host, let port, _):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        default: ""
        }
    }
}

// MARK: - Stanza

extension ProbeReport {
    /// Ready for the configuration. What has to be filled in stands as a comment.
    var stanza: String {
        if let search { return "# \(found)\n# several meters answer at once: \(search)\nmeters: []" }
        var lines = [found, name, protection, alternatives].compactMap { $0.map { "# \(Self.oneLine($0))" } }
        lines += ["meters:", "  - id: \(id)", "    protocol: \(finding.meterProtocol.name)"]
        lines.append("    transport: \(transport)")
        lines += finding.stanza.map { "    \($0.key.rawValue): \($0.value)" }
        if let fit, let profileNote {
            lines += ["    # \(profileNote)", "    profile: \(fit.profile.name)"]
        }
        if isEncrypted { lines += keyLines }
        lines += subMeterLines
        return lines.joined(separator: "\n")
    }

    /// What a meter says of itself may hold anything.
    private static func oneLine(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) })
    }

    private var id: String {
        let parts = [meter.medium?.rawValue ?? "meter", meter.id].compactMap { $0 }
        let text = parts.joined(separator: "-")
        let allowed = text.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "-" }
        return String(allowed.prefix(64))
    }

    private var transport: String {
        let line = finding.line.map { ", line: \($0)" } ?? ""
        return switch endpoint {
        case .serial(let path, _): "{serial: \(Self.quoted(path))\(line)}"
        case .rfc2217: "{rfc2217: \(Self.quoted(hostPort))\(line)}"
        default: "{tcp: \(Self.quoted(hostPort))}"
        }
    }

    /// As a scalar of YAML; plain where nothing in it could mean something else.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-".contains($0)) }
        guard !isPlain else { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private var keyLines: [String] {
        let known = finding.meterProtocol.keys
        var lines = [line(of: "encryption_key", keys.encryption)]
        if known.contains(.authenticationKey) { lines.append(line(of: "authentication_key", keys.authentication)) }
        guard lines.contains(where: { $0.hasPrefix("    #") }) else { return lines }
        return ["    # To be filled in: a file with the 32 hexadecimal digits of the key, then take the # away."]
            + lines
    }

    private func line(of name: String, _ key: KeyArgument?) -> String {
        if let file = key?.file, finding.sealed == nil {
            return "    \(name)_file: \(Self.quoted(URL(fileURLWithPath: file).path))"
        }
        return "    # \(name)_file: /etc/obisd/\(id).\(name == "encryption_key" ? "key" : "auth")"
    }

    private var subMeterLines: [String] {
        guard finding.meterProtocol.keys.contains(.subMeters) else { return [] }
        let devices = telegrams.flatMap(finding.meterProtocol.subMeters)
        guard !devices.isEmpty else { return [] }
        let items = devices.map { device in
            "{channel: \(device.channel), id: \(device.telegram.meter.medium?.rawValue ?? "meter")-\(device.channel)}"
        }
        return [
            "    # Meters behind this one, if they are to be meters of their own:",
            "    # sub_meters: [\(items.joined(separator: ", "))]",
        ]
    }
}

// MARK: - JSON

extension ProbeReport {
    /// One line.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 2048)
        json.object { json in
            json.member("protocol", finding.meterProtocol.name)
            json.member("line", finding.line?.description)
            json.member("question", finding.question?.name)
            json.member("confidence", finding.confidence.rawValue)
            json.member("messages", Int64(finding.messages))
            json.member("several", finding.isSeveral)
            json.member("encrypted", isEncrypted)
            json.member("system_title", finding.systemTitle.map { Hex.string($0) })
            json.member("error", finding.sealed?.code.rawValue)
            json.key("others")
            json.array { json in for other in finding.others { json.string(other) } }
            json.member("meter") { json in
                json.member("id", meter.id)
                json.member("manufacturer", meter.manufacturer)
                json.member("medium", meter.medium?.rawValue)
                json.member("version", meter.version)
            }
            json.key("profile")
            if let fit {
                json.object { json in
                    json.member("name", fit.profile.name)
                    json.member("confidence", fit.confidence.rawValue)
                    json.member("why", fit.why)
                }
            } else {
                json.null()
            }
            json.key("telegrams")
            json.array { json in
                for telegram in telegrams { json.object { json in DecodeResult.write(telegram, &json) } }
            }
            json.member("stanza", stanza)
        }
        json.newline()
        return json.bytes
    }
}

/// What to look at where nothing was found.
struct ProbeAdvice {
    private let probe: PortProbe
    private let hasAsked: Bool

    init(_ probe: PortProbe, hasAsked: Bool) {
        self.probe = probe
        self.hasAsked = hasAsked
    }

    func show() {
        let sentences = probe.traces.compactMap(\.sentence)
        let isSilent = !probe.traces.contains(where: \.hasBytes)
        Output.note(isSilent ? "nothing was found: nothing arrived" : "nothing was found: no message was understood")
        for sentence in sentences { Output.note("  \(sentence)") }
        Output.note("what to look at:")
        if !hasAsked { Output.note("  * --ask: many meters talk only when they are asked") }
        if isSilent {
            Output.note("  * whether adapter or head sits on the right meter and has power, and the cable is whole")
            Output.note("  * --listen 60s: some meters talk once a minute")
        } else {
            Output.note("  * whether the signal is inverted (`RXD inverted` of the adapter, or another cable)")
            Output.note("  * whether another meter or device talks on the same line, and how long the cable is")
        }
        for meterProtocol in ProtocolRegistry.all {
            meterProtocol.recognition.advice.map { Output.note("  * \(meterProtocol.name): \($0)") }
        }
    }
}
