import OBIS

extension ConfigurationReading {
    private static let brokerKeys =
        [
            "host", "port", "client_id", "keepalive", "protocol", "username", "tls", "base_topic", "drain_rate",
            "commands",
        ]
        + secretKeys("password")

    func broker(_ value: Value) -> Broker? {
        guard let section = value.section("broker", keys: Self.brokerKeys) else { return nil }
        var broker = Broker()
        broker.tls = section["tls"].flatMap(tls)
        broker.port = broker.tls == nil ? Broker.plainPort : Broker.tlsPort
        if let host = section["host"].flatMap(hostName) { broker.host = host }
        if let port = section["port"]?.integer("port", in: 1...65535) { broker.port = port }
        broker.clientID = section["client_id"]?.label(atMost: 128)
        if let keepalive = section["keepalive"] {
            broker.keepalive =
                keepalive.duration(in: .seconds(5)...(.seconds(65535)), examples: "60s") ?? broker.keepalive
        }
        broker.version = section["protocol"].flatMap(version) ?? broker.version
        broker.username = section["username"]?.label(atMost: 1024)
        broker.password = secret("password", of: .text, in: section)
        broker.baseTopic = section["base_topic"].flatMap(topic) ?? broker.baseTopic
        broker.drainRate = section["drain_rate"].flatMap(drainRate) ?? broker.drainRate
        broker.acceptsCommands = section["commands"].flatMap { $0.bool() } ?? false
        if broker.username == nil, !section.names.contains("username"), broker.password != nil {
            value.fail("a password is given without a user name", remedy: "write `username:` beside it")
        }
        return broker
    }

    private func version(_ value: Value) -> Broker.Version? {
        let version = value.choice("MQTT version", [("5", Broker.Version.v5), ("3.1.1", .v311)])
        if version == .v311 {
            value.warn(
                "a publish that the broker denies cannot be seen with MQTT 3.1.1", remedy: "write 5 if the broker can")
        }
        return version
    }

    private func drainRate(_ value: Value) -> Broker.DrainRate? {
        let rate = value.parsed("rate", examples: "1000/s or unlimited") { text in
            text == "unlimited" ? Broker.DrainRate.unlimited : Notation.perSecond(text).map { .perSecond($0) }
        }
        if case .perSecond(let count)? = rate, !(1...1_000_000).contains(count) {
            value.fail("\(count)/s is out of range", remedy: "write 1/s to 1000000/s, or unlimited")
            return nil
        }
        return rate
    }

    // MARK: TLS

    private func tls(_ value: Value) -> Broker.TLS? {
        if case .null = value.node.content {
            value.fail("has no value", remedy: "write `tls: {}` for the certificate authorities of the system")
            return nil
        }
        let keys = ["ca_file", "cert_file", "key_file", "key_credential", "psk_identity"] + Self.secretKeys("psk")
        guard let section = value.section("tls", keys: keys) else { return nil }
        var tls = Broker.TLS()
        tls.preSharedKey = preSharedKey(section, value)
        tls.caFile = section["ca_file"].flatMap(certificate)
        tls.certFile = section["cert_file"].flatMap(certificate)
        tls.keyFile = secretPath("key", in: section)
        let hasKey = section.names.contains("key_file") || section.names.contains("key_credential")
        if section.names.contains("cert_file") != hasKey {
            value.fail(
                "a client certificate and its key belong together", remedy: "write both `cert_file:` and `key_file:`")
        }
        return tls
    }

    private func preSharedKey(_ section: Section, _ value: Value) -> Broker.PreSharedKey? {
        let identity = section["psk_identity"]?.label(atMost: 128)
        let key = secret("psk", of: .preSharedKey, in: section)
        let isKey = !section.names.isDisjoint(with: Self.secretKeys("psk"))
        guard section.names.contains("psk_identity") || isKey else { return nil }
        if section.names.contains("psk_identity") != isKey {
            value.fail(
                "a pre-shared key and its name belong together", remedy: "write both `psk_identity:` and `psk_file:`")
        }
        if !section.names.isDisjoint(with: ["ca_file", "cert_file", "key_file", "key_credential"]) {
            value.fail(
                "a pre-shared key takes the place of certificates", remedy: "keep either `psk_` or the other files")
        }
        guard let identity, let key else { return nil }
        return Broker.PreSharedKey(identity: identity, key: key)
    }

    private func certificate(_ value: Value) -> String? {
        guard let text = value.label(atMost: 4096) else { return nil }
        let path = Path.resolve(text, besides: value.node.place.file)
        do {
            try loader.files.check(path)
        } catch {
            tellMissing(error, value, remedy: "a relative path is looked up beside the file in which it stands")
        }
        return path
    }

    // MARK: Names

    /// A name or an address, an IPv6 address with or without its brackets.
    private func hostName(_ value: Value) -> String? {
        guard let text = value.label(atMost: 255) else { return nil }
        if text.contains("://") {
            value.fail(
                "must be a name or an address, not a URL", remedy: "write only the host; encryption is `tls: {}`")
        } else if let host = HostPort.host(text) {
            return host
        } else if HostPort(text) != nil {
            value.fail("must be a name or an address without a port", remedy: "write the port under `port:`")
        } else {
            value.fail("is no host name and no address", remedy: "write for example broker.example or fd00::1")
        }
        return nil
    }

    /// The first levels of a topic.
    func topic(_ value: Value) -> String? {
        guard let text = value.label(atMost: 200) else { return nil }
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !levels.contains(where: \.isEmpty), !text.contains(where: { $0 == "+" || $0 == "#" }),
            !text.hasPrefix("$")
        else {
            value.fail(
                "\(quoted(text)) cannot begin a topic",
                remedy: "write levels without + # or a leading $, with / between them only")
            return nil
        }
        return text
    }
}

// MARK: - The rest of the program

extension ConfigurationReading {
    func homeAssistant(_ value: Value) -> HomeAssistant? {
        guard let section = value.section("home_assistant", keys: ["discovery", "prefix"]) else { return nil }
        var result = HomeAssistant()
        let choices: [HomeAssistant.Discovery] = [.device, .entity, .off]
        if let discovery = section["discovery"]?.choice("kind of discovery", choices.map { ($0.rawValue, $0) }) {
            result.discovery = discovery
        }
        result.prefix = section["prefix"].flatMap(topic) ?? result.prefix
        return result
    }

    func journal(_ value: Value, file: String) -> JournalConfiguration? {
        guard let section = value.section("journal", keys: ["path", "keep", "max_size", "when_full", "sync"]) else {
            return nil
        }
        var journal = JournalConfiguration()
        if let path = section["path"]?.label(atMost: 4096) { journal.path = Path.resolve(path, besides: file) }
        if let keep = section["keep"] {
            journal.keep =
                keep.duration(in: .seconds(60)...(.seconds(36_500 * 86_400)), examples: "365d") ?? journal.keep
        }
        if let size = section["max_size"]?.size(atLeast: 8 << 20, examples: "1GiB") { journal.maxSize = size }
        if let policy = section["when_full"]?.choice(
            "policy", [("drop_oldest", JournalConfiguration.WhenFull.dropOldest)])
        {
            journal.whenFull = policy
        }
        journal.sync = section["sync"].flatMap(sync) ?? journal.sync
        return journal
    }

    /// `commit`, or `{every: 1s}`.
    private func sync(_ value: Value) -> JournalConfiguration.Sync? {
        if case .scalar = value.node.content {
            return value.choice("way to sync", [("commit", JournalConfiguration.Sync.commit)])
        }
        guard let section = value.section("sync", keys: ["every"]) else { return nil }
        let every = section.required("every", example: "1s")
        return every?.duration(in: .milliseconds(100)...(.seconds(60)), examples: "1s").map { .every($0) }
    }

    func metrics(_ value: Value, file: String) -> MetricsConfiguration? {
        guard let section = value.section("metrics", keys: ["file", "every"]),
            let path = section.required("file", example: "/var/lib/prometheus/node-exporter/obisd.prom"),
            let text = path.label(atMost: 4096)
        else { return nil }
        guard text.hasSuffix(".prom") else {
            path.fail(
                "\(quoted(text)) is no file that node_exporter reads", remedy: "write a name that ends with .prom")
            return nil
        }
        var metrics = MetricsConfiguration(file: Path.resolve(text, besides: file))
        if let every = section["every"] {
            metrics.every = every.duration(in: .seconds(1)...(.seconds(3600)), examples: "15s") ?? metrics.every
        }
        return metrics
    }
}

/// `host:port`, an IPv6 address in brackets.
struct HostPort {
    let host: String
    let port: Int

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        let front = text[..<colon]
        let isBracketed = front.hasPrefix("[") && front.hasSuffix("]")
        guard isBracketed || !front.contains(":"), let host = Self.host(String(front)) else { return nil }
        self.host = host
        self.port = port
    }

    /// A host alone, without the brackets that an IPv6 address may have.
    static func host(_ text: String) -> String? {
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        let name = isBracketed ? String(text.dropFirst().dropLast()) : text
        guard !name.isEmpty, name.utf8.count <= 253 else { return nil }
        if name.filter({ $0 == ":" }).count >= 2 {
            // A scope may follow: fe80::1%eth0.
            let address = name.prefix { $0 != "%" }
            return address.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." } ? name : nil
        }
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isName && !isBracketed ? name : nil
    }
}
