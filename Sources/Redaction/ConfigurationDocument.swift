import Yams

/// A configuration taken apart, to be written down again without what must not be seen.
///
/// Only values of keys that are known to be harmless are shown. So a new key is safe by default, and so is a key with a
/// typing error that holds a password.
struct ConfigurationDocument {
    /// What the document says by which the rest of a bundle can be made safe.
    enum Finding: Equatable {
        case identifier(String)
        case word(String, kind: String)
    }

    static let unreadable = "# This file is no YAML that can be read: it was left out.\n"
    static let hidden = "REDACTED"

    private let root: Node
    private let lines: [[Unicode.Scalar]]
    private(set) var findings: [Finding] = []

    private static let maximumDepth = 32
    private static let maximumValues = 50_000

    init?(_ text: String) {
        guard text.utf8.count <= 1 << 20, let node = try? Yams.compose(yaml: text) else { return nil }
        var values = 0
        guard Self.isBounded(node, depth: 0, &values) else { return nil }
        root = node
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.unicodeScalars) }
        collect(node, under: [])
    }

    /// Whether it is no larger than a configuration that is accepted, with every alias followed.
    private static func isBounded(_ node: Node, depth: Int, _ values: inout Int) -> Bool {
        values += 1
        guard values <= maximumValues, depth <= maximumDepth else { return false }
        switch node {
        case .scalar: return true
        case .sequence(let items):
            for item in items { guard isBounded(item, depth: depth + 1, &values) else { return false } }
            return true
        case .mapping(let entries):
            for (key, value) in entries {
                guard case .scalar = key, isBounded(value, depth: depth + 1, &values) else { return false }
            }
            return true
        case .alias: return false
        }
    }

    // MARK: Keys

    /// Values that say nothing of persons, secrets and places.
    private static let shown: Set<String> = [
        "node", "port", "client_id", "keepalive", "protocol", "base_topic", "drain_rate", "commands", "discovery",
        "prefix",
        "path", "keep", "max_size", "when_full", "every", "include", "id", "enabled", "serial", "line", "file",
        "profile",
        "time_zone", "meter_clock", "address", "secondary", "baud", "mode", "wake_up", "crc", "client", "server",
        "security", "ciphering", "framing", "dedicated_key", "invocation_counter", "load_profile", "code", "class",
        "attribute",
        "interval", "align", "at", "bus", "channel", "host", "tcp", "udp", "rfc2217", "listen", "from", "name",
        "username",
        "ca_file", "cert_file", "key_file", "password_file", "encryption_key_file", "authentication_key_file",
        "summary",
        "makers", "extends", "echo", "duration", "pause", "level", "request", "load_profile", "code", "class",
        "attribute",
    ]
    /// Mappings in which every key is one of many.
    private static let shownWhole: Set<String> = [
        "anomalies", "limits", "plausible", "offset", "profiles", "registers", "sync", "rules",
    ]

    private enum Treatment {
        case shown, hidden
        case identifier
        case word(kind: String)
        case endpoint
    }

    private static func treatment(of path: [String]) -> Treatment {
        guard let key = path.last else { return .shown }
        if isSecret(key) { return .hidden }
        switch key {
        case "serial", "secondary", "address": return .identifier
        case "name": return .word(kind: "name")
        case "username": return .word(kind: "user")
        // Made of the host's name where the person chose none.
        case "node": return .word(kind: "node")
        case "client_id": return .word(kind: "client")
        case "host", "tcp", "udp", "rfc2217", "listen", "from": return .endpoint
        default: return shown.contains(key) || !shownWhole.isDisjoint(with: path) ? .shown : .hidden
        }
    }

    /// The path of a file with a secret is none.
    private static func isSecret(_ key: String) -> Bool {
        let key = key.lowercased()
        guard !key.hasSuffix("_file"), !key.hasSuffix("_credential") else { return false }
        return ["passw", "secret", "token", "psk", "pin", "key"].contains { key == $0 || key.contains($0) }
    }

    // MARK: Learning

    private mutating func collect(_ node: Node, under path: [String]) {
        switch node {
        case .scalar(let scalar): collect(scalar.string, under: path)
        case .sequence(let items): for item in items { collect(item, under: path) }
        case .mapping(let entries):
            for (key, value) in entries { collect(value, under: path + [key.string ?? ""]) }
        case .alias: break
        }
    }

    private mutating func collect(_ text: String, under path: [String]) {
        switch Self.treatment(of: path) {
        case .identifier: findings.append(.identifier(text))
        case .word(let kind): findings.append(.word(text, kind: kind))
        case .endpoint:
            if let host = Self.host(of: text) { findings.append(.word(host, kind: "host")) }
        case .shown, .hidden: break
        }
    }

    /// - Returns: nil for an address, which is treated as such wherever it stands, and for this machine.
    private static func host(of endpoint: String) -> String? {
        let behindScheme = endpoint.firstRange(of: "//").map { endpoint[$0.upperBound...] } ?? endpoint[...]
        let behindUser = behindScheme.split(separator: "@").last ?? behindScheme
        guard !behindUser.hasPrefix("["), let host = behindUser.split(separator: ":").first,
            host.contains(where: \.isLetter), host != "localhost", behindUser.utf8.count(where: { $0 == 0x3A }) < 2
        else { return nil }
        return String(host)
    }

    // MARK: Writing

    /// - Parameter redact: makes the text of one value safe.
    func text(_ redact: @escaping (String) -> String) -> String {
        var writer = Writer(lines: lines, redact: redact)
        writer.write(root, under: [], indent: 0, isFlow: false)
        return writer.text.hasSuffix("\n") || writer.text.isEmpty ? writer.text : writer.text + "\n"
    }

    private struct Writer {
        /// Of the original: the parser does not tell a flow from a block.
        let lines: [[Unicode.Scalar]]
        let redact: (String) -> String
        private(set) var text = ""
        private var line = 1

        init(lines: [[Unicode.Scalar]], redact: @escaping (String) -> String) {
            self.lines = lines
            self.redact = redact
        }

        private func isFlow(_ mark: Mark?) -> Bool {
            guard let mark, lines.indices.contains(mark.line - 1),
                lines[mark.line - 1].indices.contains(mark.column - 1)
            else { return false }
            return ["{", "["].contains(lines[mark.line - 1][mark.column - 1])
        }

        /// Blocks stay blocks, and begin in the line in which they stood: findings about the file name its lines.
        mutating func write(_ node: Node, under path: [String], indent: Int, isFlow: Bool) {
            switch node {
            case .scalar(let scalar): text += value(scalar, under: path)
            case .sequence(let items) where isFlow || self.isFlow(items.mark) || items.isEmpty:
                flow("[", "]", items.map { item in { $0.write(item, under: path, indent: 0, isFlow: true) } })
            case .mapping(let entries) where isFlow || self.isFlow(entries.mark) || entries.isEmpty:
                flow(
                    "{", "}",
                    entries.map { key, value in
                        { writer in
                            writer.text += writer.quoted(key.string ?? "") + ": "
                            writer.write(value, under: path + [key.string ?? ""], indent: 0, isFlow: true)
                        }
                    })
            case .sequence(let items):
                for item in items {
                    beginLine(item.mark?.line, indent)
                    text += "- "
                    write(item, under: path, indent: indent + 2, isFlow: false)
                }
            case .mapping(let entries):
                for (key, value) in entries {
                    beginLine(key.mark?.line, indent)
                    text += quoted(key.string ?? "") + ": "
                    write(value, under: path + [key.string ?? ""], indent: indent + 2, isFlow: false)
                }
            case .alias: break
            }
        }

        private mutating func flow(_ open: String, _ close: String, _ items: [(inout Writer) -> Void]) {
            text += open
            for (index, item) in items.enumerated() {
                if index > 0 { text += ", " }
                item(&self)
            }
            text += close
        }

        private mutating func beginLine(_ wanted: Int?, _ indent: Int) {
            // The first key of a list's item stands behind its dash.
            if text.isEmpty || text.hasSuffix("- ") && (wanted ?? 0) <= line { return pad(to: wanted, indent) }
            text += "\n"
            line += 1
            pad(to: wanted, indent)
        }

        private mutating func pad(to wanted: Int?, _ indent: Int) {
            let isAtLineStart = text.isEmpty || text.hasSuffix("\n")
            while isAtLineStart, let wanted, line < wanted {
                text += "\n"
                line += 1
            }
            if isAtLineStart { text += String(repeating: " ", count: indent) }
        }

        private func value(_ scalar: Node.Scalar, under path: [String]) -> String {
            let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            guard !isNull else { return scalar.string }
            if case .hidden = ConfigurationDocument.treatment(of: path) { return hidden }
            let safe = redact(scalar.string)
            return scalar.style == .plain && Self.isPlain(safe) ? safe : doubleQuoted(safe)
        }

        private func quoted(_ key: String) -> String {
            let safe = redact(key)
            return Self.isPlain(safe) ? safe : doubleQuoted(safe)
        }

        /// Whether a text means itself without quotes, in a block and in a flow.
        private static func isPlain(_ text: String) -> Bool {
            let signs = Set("/._+%* -:".utf8)
            guard let first = text.utf8.first, first.isDigit || first.isLetter || first == UInt8(ascii: "/"),
                text.utf8.last != UInt8(ascii: ":"), text.utf8.last != UInt8(ascii: " ")
            else { return false }
            return !text.contains(": ") && text.utf8.allSatisfy { $0.isDigit || $0.isLetter || signs.contains($0) }
        }

        private func doubleQuoted(_ text: String) -> String {
            let escaped = text.unicodeScalars.map { scalar in
                switch scalar {
                case "\"", "\\": "\\\(scalar)"
                case "\n": "\\n"
                case "\t": "\\t"
                default: scalar.value < 0x20 ? " " : String(scalar)
                }
            }
            return "\"" + escaped.joined() + "\""
        }
    }
}
