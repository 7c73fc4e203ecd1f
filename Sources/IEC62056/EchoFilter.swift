/// Takes away what an optical head gives back of what was sent, before anything else comes: the whole message, or
/// one piece of it where the head swallows its beginning or its end.
///
/// NUL and `7F` before and between are dropped as well: the rest of a wake-up, a head that switches. An echo with a
/// wrong character is given on from its beginning; it is noise before an identification or a block, and both are
/// looked for behind noise.
struct EchoFilter {
    private var expected: ArraySlice<UInt8> = []
    /// What came back so far, as it came.
    private var held: [UInt8] = []
    /// The number of characters that came back.
    private var echoed = 0

    init() {}

    /// - Parameter sent: without parity bits.
    init(sent: [UInt8]) {
        expected = sent[...]
    }

    /// Whether enough came back to know it for an echo.
    var hasEchoed: Bool { echoed > 2 }

    /// The last character that was sent, where it is all that came back so far: it may as well be an answer of one
    /// character that looks like it.
    var loneLast: UInt8? { echoed == 1 && expected.isEmpty ? held.first : nil }

    /// What of `bytes` is not echo, with its parity bits. A beginning that turned out to be none is given back in
    /// front.
    mutating func remove(from bytes: [UInt8]) -> [UInt8] {
        var rest = bytes[...]
        while !expected.isEmpty, let byte = rest.first {
            let character = Parity.stripped(byte)
            if let next = following(character) {
                expected = expected[next...].dropFirst()
                held.append(byte)
                echoed += 1
            } else if character != Control.nul, character != Control.delete {
                defer { (expected, held) = ([], []) }
                return held + rest
            }
            rest = rest.dropFirst()
        }
        return Array(rest)
    }

    /// Where an echo goes on with this character: it may begin anywhere, and then leaves nothing out.
    private func following(_ character: UInt8) -> Int? {
        if held.isEmpty { return expected.firstIndex(of: character) }
        return expected.first == character ? expected.startIndex : nil
    }
}
