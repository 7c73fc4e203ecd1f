import Wire

/// What came on the bus since a message was sent.
struct SlaveAnswer {
    enum Acknowledgement: Equatable {
        case none
        case one
        /// More than one, or a mixture: several slaves spoke at once.
        case several
    }

    /// An answer that is known, and how many more times it may come: once for each repetition of the request, where it came
    /// later than it was waited for.
    struct Late {
        var frame: LongFrame?
        var count = 0
    }

    private(set) var late: Late
    private var buffer = LinkBuffer()
    private var acknowledgements = 0
    private var damage: WireError?
    /// Bytes that belong to no answer.
    private(set) var noise = 0
    /// The first whole frame of a slave.
    private(set) var frame: LongFrame?

    init(late: Late = Late()) {
        self.late = late
    }

    /// Whether nothing came but echo.
    var isEmpty: Bool { buffer.isEmpty && acknowledgements == 0 && noise == 0 && frame == nil && damage == nil }

    private var received = 0
    private static let longest = 4 * LongFrame.longest

    /// No answer, with the echo before it, is longer than two frames: a line that never stops gives none.
    var isOverlong: Bool { received > Self.longest }

    mutating func append(_ bytes: [UInt8]) {
        received = min(received + bytes.count, Limits.linkBuffer)
        guard !isOverlong else {
            noise += buffer.count + bytes.count
            buffer.consume(buffer.count)
            return
        }
        buffer.append(bytes)
        while !buffer.isEmpty, step() {}
    }

    /// - Returns: whether anything changed.
    private mutating func step() -> Bool {
        switch buffer[0] {
        case Control.acknowledge:
            acknowledgements += 1
            buffer.consume(1)
        case ShortFrame.start: return shortFrame()
        case LongFrame.start: return longFrame()
        default: skip(1)
        }
        return true
    }

    /// Only masters send short frames: it is the echo of a converter.
    private mutating func shortFrame() -> Bool {
        switch ShortFrameCandidate(at: 0, in: buffer.bytes) {
        case .frame: buffer.consume(ShortFrame.length)
        case .incomplete: return false
        case .none: skip(1)
        }
        return true
    }

    private mutating func longFrame() -> Bool {
        switch LongFrameCandidate(at: 0, in: buffer.bytes) {
        case .frame(let frame, let length):
            buffer.consume(length)
            if late.count > 0, frame == late.frame {
                late.count -= 1
            } else if frame.control & Control.fromMaster == 0, self.frame == nil {
                self.frame = frame
            }
        case .incomplete: return false
        case .damaged(let error, _):
            damage = damage ?? error
            skip(1)
        case .none: skip(1)
        }
        return true
    }

    private mutating func skip(_ count: Int) {
        noise += count
        buffer.consume(count)
    }

    // MARK: Judgement

    /// What the answer to a selection says.
    var acknowledgement: Acknowledgement {
        if acknowledgements == 1, noise == 0, buffer.isEmpty, frame == nil { return .one }
        return isEmpty ? .none : .several
    }

    /// Why no frame came of a request.
    ///
    /// - Parameter name: who was asked.
    func fault(of name: String) -> WireError {
        if let damage { return damage }
        if !buffer.isEmpty { return WireError(.truncated, "the answer of \(name) ends after \(buffer.count) bytes") }
        if noise > 0 {
            return WireError(
                .framing,
                "\(noise) bytes came from \(name) and are no telegram: several meters with one address, or "
                    + "another speed")
        }
        if acknowledgements > 0 { return WireError(.meterError, "the meter at \(name) has no data") }
        return WireError(.timeout, "no meter answers at \(name)")
    }
}
