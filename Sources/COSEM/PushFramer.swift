import Wire

/// A unit that a link delivers: an HDLC frame, or a whole message of a link that has no frames.
enum PushUnit: Sendable, Hashable {
    case hdlc(HDLCPiece)
    /// A frame of another link layer that carries a piece of a message.
    case carrier(CarrierFrame)
    /// An APDU, with its LLC header where it has one.
    case message([UInt8])
}

/// What an HDLC frame carries. Whom it is from and to says nothing about a push.
struct HDLCPiece: Sendable, Hashable {
    let information: [UInt8]
    /// Whether more frames of the same message follow.
    let isSegmented: Bool
}

/// Finds what meters push, whatever link carries it: HDLC frames, frames of other link layers that the caller
/// knows, wrapper messages, and bare messages that end where the line falls silent.
///
/// Frames are looked for everywhere, since the line may be joined in the middle of a frame. A wrapper or a
/// bare message is believed only at the start of a burst. M-Bus short frames, with which a meter that is
/// the bus master calls its slaves, belong between frames and are passed over.
struct PushFramer: Framer {
    private let carriers: [any CarrierFrames]
    private var buffer = LinkBuffer()
    /// Nothing was taken from this burst yet.
    private var isAtBurstStart = true
    /// Where the search for a frame inside of a possible message without frame goes on.
    private var searched = 1
    /// Stream offset up to which a damaged frame claimed bytes: a bad header in there is no news.
    private var claimed = 0
    /// The line fell silent behind what waits.
    private var isFinishing = false

    init(carriers: [any CarrierFrames] = []) {
        self.carriers = carriers
    }

    /// A burst that began waits for the silence behind it, since only then a message without frame is
    /// believed again. A flag alone waits for nothing: it may be the last of the frame before.
    var isIdle: Bool { isAtBurstStart && (buffer.isEmpty || isFlagAlone) }

    private var isFlagAlone: Bool { buffer.count == 1 && buffer[0] == HDLCFrame.flag }

    mutating func append(_ bytes: [UInt8]) {
        buffer.append(bytes)
    }

    mutating func next() -> FramerOutput<PushUnit>? {
        while !buffer.isEmpty {
            switch step() {
            case .output(let output): return output
            case .consumed: continue
            case .needsMore: return nil
            }
        }
        if isFinishing { beginBurst() }
        return nil
    }

    /// The burst is over: what waits is a bare message, a frame that was cut, or noise.
    mutating func finish() {
        // The flag may be the first of the next frame.
        if buffer.isEmpty || isFlagAlone { beginBurst() } else { isFinishing = true }
    }

    /// A message without frame ends with its datagram. A frame goes on in the next one, since a gateway between a serial
    /// line and a network cuts where it likes.
    mutating func endBurst() {
        guard !startsFrame else { return }
        finish()
    }

    /// Whether what waits is the beginning of a frame.
    private var startsFrame: Bool {
        if isAtBurstStart, startsBareMessage(at: 0) { return false }
        if buffer[0] == HDLCFrame.flag, !isFlagAlone {
            if case .incomplete = HDLCCandidate(at: 0, in: buffer.bytes) { return true }
        } else if let carrier = carrier(startingWith: buffer[0]) {
            if case .incomplete = carrier.candidate(at: 0, in: buffer.bytes) { return true }
        }
        return false
    }

    private mutating func beginBurst() {
        isFinishing = false
        isAtBurstStart = true
        searched = 1
    }

    private enum Step {
        case output(FramerOutput<PushUnit>)
        case consumed
        case needsMore
    }

    // MARK: One step

    private mutating func step() -> Step {
        if isAtBurstStart {
            if let step = wrapperMessage() { return step }
            if startsBareMessage(at: 0) { return bareMessage() }
        }
        switch buffer[0] {
        case HDLCFrame.flag: return flag()
        case MasterBeat.start: return beat()
        default:
            if let carrier = carrier(startingWith: buffer[0]) { return carrierFrame(of: carrier) }
            return noise(from: 1)
        }
    }

    private func carrier(startingWith byte: UInt8?) -> (any CarrierFrames)? {
        carriers.first { $0.start == byte }
    }

    private mutating func carrierFrame(of carrier: any CarrierFrames) -> Step {
        switch carrier.candidate(at: 0, in: buffer.bytes) {
        case .frame(let frame, let length):
            take(length)
            return .output(.frame(.carrier(frame)))
        case .foreign(let error, let length):
            let offset = buffer.streamOffset
            take(length)
            return .output(.rejected(WireError(error.code, error.message, offset: offset), discarded: length))
        case .damaged(let error, let length):
            guard buffer.streamOffset >= claimed else { return noise(from: 1) }
            claimed = max(claimed, buffer.streamOffset + length)
            return reject(error)
        case .incomplete(let isHeader):
            guard isFinishing else { return .needsMore }
            guard isHeader, buffer.streamOffset >= claimed else { return noise(from: 1) }
            claimed = max(claimed, buffer.streamOffset + buffer.count)
            return reject(WireError(.truncated, "the frame ends after \(buffer.count) bytes"))
        case .none: return noise(from: 1)
        }
    }

    private mutating func flag() -> Step {
        if buffer[1] == HDLCFrame.flag {
            buffer.consume(1)
            return .consumed
        }
        switch HDLCCandidate(at: 0, in: buffer.bytes) {
        case .frame(let layout, let length):
            let information = buffer.bytes.extracting(layout.information).array
            take(length)
            return .output(
                .frame(.hdlc(HDLCPiece(information: information, isSegmented: layout.isSegmented))))
        case .damaged(let error, let length):
            claimed = max(claimed, buffer.streamOffset + length)
            return reject(error)
        case .incomplete:
            guard isFinishing else { return .needsMore }
            guard buffer.count > 1 else { return spareFlag() }
            claimed = max(claimed, buffer.streamOffset + buffer.count)
            return reject(WireError(.truncated, "the frame ends after \(buffer.count) bytes"))
        case .none(let isHeader):
            guard isHeader, buffer.streamOffset >= claimed else {
                // A flag that was left from a burst before this one.
                if isAtBurstStart, startsMessage(at: 1) {
                    buffer.consume(1)
                    return .output(.noise(1))
                }
                // The closing flag of a frame, or one inside of a damaged one.
                return isAtBurstStart || buffer.streamOffset < claimed ? noise(from: 1) : spareFlag()
            }
            return reject(WireError(.checksum, "the header check sequence of a frame is wrong"))
        }
    }

    /// The flag behind a frame closes it, and belongs to no noise.
    private mutating func spareFlag() -> Step {
        buffer.consume(1)
        return .consumed
    }

    private mutating func beat() -> Step {
        guard buffer.count >= MasterBeat.length else {
            return isFinishing || !MasterBeat.isPrefix(buffer.bytes) ? noise(from: 1) : .needsMore
        }
        guard MasterBeat.isWhole(buffer.bytes) else { return noise(from: 1) }
        take(MasterBeat.length)
        return .consumed
    }

    /// Everything up to the next byte that something could begin with.
    private mutating func noise(from start: Int) -> Step {
        var end = start
        while let byte = buffer[end], byte != HDLCFrame.flag, byte != MasterBeat.start,
            carrier(startingWith: byte) == nil
        { end += 1 }
        let isRestOfDamagedFrame = buffer.streamOffset < claimed
        take(end)
        return isRestOfDamagedFrame ? .consumed : .output(.noise(end))
    }

    /// Only the first byte is given up: a frame may begin inside of the damaged one.
    private mutating func reject(_ error: WireError) -> Step {
        let offset = buffer.streamOffset
        take(1)
        return .output(.rejected(WireError(error.code, error.message, offset: offset), discarded: 1))
    }

    private mutating func take(_ count: Int) {
        buffer.consume(count)
        isAtBurstStart = false
        searched = 1
    }

    // MARK: Messages without frames

    private func startsMessage(at index: Int) -> Bool {
        startsBareMessage(at: index) || (buffer[index] == 0 && (buffer[index + 1] ?? 1) == 1)
    }

    private func startsBareMessage(at index: Int) -> Bool {
        switch buffer[index] {
        case 0xE6: buffer[index + 1] == nil || buffer[index + 1] == 0xE7 || buffer[index + 1] == 0xE6
        case DataNotification.tag, GeneralCiphering.tag, GeneralBlock.tag: true
        default: false
        }
    }

    private enum Search { case found, waits, nothing }

    /// Looks for a frame inside of what may be a message without one: a right header proves that everything
    /// in front of it was noise. Goes on where it stopped.
    private mutating func search(upTo end: Int) -> Search {
        while searched < min(end, buffer.count) {
            if buffer[searched] == HDLCFrame.flag {
                switch HDLCCandidate(at: searched, in: buffer.bytes) {
                case .frame, .damaged, .incomplete(isHeaderRight: true): return .found
                case .incomplete where !isFinishing: return .waits
                case .incomplete, .none: break
                }
            } else if let byte = buffer[searched], let carrier = carrier(startingWith: byte) {
                switch carrier.candidate(at: searched, in: buffer.bytes) {
                case .frame, .foreign: return .found
                case .incomplete where !isFinishing: return .waits
                // A damaged one proves nothing: its header is no more than a length that is repeated.
                case .incomplete, .damaged, .none: break
                }
            }
            searched += 1
        }
        return .nothing
    }

    private mutating func noiseBeforeFrame() -> Step {
        let count = searched
        take(count)
        return .output(.noise(count))
    }

    /// A bare message has no end of its own but the silence.
    private mutating func bareMessage() -> Step {
        if search(upTo: .max) == .found { return noiseBeforeFrame() }
        guard buffer.count <= Limits.apdu else { return overlong() }
        guard isFinishing else { return .needsMore }
        let message = buffer.bytes.array
        take(message.count)
        return .output(.frame(.message(message)))
    }

    /// What was searched is given up: a frame may begin behind it.
    private mutating func overlong() -> Step {
        let error = WireError(.limit, "a message of more than \(Limits.apdu) bytes", offset: buffer.streamOffset)
        let count = min(searched, buffer.count)
        take(count)
        return .output(.rejected(error, discarded: count))
    }

    /// Version 1, two ports, a length: `00 01 | source 2 | destination 2 | length 2 | APDU` (IEC 62056-47, 5.3).
    ///
    /// - Returns: nil where no wrapper stands.
    private mutating func wrapperMessage() -> Step? {
        guard buffer[0] == 0, buffer[1] == nil || buffer[1] == 1 else { return nil }
        guard let high = buffer[6], let low = buffer[7] else { return isFinishing ? nil : .needsMore }
        let length = Int(high) << 8 | Int(low)
        // No message begins with a flag: what looks like a header is noise in front of a frame.
        guard length > 0, length <= Limits.apdu, buffer[Self.wrapperHeader] != HDLCFrame.flag else { return nil }
        let end = Self.wrapperHeader + length
        if search(upTo: end) == .found { return noiseBeforeFrame() }
        guard buffer.count >= end else { return isFinishing ? cutWrapper(length) : .needsMore }
        let message = buffer.bytes.extracting(Self.wrapperHeader..<end).array
        take(end)
        // The next message may follow at once.
        isAtBurstStart = true
        return .output(.frame(.message(message)))
    }

    private static let wrapperHeader = 8

    private mutating func cutWrapper(_ length: Int) -> Step {
        let count = buffer.count
        let text = "a wrapper message of \(length) bytes, \(count - Self.wrapperHeader) are there"
        let error = WireError(.truncated, text, offset: buffer.streamOffset)
        take(count)
        return .output(.rejected(error, discarded: count))
    }
}

/// The short frame by which an M-Bus master calls a slave: `10 C A checksum 16` (EN 13757-2). An E450
/// is the master of its customer line and sends `10 40 01 41 16` between its pushes.
private enum MasterBeat {
    static let start: UInt8 = 0x10
    static let length = 5

    static func isWhole(_ bytes: RawSpan) -> Bool {
        bytes.byteCount >= length && bytes[byte: 4] == 0x16
            && bytes[byte: 3] == bytes[byte: 1] &+ bytes[byte: 2]
    }

    /// Whether more bytes could make it whole.
    static func isPrefix(_ bytes: RawSpan) -> Bool {
        bytes.byteCount < 4 || bytes[byte: 3] == bytes[byte: 1] &+ bytes[byte: 2]
    }
}
