import Glibc

/// The terminal that standard output is.
struct Terminal {
    /// - Returns: nil where nothing can be written over: a file, a pipe, a terminal that knows no commands.
    init?(_ environment: [String: String]) {
        let name = environment["TERM"] ?? ""
        guard isatty(STDOUT_FILENO) == 1, !name.isEmpty, name != "dumb" else { return nil }
        isColoured = (environment["NO_COLOR"] ?? "").isEmpty
        isUTF8 = Self.isUTF8(environment)
    }

    let isColoured: Bool
    let isUTF8: Bool

    /// Whether the locale of the environment has that encoding. The first that is set counts, as for setlocale(3).
    static func isUTF8(_ environment: [String: String]) -> Bool {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }
        let encoding = (names.first { !$0.isEmpty } ?? "").lowercased()
        return encoding.contains("utf-8") || encoding.contains("utf8")
    }

    /// As it is by now; what says nothing of itself has the usual size.
    var size: WatchView.Size {
        var window = winsize()
        // Points to the local value for the call only.
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return WatchView.Size()
        }
        return WatchView.Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    }

    // The commands are those of every terminal since the VT100, and of xterm: another page, so that what stood there
    // before comes back; no cursor; and lines that are too long end at the edge.
    func enter() { Self.send("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J") }
    func leave() { Self.send("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l") }

    /// Writes over what stands there, in one piece and without clearing it first, so that nothing flickers.
    func draw(_ lines: [String]) {
        Self.send("\u{1B}[H" + lines.joined(separator: "\u{1B}[K\r\n") + "\u{1B}[K\u{1B}[J")
    }

    private static func send(_ text: String) { Output.data(Array(text.utf8)) }
}
