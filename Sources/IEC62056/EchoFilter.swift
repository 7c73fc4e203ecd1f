/// Takes away what an optical head gives back of what was sent: exactly that, before anything else.
struct EchoFilter {
    private var expected: ArraySlice<UInt8> = []
    private var matched: [UInt8] = []
    /// Whether the whole echo came.
    private(set) var isComplete = false

    init() {}

    /// - Parameter sent: without parity bits.
    init(sent: [UInt8]) {
        expected = sent[...]
    }

    /// What of `bytes` is not echo. A beginning that turned out to be none is given back in front.
    mutating func remove(from bytes: [UInt8]) -> [UInt8] {
        var rest = bytes[...]
        while let next = expected.first, let byte = rest.first {
            guard byte == next else {
                defer { (expected, matched) = ([], []) }
                return matched + rest
            }
            matched.append(byte)
            expected = expected.dropFirst()
            rest = rest.dropFirst()
            if expected.isEmpty { isComplete = true }
        }
        return Array(rest)
    }
}
