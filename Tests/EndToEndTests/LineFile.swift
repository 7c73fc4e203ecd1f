import Foundation

/// A text file that grows by lines, written by a child.
final class LineFile {
    let path: String
    private(set) var lines: [String] = []
    private var rest = Data()
    private var handle: FileHandle?

    init(_ path: String) {
        self.path = path
    }

    /// Takes up what has been written since. - Returns: the new lines.
    @discardableResult
    func read() throws -> ArraySlice<String> {
        let known = lines.count
        if handle == nil { handle = FileHandle(forReadingAtPath: path) }
        rest += try handle?.readToEnd() ?? Data()
        while let end = rest.firstIndex(of: 0x0A) {
            lines.append(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
            rest = Data(rest[(end + 1)...])
        }
        return lines[known...]
    }
}
