import Wire

extension ConfigurationReading {
    private static let transportKinds = ["serial", "tcp", "file"]
    private static let laterTransports: Set<String> = ["udp", "rfc2217", "listen", "from"]

    /// - Parameter line: of a serial port that names none.
    func endpoint(_ value: Value, line: LineSettings) -> Endpoint? {
        let keys = Self.transportKinds + ["line"]
        guard let section = value.section("transport", keys: keys, notYet: Self.laterTransports) else { return nil }
        let kinds = Self.transportKinds.filter { section[$0] != nil }
        guard kinds.count <= 1 else {
            value.fail(
                "names more than one way to the meter (\(kinds.joined(separator: ", ")))", remedy: "keep one of them")
            return nil
        }
        guard let kind = kinds.first, let target = section[kind] else {
            if section.names.isDisjoint(with: Self.laterTransports.union(Self.transportKinds)) {
                value.fail("names no way to the meter", remedy: "write for example {serial: /dev/ttyUSB0}")
            }
            return nil
        }
        if kind != "serial" {
            section["line"]?.fail(
                "only a serial port has a line", remedy: "set it at the other end and leave the key out")
        }
        switch kind {
        case "serial": return serial(target, section["line"], default: line)
        case "tcp": return tcp(target)
        default:
            return target.label(atMost: 4096).map { .file(path: Path.resolve($0, besides: target.node.place.file)) }
        }
    }

    private func serial(_ value: Value, _ line: Value?, default standard: LineSettings) -> Endpoint? {
        let settings = line?.parsed("line of a serial port", examples: "2400 8E1, 9600 8N1 or 300 7E1") {
            LineSettings($0)
        }
        guard let path = value.label(atMost: 4096) else { return nil }
        guard path.hasPrefix("/") else {
            value.fail(
                "\(quoted(path)) is no full path", remedy: "write for example /dev/serial/by-id/usb-… or /dev/ttyUSB0")
            return nil
        }
        if line != nil, settings == nil { return nil }
        return .serial(path: path, line: settings ?? standard)
    }

    private func tcp(_ value: Value) -> Endpoint? {
        guard let text = value.label(atMost: 300) else { return nil }
        if let target = HostPort(text) { return .tcp(host: target.host, port: target.port) }
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
}
