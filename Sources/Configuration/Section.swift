import OBIS

/// One value of the configuration with the path that leads to it. Each reading method notes what is wrong and
/// then returns nil, so that one pass finds everything.
struct Value {
    let node: YAMLNode
    /// `meters[0].transport`
    let key: String
    let findings: Findings

    func fail(_ message: String, remedy: String? = nil) {
        findings.fail(node.place, key, message, remedy: remedy)
    }

    func warn(_ message: String, remedy: String? = nil) {
        findings.warn(node.place, key, message, remedy: remedy)
    }

    func key(_ name: String) -> String { key.isEmpty ? name : "\(key).\(name)" }
}

/// A value as it may be shown: short, on one line, and never what could hold a password (`user:word@host`).
func quoted(_ text: String) -> String {
    guard !text.contains("@") else { return "this value" }
    let shown = text.prefix(40).map { $0.isNewline || $0.isWhitespace ? " " : $0 }
    return "`" + String(shown) + (text.count > 40 ? "…`" : "`")
}

// MARK: - Plain values

extension Value {
    func text() -> String? {
        switch node.content {
        case .scalar(let text): return text
        case .null: fail("has no value", remedy: "write one or leave the key out")
        case .list: fail("must be one value, not a list")
        case .mapping: fail("must be one value, not a mapping")
        }
        return nil
    }

    /// Something that `parse` understands.
    ///
    /// - Parameter examples: how the remedy says what to write.
    func parsed<T>(_ what: String, examples: String, _ parse: (String) -> T?) -> T? {
        guard let text = text() else { return nil }
        if let result = parse(text) { return result }
        fail("\(quoted(text)) is no \(what)", remedy: "write for example \(examples)")
        return nil
    }

    func bool() -> Bool? {
        parsed("truth value", examples: "true or false", Notation.bool)
    }

    func integer(_ what: String, in range: ClosedRange<Int>) -> Int? {
        guard let number = parsed("whole number", examples: "\(range.lowerBound)", { Int($0) }) else { return nil }
        if range.contains(number) { return number }
        fail("\(number) is no \(what)", remedy: "write a number from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    func duration(in range: ClosedRange<Duration>, examples: String) -> Duration? {
        guard let duration = parsed("duration", examples: "\(examples) (units: ms s m h d)", Notation.duration) else {
            return nil
        }
        if range.contains(duration) { return duration }
        let (low, high) = (Notation.text(range.lowerBound), Notation.text(range.upperBound))
        fail("\(Notation.text(duration)) is out of range", remedy: "write a duration from \(low) to \(high)")
        return nil
    }

    func size(atLeast minimum: Int64, examples: String) -> Int64? {
        guard let bytes = parsed("size", examples: "\(examples) (units: B KiB MiB GiB TiB)", Notation.size) else {
            return nil
        }
        if bytes >= minimum { return bytes }
        fail("\(Notation.text(bytes: bytes)) is too small", remedy: "write at least \(Notation.text(bytes: minimum))")
        return nil
    }

    /// A positive quantity in one of `units`, the first of which is what the others are converted to.
    func quantity(in units: [Unit], example: String) -> FixedDecimal? {
        guard let text = text() else { return nil }
        guard let (value, unit) = Notation.quantity(text) else {
            let isNumber = FixedDecimal(text) != nil
            fail(
                isNumber ? "\(quoted(text)) has no unit" : "\(quoted(text)) is no quantity",
                remedy: "write for example \(example)")
            return nil
        }
        guard let converted = unit.convert(value, to: units[0]) else {
            fail("\(unit.symbol) is the wrong unit", remedy: "write for example \(example)")
            return nil
        }
        guard !converted.isNegative, !converted.isZero else {
            fail("must be more than zero", remedy: "write for example \(example)")
            return nil
        }
        return converted
    }

    func choice<T>(_ what: String, _ choices: [(String, T)]) -> T? {
        guard let text = text() else { return nil }
        if let choice = choices.first(where: { $0.0 == text }) { return choice.1 }
        let names = choices.map(\.0)
        fail("\(quoted(text)) is no \(what)", remedy: suggestion(for: text, among: names))
        return nil
    }

    /// `A-Z a-z 0-9 _ -`, 1 to 64 of them: what may stand in a topic and in a file name.
    func identifier() -> String? {
        guard let text = text() else { return nil }
        if text.utf8.count <= 64, !text.isEmpty, text.utf8.allSatisfy(isIdentifierByte) { return text }
        fail("\(quoted(text)) cannot be an id", remedy: "write 1 to 64 of the characters A-Z a-z 0-9 _ -")
        return nil
    }

    private func isIdentifierByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// A text of printable characters.
    func label(atMost limit: Int) -> String? {
        guard let text = text() else { return nil }
        guard !text.isEmpty else {
            fail("is empty", remedy: "write a text or leave the key out")
            return nil
        }
        guard text.utf8.count <= limit, text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            fail(
                "is longer than \(limit) bytes or holds control characters", remedy: "write a shorter text on one line")
            return nil
        }
        return text
    }

    /// "did you mean", else all there is to choose from.
    func suggestion(for text: String, among names: [String], lead: String = "write one of:") -> String {
        if let name = Suggestion.nearest(to: text, among: names) { return "did you mean \(name)?" }
        return names.count == 1 ? "write \(names[0])" : "\(lead) " + names.joined(separator: ", ")
    }
}

// MARK: - Lists and mappings

extension Value {
    /// The items of a list, each with its index in the path. Nothing at all is an empty list.
    func list() -> [Value]? {
        switch node.content {
        case .list(let items): return indexed(items)
        case .null: return []
        default:
            fail("must be a list", remedy: "begin each item with a dash")
            return nil
        }
    }

    /// A list, or one value that stands for a list of one.
    func listOrOne() -> [Value]? {
        if case .scalar = node.content { [self] } else { list() }
    }

    private func indexed(_ items: [YAMLNode]) -> [Value] {
        items.enumerated().map { Value(node: $1, key: "\(key)[\($0)]", findings: findings) }
    }

    /// The keys and values of a mapping, in the order of the file. Nothing at all is an empty mapping.
    func entries() -> [(name: String, place: Place, value: Value)]? {
        switch node.content {
        case .mapping(let entries):
            return entries.map { entry in
                (entry.key, entry.place, Value(node: entry.value, key: key(entry.key), findings: findings))
            }
        case .null: return []
        default:
            fail("must be a mapping", remedy: "write keys and values, each as `key: value`")
            return nil
        }
    }

    /// A mapping of which every key is known.
    ///
    /// - Parameter what: what the keys are keys of, for the message.
    func section(_ what: String, keys: [String]) -> Section? {
        guard let entries = entries() else { return nil }
        var values: [String: Value] = [:]
        // A key that was probably meant is not reported as missing as well.
        var names = Set(entries.map(\.name))
        for (name, place, value) in entries {
            if keys.contains(name) {
                values[name] = value
            } else {
                if let meant = Suggestion.nearest(to: name, among: keys) { names.insert(meant) }
                findings.fail(
                    place, key(name), "\(quoted(name)) is no key of \(what)",
                    remedy: suggestion(for: name, among: keys, lead: "the keys are:"))
            }
        }
        return Section(value: self, values: values, names: names)
    }
}

/// A mapping whose keys are known.
struct Section {
    let value: Value
    fileprivate let values: [String: Value]
    /// Every key that is there or was probably meant, with those that were refused.
    let names: Set<String>

    subscript(_ name: String) -> Value? { values[name] }

    /// A key that must be there.
    func required(_ name: String, example: String) -> Value? {
        if let value = values[name] { return value }
        if !names.contains(name) {
            value.fail("the key `\(name)` is missing", remedy: "write for example `\(name): \(example)`")
        }
        return nil
    }
}
