/// What an outlet has of the queue.
public struct OutletCursor: Sendable, Hashable {
    /// Everything up to here, of all meters but those that stand apart.
    public var position: Int64
    /// Meters of which it has less, and up to where: where the other side does not take what is of one meter, the others
    /// go on.
    public var apart: [String: Int64]

    public init(_ position: Int64, apart: [String: Int64] = [:]) {
        self.position = position
        self.apart = apart.filter { $0.value < position }
    }

    /// Up to here it has everything of every meter.
    var complete: Int64 { min(position, apart.values.min() ?? position) }
}

/// The form in which it stands in the file: a line `<meter> <position>` for each, in their order.
extension OutletCursor {
    var apartText: String {
        apart.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: "\n")
    }

    /// - Returns: nil for a text that says something else.
    init?(_ position: Int64, apartText text: String) {
        var apart: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2, let place = Int64(words[1]), place >= 0, apart[String(words[0])] == nil else {
                return nil
            }
            apart[String(words[0])] = place
        }
        self.init(position, apart: apart)
    }
}
