/// A text in Prometheus's exposition format, version 0.0.4, read strictly: what a collector would only put up with is
/// refused.
public struct PrometheusText {
    public struct Mistake: Error, CustomStringConvertible {
        public let description: String
    }

    /// By name and labels, as they are written.
    public private(set) var values: [String: String] = [:]
    /// The labels of each of them.
    public private(set) var labels: [String: [String: String]] = [:]
    private var kinds: [String: String] = [:]
    private var helped: Set<String> = []
    private var current = ""

    public init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Mistake(description: "the last line has no end") }
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            try read(String(line))
        }
    }

    private mutating func read(_ line: String) throws {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("#", 4) where words[1] == "HELP":
            guard helped.insert(words[2]).inserted, !words[3].isEmpty else { throw mistake("HELP comes twice", line) }
        case ("#", 4) where words[1] == "TYPE":
            guard helped.contains(words[2]), kinds[words[2]] == nil, ["counter", "gauge"].contains(words[3]),
                (words[3] == "counter") == words[2].hasSuffix("_total"), isName(words[2])
            else { throw mistake("no TYPE", line) }
            kinds[words[2]] = words[3]
            current = words[2]
        case ("#", _): throw mistake("neither HELP nor TYPE", line)
        default: try sample(line)
        }
    }

    private mutating func sample(_ line: String) throws {
        let name = String(line.prefix { $0 != "{" && $0 != " " })
        guard name == current else { throw mistake("not of the family \(current)", line) }
        var rest = line.dropFirst(name.count)
        let found = try rest.first == "{" ? list(&rest, line) : [:]
        guard rest.first == " " else { throw mistake("no blank before the value", line) }
        let value = String(rest.dropFirst())
        guard Double(value)?.isFinite == true, !value.contains(" ") else { throw mistake("no number", line) }
        let series = String(line.dropLast(value.count + 1))
        guard values.updateValue(value, forKey: series) == nil else { throw mistake("comes twice", line) }
        labels[series] = found
    }

    /// `{name="value",…}`
    private func list(_ rest: inout Substring, _ line: String) throws -> [String: String] {
        var found: [String: String] = [:]
        repeat {
            rest = rest.dropFirst()
            let name = String(rest.prefix { $0 != "=" })
            rest = rest.dropFirst(name.count)
            guard isName(name), rest.hasPrefix("=\"") else { throw mistake("no label", line) }
            rest = rest.dropFirst(2)
            guard found.updateValue(try value(&rest, line), forKey: name) == nil else { throw mistake("twice", line) }
        } while rest.first == ","
        guard rest.first == "}" else { throw mistake("the labels do not end", line) }
        rest = rest.dropFirst()
        return found
    }

    private func value(_ rest: inout Substring, _ line: String) throws -> String {
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
            guard character == "\\" else {
                value.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": value.append("\\")
            case "\"": value.append("\"")
            case "n": value.append("\n")
            default: throw mistake("no escape", line)
            }
        }
        return value
    }

    private func isName(_ text: String) -> Bool {
        guard let first = text.first, first.isLetter || first == "_" else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    private func mistake(_ what: String, _ line: String) -> Mistake { Mistake(description: "\(what): \(line)") }
}
