/// A place in a configuration file.
public struct Place: Sendable, Hashable {
    public var file: String
    /// Counted from 1; 0 for the file as a whole.
    public var line: Int
    /// Counted from 1 in Unicode scalars; 0 for the file as a whole.
    public var column: Int

    public init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension Place: CustomStringConvertible {
    /// `obisd.yaml:12:5`
    public var description: String { line > 0 ? "\(file):\(line):\(column)" : file }
}

/// One thing that is wrong or doubtful in a configuration: where, which key, what, and what to write instead.
///
/// It never holds a secret, nor a value that could be one.
public struct Diagnostic: Sendable, Hashable {
    public var place: Place
    /// The path of the key, for example `meters[0].transport.line`; empty for a whole file.
    public var key: String
    public var message: String
    public var remedy: String?

    public init(place: Place, key: String, message: String, remedy: String? = nil) {
        self.place = place
        self.key = key
        self.message = message
        self.remedy = remedy
    }

    public var file: String { place.file }
    public var line: Int { place.line }
    public var column: Int { place.column }
}

extension Diagnostic: CustomStringConvertible {
    /// `obisd.yaml:12:5: meters[0].transport.line: is no line; write for example 2400 8E1`
    public var description: String {
        let subject = key.isEmpty ? "" : "\(key): "
        return "\(place): \(subject)\(message)" + (remedy.map { "; \($0)" } ?? "")
    }
}

/// Everything that is wrong with a configuration, in the order of the files.
public struct ConfigurationError: Error, Sendable, Hashable {
    public let diagnostics: [Diagnostic]

    public init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// One line for each diagnostic.
    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// What was found while one configuration was read.
final class Findings {
    private(set) var errors: [Diagnostic] = []
    private(set) var warnings: [Diagnostic] = []

    func fail(_ place: Place, _ key: String, _ message: String, remedy: String? = nil) {
        add(Diagnostic(place: place, key: key, message: message, remedy: remedy), to: &errors)
    }

    func warn(_ place: Place, _ key: String, _ message: String, remedy: String? = nil) {
        add(Diagnostic(place: place, key: key, message: message, remedy: remedy), to: &warnings)
    }

    /// What stands behind an anchor is read at each of its aliases and reported once.
    private func add(_ diagnostic: Diagnostic, to list: inout [Diagnostic]) {
        if !list.contains(diagnostic) { list.append(diagnostic) }
    }

    /// As a person reads the files: file by file, from top to bottom.
    static func sorted(_ diagnostics: [Diagnostic], files: [String]) -> [Diagnostic] {
        func rank(_ diagnostic: Diagnostic) -> (Int, Int, Int) {
            (files.firstIndex(of: diagnostic.file) ?? files.count, diagnostic.line, diagnostic.column)
        }
        return diagnostics.sorted { rank($0) < rank($1) }
    }
}
