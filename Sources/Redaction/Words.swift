/// Words that people chose: names, hosts, users. They are replaced where they stand by themselves.
struct Words {
    private var replacements: [(word: String, replacement: String)] = []

    /// Shorter ones would be found everywhere.
    private static let shortest = 3
    /// The usual user of the broker, which is no person.
    private static let program = "obisd"

    mutating func learn(_ word: String, kind: String, _ standIns: StandIns) {
        let word = String(decoding: Array(word.utf8).trimmed, as: UTF8.self)
        guard word.count >= Self.shortest, word != Self.program, !replacements.contains(where: { $0.word == word })
        else { return }
        replacements.append((word, "\(kind)-\(standIns.label(for: word))"))
        // The longest first: it may contain others.
        replacements.sort { $0.word.utf8.count > $1.word.utf8.count }
    }

    func redacted(_ text: String) -> String {
        replacements.reduce(text) { Self.replaced($1.word, by: $1.replacement, in: $0) }
    }

    private static func replaced(_ word: String, by replacement: String, in text: String) -> String {
        let (word, bytes) = (Array(word.utf8), Array(text.utf8))
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let end = index + word.count
            let isWord =
                bytes[index...].starts(with: word) && (index == 0 || !isPart(bytes[index - 1]))
                && (end == bytes.count || !isPart(bytes[end]))
            result += isWord ? Array(replacement.utf8) : [bytes[index]]
            index = isWord ? end : index + 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        byte.isDigit || byte.isLetter || byte == UInt8(ascii: "_") || byte >= 0x80
    }
}

extension StandIns {
    /// Six hexadecimal digits.
    func label(for word: String) -> String {
        String(decoding: standIn(for: Array("aaaaaa".utf8) + Array(word.utf8)).prefix(6), as: UTF8.self)
    }
}
