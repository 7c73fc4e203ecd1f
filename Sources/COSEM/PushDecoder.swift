import OBIS
import Wire

/// Cuts and decodes what a DLMS meter pushes: `bytes → frames → segments or blocks → APDU → registers`.
///
/// Values keep the units and scales of the wire; where it carries none, a profile adds them later.
public struct PushDecoder: Framer {
    private let keys: CipheringKeys
    private var framer: PushFramer
    private var segments = SegmentAssembly()
    private var pieces = PieceAssembly()
    private var blocks = BlockAssembly()
    /// Bytes since the last frame that belong to none.
    private var noise = 0
    /// Findings that one frame gave more than one of.
    private var outputs: [FramerOutput<Telegram>] = []
    private var nextOutput = 0
    private var isFinishing = false

    /// - Parameter carriers: link layers of other protocols whose frames may carry messages.
    public init(keys: CipheringKeys = CipheringKeys(), carriers: [any CarrierFrames] = []) {
        self.keys = keys
        framer = PushFramer(carriers: carriers)
    }

    public var isIdle: Bool { framer.isIdle && segments.isEmpty && pieces.isEmpty && blocks.isEmpty }

    public mutating func append(_ bytes: [UInt8]) {
        framer.append(bytes)
    }

    public mutating func next() -> FramerOutput<Telegram>? {
        while true {
            if let output = popOutput() { return output }
            guard let output = framer.next() else {
                guard isFinishing else { return nil }
                isFinishing = false
                abandon()
                continue
            }
            switch output {
            case .noise(let count):
                passOver(count)
                return .noise(count)
            case .rejected(let error, let discarded):
                passOverDamage()
                return .rejected(error, discarded: discarded)
            case .frame(.hdlc(let frame)): take(frame)
            case .frame(.carrier(let frame)): take(frame)
            case .frame(.message(let message)): process(message)
            }
        }
    }

    public mutating func finish() {
        framer.finish()
        isFinishing = true
    }

    /// The frames and blocks of one message may come in several datagrams.
    public mutating func endBurst() {
        framer.endBurst()
    }

    /// A frame with a damaged beginning is noise: with the end of one message and the beginning of the next lost so, the
    /// rests of both would be joined.
    private mutating func passOver(_ count: Int) {
        noise += count
        if noise >= Self.shortestFrame { abandon() }
    }

    /// Of those that carry a piece of a message.
    private static let shortestFrame = 10

    private mutating func popOutput() -> FramerOutput<Telegram>? {
        guard nextOutput < outputs.count else {
            outputs.removeAll(keepingCapacity: true)
            nextOutput = 0
            return nil
        }
        defer { nextOutput += 1 }
        return outputs[nextOutput]
    }

    private mutating func report(_ error: WireError?) {
        if let error { outputs.append(.rejected(error, discarded: 0)) }
    }

    /// It may have been a piece: those of two messages must not be joined around it. What is lost with it is not damaged
    /// once more.
    private mutating func passOverDamage() {
        _ = segments.abandon()
        _ = pieces.abandon()
        blocks.passOverRest()
    }

    /// Nothing more comes for the messages that are not whole.
    private mutating func abandon() {
        report(segments.abandon())
        report(pieces.abandon())
        report(blocks.abandon())
    }

    // MARK: Frames to messages

    private mutating func take(_ frame: CarrierFrame) {
        noise = 0
        let (complete, dropped) = pieces.add(frame)
        report(dropped)
        if let complete { process(complete) }
    }

    private mutating func take(_ frame: HDLCPiece) {
        noise = 0
        // Frames without information set up and end connections.
        guard !frame.information.isEmpty else { return }
        let (complete, dropped) = segments.add(frame.information, isSegmented: frame.isSegmented)
        report(dropped)
        if let complete { process(complete) }
    }

    /// The messages of one information field: usually one, but meters do put several into a frame, each
    /// behind its own LLC header.
    ///
    /// - Parameter isAssembled: whether it came out of blocks; then it is not in blocks again.
    private mutating func process(_ bytes: [UInt8], isAssembled: Bool = false) {
        var reader = WireReader(bytes.rawSpan)
        do throws(WireError) {
            repeat {
                if LLC.isHeader(reader) { try reader.skip(LLC.length) }
                try apdu(&reader, of: bytes, isAssembled: isAssembled)
            } while !reader.isAtEnd
        } catch {
            report(error)
        }
    }

    // MARK: Messages

    private mutating func apdu(
        _ reader: inout WireReader, of bytes: [UInt8], isAssembled: Bool
    ) throws(WireError) {
        let offset = reader.offset
        guard let tag = reader.peek() else {
            throw WireError(.truncated, "no message behind the header", offset: offset)
        }
        switch tag {
        case DataNotification.tag:
            if !isAssembled { report(blocks.abandon()) }
            let notification = try DataNotification(&reader, of: bytes)
            outputs.append(.frame(Self.telegram(notification, nil)))
        case GeneralBlock.tag:
            guard !isAssembled else {
                throw WireError(.malformed, "a block transfer inside of a block transfer", offset: offset)
            }
            try block(&reader)
        case GeneralCiphering.tag:
            if !isAssembled { report(blocks.abandon()) }
            let message = try GeneralCiphering(&reader)
            try requireEnd(reader)
            try open(message)
        default:
            throw Self.unsupported(tag, at: offset)
        }
    }

    /// Another message may follow in the same frame, and nothing else: before one is trusted.
    private func requireEnd(_ reader: borrowing WireReader) throws(WireError) {
        guard reader.isAtEnd || LLC.isHeader(reader) else {
            throw WireError(.malformed, "\(reader.remaining) bytes behind the message", offset: reader.offset)
        }
    }

    private mutating func block(_ reader: inout WireReader) throws(WireError) {
        let block = try GeneralBlock(&reader)
        try requireEnd(reader)
        let (result, dropped) = blocks.add(block)
        report(dropped)
        if case .complete(let message) = result { process(message, isAssembled: true) }
    }

    private mutating func open(_ message: GeneralCiphering) throws(WireError) {
        // What is read before the tag was checked is given out only when it was.
        var notification: DataNotification?
        let opened = try message.open(with: keys) { plaintext in
            notification = DataNotification(whole: plaintext)
            return notification != nil
        }
        guard let notification else { return }
        let ciphering = message.description(isAuthenticated: opened.isAuthenticated)
        outputs.append(.frame(Self.telegram(notification, ciphering)))
    }

    private static func unsupported(_ tag: UInt8, at offset: Int) -> WireError {
        let known: [UInt8: String] = [
            0x01: "an initiate request", 0x08: "an initiate response", 0x0E: "a confirmed service error",
            0x60: "an association request", 0x61: "an association response", 0xC2: "an event notification",
            0xC4: "a get response", 0xC8: "a ciphered get request", 0xCC: "a ciphered get response",
            0xD8: "an exception response", 0xDC: "a message under a dedicated key",
            0xDD: "a message under an agreed key", 0xDF: "a signed message",
        ]
        guard let name = known[tag] else {
            return WireError(.malformed, "no DLMS message begins with \(Hex.string([tag]))", offset: offset)
        }
        return WireError(.unsupported, "\(name) is not a push", offset: offset)
    }

    static func telegram(_ notification: DataNotification, _ ciphering: Ciphering?) -> Telegram {
        let body = notification.body
        return Telegram(
            meter: PushIdentity.identity(of: body.registers, systemTitle: ciphering?.systemTitle),
            meterTime: notification.time ?? PushIdentity.clock(of: body.registers),
            registers: body.registers, list: body.list, ciphering: ciphering, warnings: body.warnings)
    }
}

/// Who sent a push, from the registers that say so.
public enum PushIdentity {
    /// The logical device name comes first: it is the one name that is unique in the world.
    private static let logicalName = ObisCode.Quantity(c: 42, d: 0, e: 0)
    private static let numbers = [
        ObisCode.Quantity(c: 96, d: 1, e: 0), ObisCode.Quantity(c: 96, d: 1, e: 1), ObisCode.Quantity(c: 0, d: 0, e: 5),
    ]

    /// - Parameter systemTitle: of the ciphering; its first three bytes name the maker.
    public static func identity(of registers: [Register], systemTitle: [UInt8]? = nil) -> MeterIdentity {
        var identity = MeterIdentity()
        identity.id = text(of: logicalName, in: registers)
        if let name = identity.id { identity.manufacturer = flag(name.utf8.prefix(3)) }
        for quantity in numbers where identity.id == nil {
            identity.id = text(of: quantity, in: registers) { !isType($0, in: registers) }
        }
        if identity.id == nil { identity.id = loneNumber(in: registers) }
        if identity.manufacturer == nil, let systemTitle { identity.manufacturer = flag(systemTitle.prefix(3)) }
        if registers.indices.contains(where: { registers[$0].obis?.a == 1 }) { identity.medium = .electricity }
        return identity
    }

    /// Kamstrup give the meter's number as `1-1:0.0.5` and its type, which others have as well, as `1-1:96.1.1`.
    private static func isType(_ code: ObisCode, in registers: [Register]) -> Bool {
        code.a == 1 && code.c == 96 && code.e == 1
            && registers.contains { $0.obis?.a == 1 && $0.obis?.quantity == ObisCode.Quantity(c: 0, d: 0, e: 5) }
    }

    /// The text of the first register of the meter itself that is this quantity; nil where it is empty or none.
    private static func text(
        of quantity: ObisCode.Quantity, in registers: [Register], where isWanted: (ObisCode) -> Bool = { _ in true }
    ) -> String? {
        let place = registers.indices.first { index in
            guard let code = registers[index].obis else { return false }
            return code.quantity == quantity && !code.isSubMeter && isWanted(code)
        }
        guard let place, case .text(let text) = registers[place].value, !text.isEmpty else { return nil }
        return text
    }

    /// Lists of codes and values end in the meter's number without a code in Lower Austria and elsewhere.
    private static func loneNumber(in registers: [Register]) -> String? {
        guard registers.count > 1, let last = registers.last, last.obis == nil, case .text(let text) = last.value,
            registers.indices.contains(where: { registers[$0].obis != nil }), text.utf8.count >= 6,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) })
        else { return nil }
        return text
    }

    /// Three capital letters of the FLAG registry; nil for anything else.
    private static func flag(_ bytes: some Collection<UInt8>) -> String? {
        guard bytes.count == 3, bytes.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The clock object among the registers.
    static func clock(of registers: [Register]) -> MeterTime? {
        for index in registers.indices {
            guard let code = registers[index].obis, code.a == 0, code.quantity == ObisCode.Quantity(c: 1, d: 0, e: 0),
                case .time(let time) = registers[index].value
            else { continue }
            return time
        }
        return nil
    }
}

extension ObisCode {
    /// Abstract objects of channel 1 and above are those of devices behind the meter.
    fileprivate var isSubMeter: Bool { a == 0 && b != 0 }
}
