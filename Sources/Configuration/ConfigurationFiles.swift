import Foundation

/// The files that a configuration is made of: its text, what it includes, keys and passwords.
public protocol ConfigurationFiles: Sendable {
    /// A regular file with at most `limit` bytes.
    func read(_ path: String, limit: Int) throws(FileProblem) -> FileContent

    /// Whether the program may read this file.
    func check(_ path: String) throws(FileProblem)

    /// The names in a folder, in any order; nil when there is no such folder.
    func names(in folder: String) -> [String]?
}

public struct FileContent: Sendable {
    public var bytes: [UInt8]
    /// Whether users who are neither the owner nor of the group may read the file.
    public var isReadableByOthers: Bool

    public init(_ bytes: [UInt8], isReadableByOthers: Bool = false) {
        self.bytes = bytes
        self.isReadableByOthers = isReadableByOthers
    }
}

public enum FileProblem: Error, Sendable, Hashable {
    case missing, notPermitted, notAFile, tooLarge
    /// What the system said.
    case other(String)

    var sentence: String {
        switch self {
        case .missing: "there is no such file"
        case .notPermitted: "this user may not read the file"
        case .notAFile: "is not a regular file"
        case .tooLarge: "the file is too large"
        case .other(let text): "the file cannot be read (\(text))"
        }
    }
}

/// The files of this machine.
public struct SystemFiles: ConfigurationFiles {
    public init() {}

    public func read(_ path: String, limit: Int) throws(FileProblem) -> FileContent {
        let descriptor = try open(path)
        defer { close(descriptor) }
        let mode = try mode(of: descriptor)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= limit {
            // The kernel writes at most `buffer.count` bytes into the buffer, which lives for the call.
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.problem(errno) }
            if count == 0 { break }
            bytes += chunk.prefix(count)
        }
        guard bytes.count <= limit else { throw .tooLarge }
        return FileContent(bytes, isReadableByOthers: mode & mode_t(S_IROTH) != 0)
    }

    public func check(_ path: String) throws(FileProblem) {
        let descriptor = try open(path)
        defer { close(descriptor) }
        _ = try mode(of: descriptor)
    }

    public func names(in folder: String) -> [String]? {
        try? FileManager.default.contentsOfDirectory(atPath: folder)
    }

    /// Without waiting for a writer, should the path be a pipe.
    private func open(_ path: String) throws(FileProblem) -> Int32 {
        // The path is lent as a C string for the call.
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.problem(errno) }
        return descriptor
    }

    private func mode(of descriptor: Int32) throws(FileProblem) -> mode_t {
        var status = stat()
        // The kernel fills the structure, which lives for the call.
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.problem(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        return status.st_mode
    }

    private static func problem(_ code: Int32) -> FileProblem {
        switch code {
        case ENOENT, ENOTDIR: .missing
        case EACCES, EPERM: .notPermitted
        // A constant text of the C library.
        default: .other(unsafe String(cString: strerror(code)))
        }
    }
}

// MARK: - Paths

enum Path {
    /// The folder of a file; `.` where the path has none.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `path`, seen from the folder of `file` unless it is absolute.
    static func resolve(_ path: String, besides file: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        let folder = folder(of: file)
        switch folder {
        case ".": return path
        case "/": return "/" + path
        default: return folder + "/" + path
        }
    }

    /// Whether a name matches a pattern of characters, `*` and `?`.
    static func matches(_ name: String, pattern: String) -> Bool {
        // A name that begins with a dot is hidden from patterns, as a shell has it.
        guard !name.hasPrefix(".") || pattern.hasPrefix(".") else { return false }
        return matches(Array(name)[...], Array(pattern)[...])
    }

    private static func matches(_ name: ArraySlice<Character>, _ pattern: ArraySlice<Character>) -> Bool {
        var (name, pattern) = (name, pattern)
        // Where to go on when the rest behind the last star does not fit.
        var retry: (name: ArraySlice<Character>, pattern: ArraySlice<Character>)?
        while true {
            if pattern.first == "*" {
                pattern = pattern.dropFirst()
                retry = (name, pattern)
            } else if let wanted = pattern.first, let found = name.first, wanted == "?" || wanted == found {
                (name, pattern) = (name.dropFirst(), pattern.dropFirst())
            } else if name.isEmpty, pattern.isEmpty {
                return true
            } else {
                guard let last = retry, !last.name.isEmpty else { return false }
                name = last.name.dropFirst()
                pattern = last.pattern
                retry = (name, pattern)
            }
        }
    }
}
