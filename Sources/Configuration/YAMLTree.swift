import Yams

/// One value of a YAML document with its place. Numbers and truth values stay text until a key wants one, so
/// that `007` keeps its zeros and `off` is what the key makes of it.
struct YAMLNode {
    let place: Place
    let content: Content

    enum Content {
        case null
        case scalar(String)
        case list([YAMLNode])
        case mapping([Entry])
    }

    struct Entry {
        let key: String
        let place: Place
        let value: YAMLNode
    }
}

/// Reads a document within bounds: of bytes, of depth, and of values after every alias has been followed, so
/// that a few lines of aliases of aliases cannot fill the memory.
struct YAMLTree {
    static let maximumBytes = 1 << 20
    static let maximumDepth = 32
    static let maximumValues = 50_000

    private let file: String
    private let findings: Findings
    private var values = 0

    /// - Returns: nil after an error has been noted; a null node for an empty document.
    static func read(_ text: String, file: String, findings: Findings) -> YAMLNode? {
        let top = Place(file: file, line: 1, column: 1)
        guard text.utf8.count <= maximumBytes else {
            findings.fail(Place(file: file, line: 0, column: 0), "", tooLarge)
            return nil
        }
        do {
            guard let root = try compose(yaml: text) else { return YAMLNode(place: top, content: .null) }
            var tree = YAMLTree(file: file, findings: findings)
            return try tree.node(root, depth: 0)
        } catch let error as YamlError {
            note(error, text: text, file: file, findings: findings)
        } catch let stop as Stop {
            findings.fail(stop.place, "", stop.message, remedy: stop.remedy)
        } catch {
            findings.fail(top, "", "is no YAML document")
        }
        return nil
    }

    static let tooLarge = "is larger than \(Notation.text(bytes: Int64(maximumBytes)))"

    private init(file: String, findings: Findings) {
        self.file = file
        self.findings = findings
    }

    private struct Stop: Error {
        let place: Place
        let message: String
        var remedy: String?
    }

    private func place(_ node: Node) -> Place {
        Place(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    private mutating func node(_ node: Node, depth: Int) throws -> YAMLNode {
        let place = place(node)
        values += 1
        guard values <= Self.maximumValues else {
            throw Stop(
                place: place, message: "the document has more than \(Self.maximumValues) values, aliases followed")
        }
        guard depth <= Self.maximumDepth else {
            throw Stop(place: place, message: "values are nested deeper than \(Self.maximumDepth) levels")
        }
        switch node {
        case .scalar(let scalar):
            try refuseForeignTag(scalar.tag, at: place)
            return YAMLNode(place: place, content: content(scalar))
        case .sequence(let sequence):
            try refuseForeignTag(sequence.tag, at: place)
            let items = try sequence.map { try self.node($0, depth: depth + 1) }
            return YAMLNode(place: place, content: .list(items))
        case .mapping(let mapping):
            try refuseForeignTag(mapping.tag, at: place)
            return YAMLNode(place: place, content: .mapping(try entries(mapping, depth: depth)))
        case .alias:
            throw Stop(place: place, message: "an alias stands where a value is wanted")
        }
    }

    private func content(_ scalar: Node.Scalar) -> YAMLNode.Content {
        let isNull = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
        return isNull ? .null : .scalar(scalar.string)
    }

    /// `!secret` and the like belong to other programs.
    private func refuseForeignTag(_ tag: Tag, at place: Place) throws {
        let name = tag.rawValue
        guard name.isEmpty || name == "!" || name.hasPrefix("tag:yaml.org,2002:") else {
            throw Stop(
                place: place, message: "the tag \(quoted(name)) has no meaning here",
                remedy: "leave it out; secrets have keys that end in _file or _credential")
        }
    }

    private mutating func entries(_ mapping: Node.Mapping, depth: Int) throws -> [YAMLNode.Entry] {
        var own: [YAMLNode.Entry] = []
        var merged: [YAMLNode.Entry] = []
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                throw Stop(place: place(key), message: "a key must be a plain word")
            }
            let value = try node(value, depth: depth + 1)
            if scalar.string == "<<", scalar.style == .plain {
                merged += try mergedEntries(value)
            } else {
                own.append(YAMLNode.Entry(key: scalar.string, place: place(key), value: value))
            }
        }
        for entry in merged where !own.contains(where: { $0.key == entry.key }) { own.append(entry) }
        return own
    }

    /// `<<: *base`: the keys of another mapping, unless they stand here.
    private func mergedEntries(_ node: YAMLNode) throws -> [YAMLNode.Entry] {
        switch node.content {
        case .mapping(let entries): return entries
        case .list(let items): return try items.flatMap(mergedEntries)
        default: throw Stop(place: node.place, message: "`<<` must name a mapping")
        }
    }

    // MARK: Errors of the parser

    /// The parser's own text quotes the line, which may hold a password: only its sentence is used.
    private static func note(_ error: YamlError, text: String, file: String, findings: Findings) {
        func fail(_ line: Int, _ column: Int, _ message: String, remedy: String? = nil) {
            // The parser may report the line behind the last one.
            let end = lineAndColumn(at: text.count, in: text)
            let (line, column) = line > end.0 ? end : (max(1, line), max(1, column))
            findings.fail(Place(file: file, line: line, column: column), "", message, remedy: remedy)
        }
        let hint = "look at the indentation, colons and quotes of this line and the one before"
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let sentence = [context?.text, problem].compactMap { $0 }.joined(separator: ": ")
            fail(mark.line, mark.column, "is no valid YAML (\(sentence))", remedy: hint)
        case .reader(let problem, let offset, _, _):
            let (line, column) = lineAndColumn(at: offset ?? 0, in: text)
            fail(line, column, "is no valid YAML (\(problem))", remedy: "save the file as UTF-8 text")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map(quoted).joined(separator: ", ")
            let mark = context.mark
            fail(
                mark.line, mark.column, "\(names): the same key stands twice in one mapping", remedy: "keep one of them"
            )
        default:
            findings.fail(Place(file: file, line: 1, column: 1), "", "is no valid YAML")
        }
    }

    private static func lineAndColumn(at offset: Int, in text: String) -> (Int, Int) {
        let before = text.prefix(offset)
        return (before.count { $0.isNewline } + 1, before.reversed().prefix { !$0.isNewline }.count + 1)
    }
}
