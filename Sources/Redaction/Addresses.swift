/// Addresses of networks, of network cards and of adapters in a text, and what else says whose machine it is.
///
///     192.168.7.31               192.168.102.9         private, shared and link-local networks stay recognisable
///     93.184.216.34              203.0.113.77          any other is one of those that are kept for documents
///     fe80::1c2d:3eff:fe4f:5a6b  fe80::9a01:77c3
///     3c:22:fb:00:11:22          02:…                  a hardware address
///     mqtt://user:word@host      mqtt://REDACTED@host
///     /home/anna/capture         /home/user/capture
///     /dev/serial/by-id/usb-…_AB0JQ7XY-if00            the serial number of the adapter
struct Addresses {
    private let standIns: StandIns

    init(_ standIns: StandIns) {
        self.standIns = standIns
    }

    func redacted(_ text: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            if let (length, replacement) = finding(in: bytes, at: index) {
                result += replacement
                index += length
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// - Returns: how many bytes are replaced; nil where nothing is.
    private func finding(in bytes: [UInt8], at index: Int) -> (Int, [UInt8])? {
        let byte = bytes[index]
        if byte == UInt8(ascii: "/") { return Self.path(in: bytes, at: index, standIns) }
        guard byte.isHexDigit || byte == UInt8(ascii: ":"), index == 0 || !Self.joins(bytes[index - 1]) else {
            return nil
        }
        let run = bytes[index...].prefix(Self.longest + 1).prefix(while: Self.isAddressCharacter)
        guard run.count <= Self.longest else { return nil }
        let behind = bytes.dropFirst(index + run.count).first
        guard behind.map({ $0.isLetter || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "*") }) != true else {
            return nil
        }
        return address(run, behind: behind)
    }

    private static let longest = 45

    private static func isAddressCharacter(_ byte: UInt8) -> Bool {
        byte.isHexDigit || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }

    private static func joins(_ byte: UInt8) -> Bool {
        byte.isDigit || byte.isLetter || [UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "_")].contains(byte)
    }

    /// An address, perhaps with a port or the end of a sentence behind it.
    private func address(_ run: ArraySlice<UInt8>, behind: UInt8?) -> (Int, [UInt8])? {
        let colon = run.firstIndex(of: UInt8(ascii: ":")) ?? run.endIndex
        var four = run[..<colon]
        if four.last == UInt8(ascii: ".") { four = four.dropLast() }
        if let octets = Self.octets(four) {
            // `1-0:1.8.0` and versions have a sign in front or behind.
            return (four.count, version4(octets))
        }
        var rest = run
        while rest.last == UInt8(ascii: ".") || (rest.last == UInt8(ascii: ":") && !rest.dropLast().hasSuffixColon) {
            rest = rest.dropLast()
        }
        if let hardware = hardware(rest) { return (rest.count, hardware) }
        return Self.groups(rest).map { (rest.count, version6($0)) }
    }

    // MARK: Version 4

    private static func octets(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        let octets = parts.compactMap { part in
            part.count <= 3 && part.allSatisfy(\.isDigit) ? UInt8(String(decoding: part, as: UTF8.self)) : nil
        }
        return octets.count == 4 ? octets : nil
    }

    private func version4(_ octets: [UInt8]) -> [UInt8] {
        let kept: Int
        switch (octets[0], octets[1]) {
        // This host, this machine, multicast, broadcast.
        case (0, _), (127, _), (224..., _): kept = 4
        case (10, _): kept = 1
        case (192, 168), (172, 16...31), (169, 254), (100, 64...127): kept = 2
        default: kept = 0
        }
        let random = standIns.bytes(for: octets, count: 4)
        let networks: [[UInt8]] = [[203, 0, 113], [198, 51, 100], [192, 0, 2]]
        let start = kept > 0 ? Array(octets.prefix(kept)) : networks[Int(random[0]) % networks.count]
        // A zero is the host part of a network.
        let end = zip(octets, random).dropFirst(start.count).map { $0 == 0 ? 0 : 1 + $1 % 254 }
        return Array((start + end).map { "\($0)" }.joined(separator: ".").utf8)
    }

    // MARK: Version 6

    /// The eight groups of an address that is written in any way.
    private static func groups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        let string = String(decoding: text, as: UTF8.self)
        let halves = string.components(around: "::")
        guard halves.count <= 2, text.count(where: { $0 == UInt8(ascii: ":") }) >= 2,
            let head = groups(of: halves[0])
        else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = groups(of: halves[1]), head.count + tail.count < 8 else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func groups(of text: String) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            if let octets = octets(Array(part.utf8)[...]) {
                groups += [UInt16(octets[0]) << 8 | UInt16(octets[1]), UInt16(octets[2]) << 8 | UInt16(octets[3])]
            } else {
                guard (1...4).contains(part.utf8.count), let group = UInt16(part, radix: 16) else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private func version6(_ groups: [UInt16]) -> [UInt8] {
        let words = Array(groups.map { "\($0)" }.joined(separator: ":").utf8)
        let random = standIns.bytes(for: words, count: 4)
        let host = Self.hex(random[0], random[1]) + ":" + Self.hex(random[2], random[3])
        let text: String
        switch groups[0] {
        // Not set, and this machine.
        case 0 where groups.dropLast().allSatisfy { $0 == 0 } && groups[7] <= 1: text = groups[7] == 1 ? "::1" : "::"
        case 0xFF00...: text = "ff02::1"
        case 0xFE80...0xFEBF: text = "fe80::" + host
        case 0xFC00...0xFDFF: text = "fd00:" + host + "::"
        default: text = "2001:db8:" + host + "::"
        }
        return Array(text.utf8)
    }

    private static func hex(_ high: UInt8, _ low: UInt8) -> String {
        // No zero in front, so that the text is the usual one.
        String(UInt16(high | 0x10) << 8 | UInt16(low), radix: 16)
    }

    // MARK: Hardware

    /// `3c:22:fb:00:11:22`
    private func hardware(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isHexDigit) }) else { return nil }
        let random = standIns.bytes(for: Array(text), count: 5)
        // A locally administered address belongs to nobody.
        return Array("02".utf8) + random.flatMap { [UInt8(ascii: ":")] + Array(String($0 | 0x10, radix: 16).utf8) }
    }

    // MARK: Paths

    private static func path(in bytes: [UInt8], at index: Int, _ standIns: StandIns) -> (Int, [UInt8])? {
        let rest = bytes[index...]
        func word(behind prefix: String) -> ArraySlice<UInt8>? {
            guard rest.starts(with: prefix.utf8) else { return nil }
            return rest.dropFirst(prefix.utf8.count).prefix {
                $0 > 0x20
                    && ![UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ",")].contains($0)
            }
        }
        if let user = word(behind: "/home/"), !user.isEmpty { return (6 + user.count, Array("/home/user".utf8)) }
        if let user = word(behind: "//"), let at = user.lastIndex(of: UInt8(ascii: "@")) {
            return (2 + at - user.startIndex, Array("//REDACTED".utf8))
        }
        let adapters = "/dev/serial/by-id/"
        guard let adapter = word(behind: adapters), !adapter.isEmpty else { return nil }
        return (adapters.utf8.count + adapter.count, Array(adapters.utf8) + Self.adapter(Array(adapter), standIns))
    }

    /// `usb-maker_model_serial-if00-port0`: the part behind the last line below is the adapter's own.
    private static func adapter(_ name: [UInt8], _ standIns: StandIns) -> [UInt8] {
        guard let line = name.lastIndex(of: UInt8(ascii: "_")) else { return name }
        let serial = name[(line + 1)...].prefix { $0.isDigit || $0.isLetter }
        return name[...line] + standIns.standIn(for: Array(serial)) + name[serial.endIndex...]
    }
}

extension StandIns {
    func bytes(for text: [UInt8], count: Int) -> [UInt8] {
        stream(for: text, attempt: .max, count: count).prefix(count).map { $0 }
    }
}

extension ArraySlice<UInt8> {
    fileprivate var hasSuffixColon: Bool { last == UInt8(ascii: ":") }
}

extension String {
    /// The parts in front of and behind each occurrence.
    fileprivate func components(around separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
