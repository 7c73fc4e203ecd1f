import OBIS
import Wire

/// Finds and decodes what meters answer on a wired M-Bus, in recordings and on a line that is listened to.
///
///     E5                                    acknowledgement
///     10 C A checksum 16                    a master's call
///     68 L L 68 C A CI data … checksum 16   selection, answer
///
/// Acknowledgements, calls and what a master tells slaves about link and selection are passed over; each answer gives
/// one telegram, also where one meter needs several. An answer whose records are not right to its end is refused whole.
public struct MBusDecoder: Framer {
    public typealias Frame = Telegram

    private let decipher: Decipher?
    private var buffer = LinkBuffer()
    /// Stream offset up to which a damaged frame claimed bytes: what is inside is no news.
    private var claimed = 0
    /// The line fell silent behind what waits.
    private var isFinishing = false

    /// - Parameter decipher: opens encrypted records (mode 5); nil without a key.
    public init(decipher: Decipher? = nil) {
        self.decipher = decipher
    }

    public var isIdle: Bool { buffer.isEmpty }

    public mutating func append(_ bytes: [UInt8]) {
        isFinishing = false
        buffer.append(bytes)
    }

    public mutating func finish() {
        isFinishing = true
    }

    /// A frame says itself where it ends, and a gateway cuts where it likes.
    public mutating func endBurst() {}

    public mutating func next() -> FramerOutput<Telegram>? {
        while !buffer.isEmpty {
            switch step() {
            case .output(let output): return output
            case .consumed: continue
            case .needsMore: return nil
            }
        }
        return nil
    }

    private enum Step {
        case output(FramerOutput<Telegram>)
        case consumed
        case needsMore
    }

    private mutating func step() -> Step {
        switch buffer[0] {
        case Control.acknowledge:
            buffer.consume(1)
            return .consumed
        case ShortFrame.start: return call()
        case LongFrame.start: return longFrame()
        default: return noise(from: 1)
        }
    }

    private mutating func call() -> Step {
        switch ShortFrameCandidate(at: 0, in: buffer.bytes) {
        case .frame:
            buffer.consume(ShortFrame.length)
            return .consumed
        case .incomplete where !isFinishing: return .needsMore
        case .incomplete, .none: return noise(from: 1)
        }
    }

    private mutating func longFrame() -> Step {
        switch LongFrameCandidate(at: 0, in: buffer.bytes) {
        case .frame(let frame, let length): return take(frame, length)
        case .damaged(let error, let length):
            guard buffer.streamOffset >= claimed else { return noise(from: 1) }
            claimed = buffer.streamOffset + length
            return reject(error, 1)
        case .incomplete(let isHeader):
            guard isFinishing else { return .needsMore }
            guard isHeader, buffer.streamOffset >= claimed else { return noise(from: 1) }
            claimed = buffer.streamOffset + buffer.count
            return reject(WireError(.truncated, "the frame ends after \(buffer.count) bytes"), 1)
        case .none: return noise(from: 1)
        }
    }

    private mutating func take(_ frame: LongFrame, _ length: Int) -> Step {
        let isFromMaster = frame.control & Control.fromMaster != 0
        if isFromMaster, ControlInformation.isLinkCommand(frame.controlInformation) {
            buffer.consume(length)
            return .consumed
        }
        do {
            let response = try MeterResponse(frame, decipher: decipher)
            buffer.consume(length)
            return .output(.frame(response.telegram))
        } catch {
            return reject(error, length)
        }
    }

    /// - Parameter count: 1 for a damaged frame, since another may begin inside of it.
    private mutating func reject(_ error: WireError, _ count: Int) -> Step {
        let offset = buffer.streamOffset + (error.offset ?? 0)
        buffer.consume(count)
        return .output(.rejected(WireError(error.code, error.message, offset: offset), discarded: count))
    }

    /// Everything up to the next byte that something could begin with.
    private mutating func noise(from start: Int) -> Step {
        var end = start
        while let byte = buffer[end], byte != LongFrame.start, byte != ShortFrame.start, byte != Control.acknowledge {
            end += 1
        }
        let isRestOfDamagedFrame = buffer.streamOffset < claimed
        buffer.consume(end)
        return isRestOfDamagedFrame ? .consumed : .output(.noise(end))
    }
}
