import CLinux
import Foundation
import TestSupport

/// A terminal without anybody in front of it: what a program writes, and what stands on its page.
final class TestTerminal {
    /// What a child opens as its output.
    let path: String
    private let master: Int32
    /// Keeps the terminal from hanging up between two programs.
    private let slave: Int32
    private(set) var written = ""
    private var page = TestPage()
    /// The beginning of a character whose end has not arrived.
    private var rest: [UInt8] = []

    init(columns: Int, rows: Int) throws {
        var name = [CChar](repeating: 0, count: 128)
        master = obisd_open_pseudo_terminal(&name, name.count)
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard master >= 0, slave >= 0 else { throw ChildProcess.Failure(description: "no pseudo-terminal: \(errno)") }
        resize(columns: columns, rows: rows)
    }

    deinit {
        close(slave)
        close(master)
    }

    func resize(columns: Int, rows: Int) {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// What stands on the page after everything that was written by now.
    func lines() -> [String] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(master, &buffer, buffer.count), count > 0 {
            rest += buffer.prefix(count)
            let end = rest.suffix(3).lastIndex { $0 >= 0xC0 }.flatMap {
                String(validating: rest[$0...], as: UTF8.self) == nil ? $0 : nil
            }
            let text = String(decoding: rest[..<(end ?? rest.endIndex)], as: UTF8.self)
            rest.removeFirst(end ?? rest.count)
            written += text
            page.take(text)
        }
        return page.lines
    }

    var hasCursor: Bool { page.hasCursor }
    var isOnOtherPage: Bool { page.isOther }
}

/// As much of a terminal as a view uses. Anything else that begins with an escape is kept as text, and so noticed.
struct TestPage {
    private(set) var lines: [String] = []
    private(set) var hasCursor = true
    private(set) var isOther = false
    private var row = 0
    private var column = 0
    private var command = ""

    mutating func take(_ text: String) {
        for scalar in text.unicodeScalars {
            if !command.isEmpty {
                command.unicodeScalars.append(scalar)
                guard scalar.properties.isAlphabetic else { continue }
                perform(command)
                command = ""
            } else if scalar == "\u{1B}" {
                command = "\u{1B}"
            } else {
                put(scalar)
            }
        }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\r": column = 0
        case "\n": row += 1
        default:
            while lines.count <= row { lines.append("") }
            var characters = Array(lines[row])
            while characters.count <= column { characters.append(" ") }
            characters[column] = Character(scalar)
            lines[row] = String(characters)
            column += 1
        }
    }

    private mutating func perform(_ command: String) {
        switch command.dropFirst() {
        case "[H": (row, column) = (0, 0)
        case "[K": if lines.indices.contains(row) { lines[row] = String(lines[row].prefix(column)) }
        case "[J": lines = Array(lines.prefix(row + 1))
        case "[2J": lines = []
        case "[?25l": hasCursor = false
        case "[?25h": hasCursor = true
        case "[?1049h": (isOther, lines, row, column) = (true, [], 0, 0)
        case "[?1049l": (isOther, lines, row, column) = (false, [], 0, 0)
        case "[?7l", "[?7h": break
        case let colour where colour.hasSuffix("m"): break
        default: for scalar in command.dropFirst().unicodeScalars { put(scalar) }
        }
    }
}
