import COSEM
import Metering
import OBIS

extension ConfigurationReading {
    /// What the stanza of a meter says about its DLMS association.
    func association(_ section: Section) -> AssociationSettings {
        var association = AssociationSettings()
        association.framing = section["framing"]?.choice(
            "framing of DLMS", ClientSettings.Framing.allCases.map { ($0.rawValue, $0) })
        association.client = section["client"]?.integer("client", in: 1...127).map(UInt16.init)
        association.server = section["server"].flatMap(server)
        association.mechanism =
            section["security"]?.choice("security", AuthenticationMechanism.allCases.map { ($0.name, $0) }) ?? .none
        association.ciphering = section["ciphering"]?.choice(
            "ciphering", MessageCiphering.allCases.map { ($0.rawValue, $0) })
        association.systemTitle = section["system_title"]?.parsed("system title", examples: "4F42534400000001") {
            text in
            Hex.bytes(text.utf8).flatMap { $0.count == 8 ? $0 : nil }
        }
        association.usesDedicatedKey = section["dedicated_key"].flatMap { $0.bool() } ?? false
        association.counter = section["invocation_counter"].flatMap(counter) ?? .standard
        association.signsOn = section["mode"]?.choice("mode of DLMS", [("direct", false), ("e", true)]) ?? false
        if !association.signsOn {
            for key in ["address", "baud", "wake_up"] {
                section[key]?.fail(
                    "has a meaning behind a sign-on only", remedy: "write `mode: e`, or leave the key out")
            }
        } else if association.framing == .wrapper {
            section["framing"]?.fail("mode E hands the port over to HDLC", remedy: "leave the key out")
        }
        return association
    }

    /// Of DLMS objects, which have full names only.
    func requireLogicalNames(_ settings: ProtocolSettings, _ section: Section) {
        let remedy = "write a full code, for example 1-0:1.8.0*255"
        for register in settings.registers where ObisCode(register.code) == nil {
            section["registers"]?.fail("\(quoted(register.code)) is no name of an object", remedy: remedy)
        }
        if case .named(let name) = settings.loadProfile, ObisCode(name) == nil {
            section["load_profile"]?.fail(
                "\(quoted(name)) is no name of an object", remedy: "write for example 1-0:99.1.0*255, or off")
        }
    }

    /// `1`, or `1/17`: the logical device and the physical one.
    private func server(_ value: Value) -> ServerAddress? {
        value.parsed("address of a server", examples: "1, or 1/17 for a logical and a physical device") { text in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { UInt16($0) }
            guard (1...2).contains(parts.count), let logical = parts[0], logical < 0x4000 else { return nil }
            guard parts.count == 2 else { return ServerAddress(logical: logical) }
            guard let physical = parts[1], physical < 0x4000 else { return nil }
            return ServerAddress(logical: logical, physical: physical)
        }
    }

    private func counter(_ value: Value) -> AssociationSettings.CounterChoice? {
        if case .scalar(let text) = value.node.content, let isUsed = Notation.bool(text) {
            return isUsed ? .standard : .off
        }
        return value.parsed("object", examples: "0-0:43.1.0*255, or off") { ObisCode($0) }.map { .object($0) }
    }

    /// Whether the passwords and keys are there that the security needs.
    func requireSecrets(_ settings: ProtocolSettings, _ section: Section) {
        let association = settings.association
        let security = section["security"]
        switch association.mechanism {
        case .none: break
        case .lls, .hlsMD5, .hlsSHA1, .hlsSHA256: require(.password, in: section, of: security)
        case .hlsGMAC:
            require(.encryptionKey, in: section, of: security)
            require(.authenticationKey, in: section, of: security)
        }
        guard let ciphering = association.ciphering ?? (settings.encryptionKey == nil ? nil : .both) else { return }
        let place = section["ciphering"] ?? section["encryption_key_file"] ?? section["encryption_key_credential"]
        if ciphering != .none { require(.encryptionKey, in: section, of: place) }
        if ciphering == .both || ciphering == .authentication { require(.authenticationKey, in: section, of: place) }
    }

    private func require(_ key: ProtocolKey, in section: Section, of place: Value?) {
        let spellings = ConfigurationReading.secretKeys(key.rawValue)
        guard let place, spellings.allSatisfy({ section[$0] == nil }) else { return }
        place.fail(
            "needs the \(key.rawValue.replacing("_", with: " ")) of the meter, which is missing",
            remedy: "write `\(key.rawValue)_file: <path>`")
    }
}
