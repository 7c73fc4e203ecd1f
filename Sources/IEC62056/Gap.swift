import Wire

/// The bytes between messages. Whether they are noise or the rest of a readout that was not received whole is
/// known at their end.
struct Gap {
    private(set) var count = 0
    /// Where it starts in the stream.
    private(set) var offset = 0
    /// Whether there is more to it than line ends and filling.
    private(set) var hasSubstance = false
    private var hasDataSets = false
    private var line: [UInt8] = []
    /// Everything so far, while it could be a readout that was recorded without its identification.
    private var bareLines: [UInt8]?

    /// - Parameter keepsBareLines: whether the stream may be nothing but the data lines of a readout.
    init(keepsBareLines: Bool) {
        bareLines = keepsBareLines ? [] : nil
    }

    mutating func append(_ byte: UInt8, at streamOffset: Int) {
        if count == 0 { offset = streamOffset }
        count += 1
        if !byte.isFiller { hasSubstance = true }
        bareLines?.append(byte)
        if byte.isLineEnd {
            endLine()
        } else if line.count < Limits.readoutLine {
            line.append(byte)
        }
        if let bareLines, bareLines.count > Limits.readout { self.bareLines = nil }
    }

    private mutating func endLine() {
        defer { line = [] }
        guard line.contains(where: { !$0.isFiller && !$0.isBlank }) else { return }
        let sets = DataSets(line)
        if sets.isWellFormed, sets.valueCount > 0 {
            hasDataSets = true
        } else if !sets.isWellFormed {
            bareLines = nil
        }
    }

    /// The data lines, where the whole stream was nothing else and its first line names a register.
    mutating func takeBareLines() -> DataSets? {
        endLine()
        guard let bareLines, hasDataSets else { return nil }
        let sets = DataSets(bareLines)
        guard sets.isWellFormed, let first = sets.sets.first, ObisAddress.isCode(sets[first.address]) else {
            return nil
        }
        return sets
    }

    /// What the gap was, and a new one begins. Nothing for line ends and filling alone.
    mutating func take<Frame: Sendable>() -> FramerOutput<Frame>? {
        endLine()
        defer { self = Gap(keepsBareLines: false) }
        guard hasSubstance else { return nil }
        guard hasDataSets else { return .noise(count) }
        return .rejected(
            WireError(.framing, "data lines without the identification line of a meter before them", offset: offset),
            discarded: count)
    }

    /// The stream is known to hold more than data lines.
    mutating func dropBareLines() { bareLines = nil }
}
