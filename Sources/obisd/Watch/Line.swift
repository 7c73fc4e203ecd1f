/// A line of a view: texts and their colours, made to fit.
struct Line: Equatable {
    /// What ANSI calls them, ECMA-48 8.3.117.
    enum Colour: Int, Sendable {
        case bold = 1
        case faint = 2
        case red = 31
        case yellow = 33
        case cyan = 36
    }

    struct Piece: Equatable {
        var text: String
        var colour: Colour?
    }

    var pieces: [Piece]

    init(_ pieces: [Piece] = []) { self.pieces = pieces }

    init(_ text: String, _ colour: Colour? = nil) { pieces = [Piece(text: text, colour: colour)] }

    static func + (left: Line, right: Line) -> Line { Line(left.pieces + right.pieces) }

    var width: Int { pieces.reduce(0) { $0 + $1.text.count } }

    /// No longer than so many columns: what is cut ends with `mark`.
    func cut(to columns: Int, _ mark: Character) -> Line {
        guard width > columns else { return self }
        guard columns > 0 else { return Line() }
        var room = columns - 1
        var kept: [Piece] = []
        for piece in pieces where room > 0 {
            let text = String(piece.text.prefix(room))
            kept.append(Piece(text: text, colour: piece.colour))
            room -= text.count
        }
        return Line(kept + [Piece(text: String(mark), colour: kept.last?.colour)])
    }

    /// Exactly so many columns.
    func padded(to columns: Int, isRight: Bool, _ mark: Character) -> Line {
        let line = cut(to: columns, mark)
        let blanks = Line(String(repeating: " ", count: max(0, columns - line.width)))
        return isRight ? blanks + line : line + blanks
    }

    /// As it is written to a terminal, blanks at its end left out.
    func text(isColoured: Bool) -> String {
        let text = pieces.map { piece in
            guard isColoured, let colour = piece.colour, !piece.text.isEmpty else { return piece.text }
            return "\u{1B}[\(colour.rawValue)m\(piece.text)\u{1B}[0m"
        }.joined()
        return String(text.reversed().drop { $0 == " " }.reversed())
    }
}
