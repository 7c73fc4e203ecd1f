import OBIS
import Wire

/// What holds for every framer, whatever the bytes are.
enum FramerCheck {
    /// Feeds the bytes whole and in pieces.
    ///
    /// - Parameter isEqual: whether the same telegrams have to come out of both.
    static func run(_ bytes: [UInt8], isEqual: Bool = true, _ make: () -> any Framer<Telegram>) {
        let whole = telegrams(of: [bytes], make())
        let cut = telegrams(of: pieces(of: bytes), make())
        precondition(!isEqual || whole == cut, "the pieces in which bytes arrive change what is read")
    }

    /// Nothing but that the bytes are taken, in one piece.
    static func telegrams(of bytes: [UInt8], _ framer: any Framer<Telegram>) -> [Telegram] {
        telegrams(of: [bytes], framer)
    }

    private static func telegrams(of pieces: [[UInt8]], _ framer: any Framer<Telegram>) -> [Telegram] {
        var framer = framer
        var account = Account()
        for piece in pieces {
            framer.append(piece)
            account.taken += piece.count
            account.drain(&framer)
        }
        framer.finish()
        account.drain(&framer)
        precondition(framer.isIdle, "a framer whose bytes are finished waits for more")
        return account.telegrams
    }

    /// Cut at places that only the bytes decide.
    private static func pieces(of bytes: [UInt8]) -> [[UInt8]] {
        var state = bytes.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        var pieces: [[UInt8]] = []
        var place = 0
        while place < bytes.count {
            state = state &* 1_664_525 &+ 1_013_904_223
            let end = min(bytes.count, place + 1 + Int(state >> 24) % 97)
            pieces.append(Array(bytes[place..<end]))
            place = end
        }
        return pieces
    }

    private struct Account {
        var taken = 0
        private var givenUp = 0
        private var outputs = 0
        private(set) var telegrams: [Telegram] = []

        mutating func drain(_ framer: inout any Framer<Telegram>) {
            while let output = framer.next() {
                outputs += 1
                precondition(outputs <= 2 * taken + 16, "a framer gives outputs without end")
                switch output {
                case .frame(let telegram):
                    precondition(telegram.registers.count <= Limits.registers, "a telegram of too many registers")
                    telegrams.append(telegram)
                case .rejected(_, let discarded): give(up: discarded)
                case .noise(let count): give(up: count)
                }
            }
        }

        private mutating func give(up count: Int) {
            precondition(count >= 0, "less than no bytes are given up")
            givenUp += count
            precondition(givenUp <= taken, "more bytes are given up than came")
        }
    }
}
