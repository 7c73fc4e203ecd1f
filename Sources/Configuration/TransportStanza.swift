import Glibc
import Wire

extension ConfigurationReading {
    private static let transportKinds = ["serial", "tcp", "rfc2217", "udp", "listen", "file"]

    /// - Parameter line: of a serial port that names none.
    func endpoint(_ value: Value, line: LineSettings) -> Endpoint? {
        let keys = Self.transportKinds + ["line", "from"]
        guard let section = value.section("transport", keys: keys) else { return nil }
        let kinds = Self.transportKinds.filter { section[$0] != nil }
        guard kinds.count <= 1 else {
            value.fail(
                "names more than one way to the meter (\(kinds.joined(separator: ", ")))", remedy: "keep one of them")
            return nil
        }
        guard let kind = kinds.first, let target = section[kind] else {
            if section.names.isDisjoint(with: Self.transportKinds) {
                value.fail("names no way to the meter", remedy: "write for example {serial: /dev/ttyUSB0}")
            }
            return nil
        }
        refuseForeignKeys(of: kind, section)
        switch kind {
        case "serial": return serial(target, section["line"], default: line)
        case "rfc2217": return rfc2217(target, section["line"], default: line)
        case "tcp": return hostPort(target).map { .tcp(host: $0.host, port: $0.port) }
        case "udp": return hostPort(target).map { .udp(host: $0.host, port: $0.port) }
        case "listen": return listen(target, section)
        default:
            return target.label(atMost: 4096).map { .file(path: Path.resolve($0, besides: target.node.place.file)) }
        }
    }

    private func refuseForeignKeys(of kind: String, _ section: Section) {
        if kind == "tcp" {
            section["line"]?.fail(
                "plain TCP carries no line settings",
                remedy: "set the line at the gateway and leave the key out, or write rfc2217: if the gateway has it")
        } else if kind != "serial", kind != "rfc2217" {
            section["line"]?.fail("only a serial port has a line", remedy: "leave the key out")
        }
        if kind != "listen" {
            section["from"]?.fail("belongs to `listen`, where the meter calls", remedy: "leave the key out")
        }
    }

    // MARK: Lines

    private func settings(_ line: Value?, default standard: LineSettings) -> LineSettings? {
        guard let line else { return standard }
        return line.parsed("line of a serial port", examples: "2400 8E1, 9600 8N1 or 300 7E1") { LineSettings($0) }
    }

    private func serial(_ value: Value, _ line: Value?, default standard: LineSettings) -> Endpoint? {
        let settings = settings(line, default: standard)
        guard let path = value.label(atMost: 4096) else { return nil }
        guard path.hasPrefix("/") else {
            value.fail(
                "\(quoted(path)) is no full path", remedy: "write for example /dev/serial/by-id/usb-… or /dev/ttyUSB0")
            return nil
        }
        return settings.map { .serial(path: path, line: $0) }
    }

    private func rfc2217(_ value: Value, _ line: Value?, default standard: LineSettings) -> Endpoint? {
        let settings = settings(line, default: standard)
        guard let target = hostPort(value), let settings else { return nil }
        return .rfc2217(host: target.host, port: target.port, line: settings)
    }

    // MARK: Hosts

    private func hostPort(_ value: Value) -> HostPort? {
        guard let text = value.label(atMost: 300) else { return nil }
        if let target = HostPort(text) { return target }
        let isBareAddress = !text.contains("[") && text.filter { $0 == ":" }.count > 1
        if isBareAddress {
            value.fail("an IPv6 address must stand in brackets", remedy: "write for example \"[fd00::1]:4059\"")
        } else if HostPort.host(text) != nil {
            value.fail(
                "the port is missing", remedy: "write for example \(text.contains("@") ? "gateway" : text):10001")
        } else {
            value.fail("\(quoted(text)) is no host and port", remedy: "write for example gateway:10001")
        }
        return nil
    }

    // MARK: Meters that call

    private func listen(_ value: Value, _ section: Section) -> Endpoint? {
        let address = value.parsed("address to listen on", examples: "udp://:4059, tcp://:4059 or udp://[fd00::1]:4059")
        {
            ListenAddress(notation: $0)
        }
        // An open port is opened for known callers only.
        let callers = section.required("from", example: "[192.168.1.20]").flatMap(callers)
        guard let address, let callers else { return nil }
        return .listen(address, from: callers)
    }

    private func callers(_ value: Value) -> [AddressRange]? {
        guard let items = value.listOrOne() else { return nil }
        guard !items.isEmpty else {
            value.fail(
                "names nobody from whom the meter may come", remedy: "write for example [192.168.1.20, fd00::/64]")
            return nil
        }
        let ranges = items.compactMap { item in
            item.parsed("address or network", examples: "192.168.1.20, 192.168.1.0/24 or fd00::/64") {
                AddressRange(notation: $0)
            }
        }
        return ranges.count == items.count ? ranges : nil
    }
}

extension ListenAddress {
    /// Reads `udp://:4059`, `tcp://127.0.0.1:4059`, `udp://[fd00::1]:4059`; the host, if any, is an address of this
    /// machine.
    init?(notation text: String) {
        guard let separator = text.firstRange(of: "://"),
            let kind = Kind(rawValue: String(text[..<separator.lowerBound])),
            let colon = text.lastIndex(of: ":"), colon >= separator.upperBound,
            let port = Int(text[text.index(after: colon)...]), (1...65535).contains(port)
        else { return nil }
        let host = String(text[separator.upperBound..<colon])
        guard !host.isEmpty else {
            self.init(kind: kind, port: port)
            return
        }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        let address = isBracketed ? String(host.dropFirst().dropLast()) : host
        guard let octets = AddressRange.octets(address), isBracketed == (octets.count == 16) else { return nil }
        self.init(kind: kind, host: address, port: port)
    }
}

extension AddressRange {
    /// Reads `192.168.1.20`, `192.168.1.0/24`, `fd00::/64`.
    init?(notation text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let octets = Self.octets(String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(address: octets, prefix: 8 * octets.count)
            return
        }
        guard parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), let prefix = Int(parts[1]) else { return nil }
        self.init(address: octets, prefix: prefix)
    }

    /// The bytes of an IPv4 or IPv6 address.
    fileprivate static func octets(_ text: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var octets = [UInt8](repeating: 0, count: count)
            // The buffer is as long as an address of the family.
            let isAddress = unsafe octets.withUnsafeMutableBytes { buffer in
                unsafe inet_pton(family, text, buffer.baseAddress)
            }
            if isAddress == 1 { return octets }
        }
        return nil
    }
}
