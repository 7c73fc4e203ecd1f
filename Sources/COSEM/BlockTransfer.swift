import Wire

/// One block of a general block transfer (IEC 62056-5-3, 9.4.2).
///
///     E0 | last 1 bit, streaming 1 bit, window 6 bits | block number 2 | acknowledged 2 | length | data
struct GeneralBlock {
    static let tag: UInt8 = 0xE0

    let isLast: Bool
    /// Whether the next block follows without being asked for.
    let isStreaming: Bool
    let number: UInt16
    let data: [UInt8]

    init(_ reader: inout WireReader) throws(WireError) {
        try reader.skip(1)
        let control = try reader.uint8()
        isLast = control & 0x80 != 0
        isStreaming = control & 0x40 != 0
        number = try reader.uint16()
        try reader.skip(2)
        let length = try reader.axdrLength()
        guard length <= reader.remaining else {
            throw WireError(
                .truncated, "a block of \(length) bytes, \(reader.remaining) are there", offset: reader.offset)
        }
        data = try reader.bytes(length)
    }
}

/// Puts the blocks of a push together. A push cannot be asked to repeat a block: the blocks come from 1
/// on without a gap, or the message is dropped. An exact repetition of the last block is ignored, since
/// meters do send blocks twice; block 1 starts anew.
struct BlockAssembly {
    private var data: [UInt8] = []
    private var lastNumber: UInt16 = 0
    private var lastBlock: [UInt8] = []
    /// The block that ended the message before: a repetition of it begins nothing.
    private var ending: (number: UInt16, data: [UInt8])?
    /// The rest of a message with a gap is passed over without a second report.
    private var isSkipping = false

    var isEmpty: Bool { lastNumber == 0 }

    enum Result {
        case pending
        case complete([UInt8])
    }

    /// - Returns: what the block made of the message, and what it made of the one before.
    mutating func add(_ block: GeneralBlock) -> (result: Result, dropped: WireError?) {
        if block.number == 1 { return start(with: block) }
        if block.number == lastNumber, block.data == lastBlock { return (.pending, nil) }
        if let ending, isEmpty, block.number == ending.number, block.data == ending.data { return (.pending, nil) }
        guard !isSkipping else {
            if block.isLast { reset() }
            return (.pending, nil)
        }
        guard block.number == lastNumber &+ 1, !isEmpty else {
            let error = WireError(
                .framing,
                isEmpty
                    ? "block \(block.number) without a first block" : "block \(block.number) after block \(lastNumber)")
            reset()
            isSkipping = !block.isLast
            return (.pending, error)
        }
        return append(block)
    }

    /// Nothing more comes for what is there.
    mutating func abandon() -> WireError? {
        defer { reset() }
        return isEmpty
            ? nil : WireError(.truncated, "the message ends after block \(lastNumber), its last block is missing")
    }

    /// A block of it was damaged: the others say nothing.
    mutating func passOverRest() {
        let hasBegun = !isEmpty || isSkipping
        reset()
        isSkipping = hasBegun
    }

    private mutating func start(with block: GeneralBlock) -> (Result, WireError?) {
        // A first block sent twice is the same message still.
        if lastNumber == 1, block.data == lastBlock { return (.pending, nil) }
        let error = abandon()
        let (result, limit) = append(block)
        return (result, error ?? limit)
    }

    private mutating func append(_ block: GeneralBlock) -> (Result, WireError?) {
        guard data.count + block.data.count <= Limits.apdu else {
            reset()
            isSkipping = !block.isLast
            return (.pending, WireError(.limit, "a message of more than \(Limits.apdu) bytes"))
        }
        data += block.data
        guard !block.isLast else {
            defer {
                reset()
                ending = (block.number, block.data)
            }
            return (.complete(data), nil)
        }
        lastNumber = block.number
        lastBlock = block.data
        return (.pending, nil)
    }

    private mutating func reset() {
        data = []
        lastNumber = 0
        lastBlock = []
        ending = nil
        isSkipping = false
    }
}

/// Puts the information fields of segmented HDLC frames together (IEC 62056-46, 6.4.2.2): all but the last
/// have the segmentation bit, and only the first carries the LLC header.
struct SegmentAssembly {
    private var data: [UInt8] = []

    var isEmpty: Bool { data.isEmpty }

    /// - Returns: the whole information when this frame ends it, and what became of the one before.
    mutating func add(_ information: [UInt8], isSegmented: Bool) -> (complete: [UInt8]?, dropped: WireError?) {
        var dropped: WireError?
        if !data.isEmpty, LLC.isHeader(information) { dropped = abandon() }
        guard isSegmented || !data.isEmpty else { return (information, dropped) }
        guard data.count + information.count <= Limits.apdu else {
            data = []
            return (nil, WireError(.limit, "a message of more than \(Limits.apdu) bytes"))
        }
        data += information
        guard !isSegmented else { return (nil, dropped) }
        defer { data = [] }
        return (data, dropped)
    }

    mutating func abandon() -> WireError? {
        defer { data = [] }
        return data.isEmpty ? nil : WireError(.truncated, "the last segment of a message is missing")
    }
}

/// Puts the pieces together that a carrier's frames hold: numbered from 0, the last one marked. A piece that is
/// missing costs its message.
struct PieceAssembly {
    private var data: [UInt8] = []
    private var next = 0

    var isEmpty: Bool { next == 0 }

    /// - Returns: the whole message when this piece ends it, and what became of the one before.
    mutating func add(_ frame: CarrierFrame) -> (complete: [UInt8]?, dropped: WireError?) {
        let dropped = frame.sequence == 0 ? abandon() : nil
        guard frame.sequence == next else {
            let error = WireError(
                .framing,
                isEmpty
                    ? "piece \(frame.sequence) of a message without the first"
                    : "piece \(frame.sequence) of a message after piece \(next - 1)")
            reset()
            return (nil, error)
        }
        guard data.count + frame.payload.count <= Limits.apdu else {
            reset()
            return (nil, WireError(.limit, "a message of more than \(Limits.apdu) bytes"))
        }
        data += frame.payload
        next += 1
        guard frame.isLast else { return (nil, dropped) }
        defer { reset() }
        return (data, dropped)
    }

    mutating func abandon() -> WireError? {
        defer { reset() }
        return isEmpty ? nil : WireError(.truncated, "the last piece of a message is missing")
    }

    private mutating func reset() {
        data = []
        next = 0
    }
}
