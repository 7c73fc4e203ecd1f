import Wire

/// Feeds a framer in every way that a wire can, and says where the frames differ.
public enum FramerVerifier {
    public static func frames<F: Framer>(_ framer: F, chunks: [[UInt8]]) -> [F.Frame] {
        outputs(framer, chunks: chunks).compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
    }

    public static func outputs<F: Framer>(_ framer: F, chunks: [[UInt8]]) -> [FramerOutput<F.Frame>] {
        var framer = framer
        var outputs: [FramerOutput<F.Frame>] = []
        for chunk in chunks {
            framer.append(chunk)
            while let output = framer.next() { outputs.append(output) }
        }
        framer.finish()
        while let output = framer.next() { outputs.append(output) }
        return outputs
    }

    /// Whole, byte by byte, in halves, and several at once.
    ///
    /// - Returns: a sentence for each way in which something else than `expected` came out.
    public static func deviations<F: Framer>(
        _ make: () -> F, input: [UInt8], expected: [F.Frame]
    ) -> [String] where F.Frame: Equatable {
        let half = input.count / 2
        let ways: [(String, [[UInt8]], Int)] = [
            ("whole", [input], 1),
            ("byte by byte", input.map { [$0] }, 1),
            ("in halves", [Array(input[..<half]), Array(input[half...])], 1),
            ("three at once", [input + input + input], 3),
            ("three, byte by byte", (input + input + input).map { [$0] }, 3),
        ]
        return ways.compactMap { name, chunks, times in
            let got = frames(make(), chunks: chunks)
            let wanted = Array(repeating: expected, count: times).flatMap { $0 }
            return got == wanted ? nil : "\(name): \(got.count) frames instead of \(wanted.count), or other ones"
        }
    }
}
