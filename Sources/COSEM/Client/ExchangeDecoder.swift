public import OBIS
public import Wire

/// Decodes what passed between a client and a meter, both directions in one stream: in HDLC frames, behind wrapper
/// headers, or as bare messages one after the other.
///
/// What one association read comes out as one telegram, when the association ends or the next one begins: a scale may be
/// asked for after its value. One of which a part is missing gives none: its values could be told in the wrong scale.
///
/// Frames are looked for everywhere; headers and bare messages are believed only at the start of a burst and behind one
/// another.
public struct ExchangeDecoder: Framer {
    private let keys: CipheringKeys
    private var buffer = LinkBuffer()
    private var isFinishing = false
    /// What the burst consists of; nil before its first byte.
    private var form: Form?
    private var outputs: [FramerOutput<Telegram>] = []
    /// Segments by the address of their sender.
    private var segments: [[UInt8]: SegmentAssembly] = [:]
    private var blocks = BlockAssembly()

    private enum Form { case frames, messages }

    // Of the association.
    private var clientTitle: [UInt8]?
    private var serverTitle: [UInt8]?
    private var dedicatedKey: Secret?
    private var requests: [UInt8: GetExchange] = [:]
    private var attributes = ReadAttributes()
    /// Whether something was said that has led to no telegram yet.
    private var hasBegun = false
    /// Whether an answer came whose request is missing.
    private var isIncomplete = false
    private var ciphering: Ciphering?

    public init(keys: CipheringKeys = CipheringKeys()) {
        self.keys = keys
    }

    public var isIdle: Bool { buffer.isEmpty && form == nil && !hasBegun }

    public mutating func append(_ bytes: [UInt8]) { buffer.append(bytes) }

    public mutating func finish() { isFinishing = true }

    /// One message may come in several datagrams of a gateway.
    public mutating func endBurst() {}

    public mutating func next() -> FramerOutput<Telegram>? {
        while true {
            guard outputs.isEmpty else { return outputs.removeFirst() }
            guard !buffer.isEmpty, step() else {
                guard outputs.isEmpty else { continue }
                guard isFinishing else { return nil }
                isFinishing = false
                form = nil
                endAssociation(isCut: true)
                continue
            }
        }
    }

    // MARK: Cutting

    /// - Returns: whether something was taken from the buffer.
    private mutating func step() -> Bool {
        if form == nil {
            form = buffer[0] == 0x00 || buffer[0].map(Self.isTag) == true ? .messages : .frames
        }
        if form == .messages { return message() }
        if buffer[0] == HDLCFrame.flag { return frame() }
        skip()
        return true
    }

    private mutating func message() -> Bool {
        if buffer[0] == 0x00, let isTaken = wrapped() { return isTaken }
        switch Self.length(of: buffer.bytes) {
        case .whole(let length):
            let apdu = buffer.bytes.extracting(0..<length).array
            buffer.consume(length)
            process(apdu)
        case .incomplete where !isFinishing: return false
        case .incomplete: reject(.truncated, "the message ends after \(buffer.count) bytes", discarding: buffer.count)
        case .none: form = .frames
        }
        return true
    }

    private mutating func reject(_ code: WireError.Code, _ text: String, discarding count: Int) {
        outputs.append(.rejected(WireError(code, text, offset: buffer.streamOffset), discarded: count))
        buffer.consume(count)
    }

    private mutating func frame() -> Bool {
        switch HDLCCandidate(at: 0, in: buffer.bytes) {
        case .frame(let layout, let length):
            let frame = HDLCFrame(layout, in: buffer.bytes)
            buffer.consume(length)
            take(frame)
        case .incomplete where !isFinishing: return false
        case .damaged(let error, _): reject(error.code, error.message, discarding: 1)
        case .incomplete(let isHeader) where isHeader:
            reject(.truncated, "the frame ends after \(buffer.count) bytes", discarding: buffer.count)
        case .none(let isHeader) where isHeader:
            reject(.checksum, "the header check sequence is wrong", discarding: 1)
        // The closing flag of the frame before, or no frame.
        case .none, .incomplete: buffer.consume(1)
        }
        return true
    }

    /// - Returns: nil where it is no wrapper header.
    private mutating func wrapped() -> Bool? {
        var reader = WireReader(buffer.bytes)
        guard let version = try? reader.uint16() else { return isFinishing ? nil : false }
        guard version == 1 else { return nil }
        guard (try? reader.skip(4)) != nil, let length = (try? reader.uint16()).map(Int.init),
            length <= Limits.apdu, let apdu = try? reader.bytes(length)
        else { return isFinishing ? nil : false }
        buffer.consume(8 + length)
        process(apdu)
        return true
    }

    /// Up to the next byte that a frame may begin with.
    private mutating func skip() {
        var count = 1
        while let byte = buffer[count], byte != HDLCFrame.flag { count += 1 }
        buffer.consume(count)
        outputs.append(.noise(count))
    }

    private mutating func take(_ frame: HDLCFrame) {
        switch frame.control {
        case HDLCConnection.Control.snrm: hasBegun = true
        case HDLCConnection.Control.disc: endAssociation()
        default: break
        }
        // Set-up and end of a connection are no messages.
        guard frame.control & 0x01 == 0, !frame.information.isEmpty else { return }
        // Addresses are no longer than four bytes, so that there are few.
        if segments.count > 16 { segments = [:] }
        let (complete, dropped) = segments[frame.source, default: SegmentAssembly()]
            .add(frame.information, isSegmented: frame.isSegmented)
        if let dropped { outputs.append(.rejected(dropped, discarded: 0)) }
        guard let complete else { return }
        process(LLC.isHeader(complete) ? Array(complete.dropFirst(LLC.length)) : complete)
    }

    // MARK: Bare messages

    private enum Length {
        case whole(Int)
        case incomplete
        /// No message.
        case none
    }

    private static let lengthTags: Set<UInt8> = [
        0x60, 0x61, 0x62, 0x63, 0x21, 0x28, 0xC8, 0xC9, 0xCB, 0xCC, 0xCD, 0xCF, 0xD0, 0xD1, 0xD3, 0xD4, 0xD5, 0xD7,
    ]
    private static let otherTags: Set<UInt8> = [0x0E, 0x0F, 0xC0, 0xC1, 0xC3, 0xC4, 0xC5, 0xC7, 0xD8, 0xDB, 0xE0]

    private static func isTag(_ byte: UInt8) -> Bool { lengthTags.contains(byte) || otherTags.contains(byte) }

    private static func length(of bytes: RawSpan) -> Length {
        var reader = WireReader(bytes)
        guard let tag = reader.peek(), isTag(tag) else { return .none }
        do throws(WireError) {
            try skipMessage(tag, &reader)
            return .whole(reader.offset)
        } catch {
            return error.code == .truncated && bytes.byteCount < Limits.apdu ? .incomplete : .none
        }
    }

    private static func skipMessage(_ tag: UInt8, _ reader: inout WireReader) throws(WireError) {
        try reader.skip(1)
        if lengthTags.contains(tag) {
            let length = try reader.axdrLength()
            return try reader.skip(length)
        }
        switch tag {
        case 0x0E: try reader.skip(3)
        case 0xD8: try reader.skip(2)
        case DataNotification.tag:
            try reader.skip(4)
            let length = try reader.axdrLength()
            try reader.skip(length)
            _ = try AxdrTape(&reader, limit: Limits.answerElements)
        case GeneralCiphering.tag:
            for _ in 0..<2 {
                let length = try reader.axdrLength()
                try reader.skip(length)
            }
        case GeneralBlock.tag:
            try reader.skip(5)
            let length = try reader.axdrLength()
            try reader.skip(length)
        default: try skipService(tag, &reader)
        }
    }

    private static func skipService(_ tag: UInt8, _ reader: inout WireReader) throws(WireError) {
        let choice = try reader.uint8()
        try reader.skip(1)
        switch (tag, choice) {
        case (0xC0, 1):
            try reader.skip(9)
            try skipSelection(&reader)
        case (0xC0, 2): try reader.skip(4)
        case (0xC0, 3):
            for _ in 0..<(try reader.axdrLength()) {
                try reader.skip(9)
                try skipSelection(&reader)
            }
        case (0xC4, 1): try skipResult(&reader)
        case (0xC4, 2):
            try reader.skip(5)
            if try reader.uint8() == 0 {
                let length = try reader.axdrLength()
                try reader.skip(length)
            } else {
                try reader.skip(1)
            }
        case (0xC4, 3): for _ in 0..<(try reader.axdrLength()) { try skipResult(&reader) }
        case (0xC1, 1):
            try reader.skip(9)
            try skipSelection(&reader)
            _ = try AxdrTape(&reader)
        case (0xC5, 1): try reader.skip(1)
        case (0xC3, 1):
            try reader.skip(9)
            if try reader.uint8() != 0 { _ = try AxdrTape(&reader) }
        case (0xC7, 1):
            try reader.skip(1)
            if try reader.uint8() != 0 { try skipResult(&reader) }
        default: throw WireError(.malformed, "no service of this kind (\(choice))", offset: 1)
        }
    }

    private static func skipSelection(_ reader: inout WireReader) throws(WireError) {
        guard try reader.uint8() != 0 else { return }
        try reader.skip(1)
        _ = try AxdrTape(&reader)
    }

    private static func skipResult(_ reader: inout WireReader) throws(WireError) {
        if try reader.uint8() == 0 {
            _ = try AxdrTape(&reader, limit: Limits.answerElements)
        } else {
            try reader.skip(1)
        }
    }

    // MARK: Messages

    private mutating func process(_ apdu: [UInt8], isAssembled: Bool = false) {
        if apdu.first != ReleaseRequest.responseTag { hasBegun = true }
        do throws(WireError) {
            switch apdu.first {
            case 0x60: try request(apdu)
            case AssociationResponse.tag: try response(apdu)
            case 0x62, ReleaseRequest.responseTag: endAssociation()
            case GetExchange.requestTag: remember(apdu)
            case GetExchange.responseTag: try answer(apdu)
            case 0xC8, 0xD0: if let plain = try opened(apdu, from: clientTitle) { process(plain) }
            case 0xCC, 0xD4: if let plain = try opened(apdu, from: serverTitle) { process(plain) }
            case GeneralCiphering.tag: try general(apdu)
            case GeneralBlock.tag where !isAssembled: try block(apdu)
            case DataNotification.tag:
                var reader = WireReader(apdu.rawSpan)
                let notification = try DataNotification(&reader, of: apdu)
                outputs.append(.frame(PushDecoder.telegram(notification, nil)))
            case ExceptionResponse.tag: if let exception = ExceptionResponse(apdu) { throw exception.error }
            case ConfirmedServiceError.tag:
                if let error = ConfirmedServiceError(apdu) { throw WireError(.meterError, error.name) }
            // Nothing that was read: writing, actions and their answers.
            case 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF, 0xD1, 0xD3, 0xD5, 0xD7: break
            default: throw WireError(.malformed, "no message of an association")
            }
        } catch {
            outputs.append(.rejected(error, discarded: 0))
        }
    }

    private mutating func block(_ apdu: [UInt8]) throws(WireError) {
        var reader = WireReader(apdu.rawSpan)
        let block = try GeneralBlock(&reader)
        // Those of the client only say what arrived.
        guard !block.data.isEmpty else { return }
        let (result, dropped) = blocks.add(block)
        if let dropped { throw dropped }
        if case .complete(let message) = result { process(message, isAssembled: true) }
    }

    // MARK: Associations

    private mutating func request(_ apdu: [UInt8]) throws(WireError) {
        endAssociation(isCut: !attributes.isEmpty)
        hasBegun = true
        (clientTitle, serverTitle, dedicatedKey) = (nil, nil, nil)
        var reader = WireReader(apdu.rawSpan)
        try reader.skip(1)
        _ = try reader.axdrLength()
        while !reader.isAtEnd {
            let tag = try reader.uint8()
            let length = try reader.axdrLength()
            let content = try reader.bytes(length)
            switch tag {
            case 0xA6 where content.count > 2: clientTitle = Array(content[2...])
            case 0xBE where content.count > 2: try initiate(content)
            default: break
            }
        }
    }

    /// A dedicated key stands in the initiate request: `01 01 10` and 16 bytes.
    private mutating func initiate(_ content: [UInt8]) throws(WireError) {
        var reader = WireReader(content.rawSpan)
        try reader.skip(1)
        let length = try reader.axdrLength()
        let information = try reader.bytes(length)
        guard information.first == 0x21, keys.encryption != nil,
            let plain = try opened(information, from: clientTitle), plain.starts(with: [0x01, 0x01, 0x10]),
            plain.count >= 19
        else { return }
        dedicatedKey = Secret(Array(plain[3..<19]))
    }

    private mutating func response(_ apdu: [UInt8]) throws(WireError) {
        let response = try AssociationResponse(apdu)
        serverTitle = response.systemTitle
        try response.requireAcceptance()
    }

    /// - Parameter isCut: whether nothing said that it ends.
    private mutating func endAssociation(isCut: Bool = false) {
        defer {
            (requests, attributes, ciphering) = ([:], ReadAttributes(), nil)
            (hasBegun, isIncomplete) = (false, false)
        }
        guard hasBegun else { return }
        guard requests.isEmpty, !isIncomplete, attributes.hasAllScales else {
            let error = WireError(.truncated, "the exchange is not whole: no value of it is used")
            return outputs.append(.rejected(error, discarded: 0))
        }
        guard !attributes.isEmpty else {
            // What ends properly has read nothing; what only stops has been cut.
            if isCut {
                outputs.append(.rejected(WireError(.truncated, "the exchange ends before a value"), discarded: 0))
            }
            return
        }
        var telegram = attributes.telegram
        telegram.ciphering = ciphering
        outputs.append(.frame(telegram))
    }

    // MARK: Ciphered messages

    private mutating func opened(_ apdu: [UInt8], from title: [UInt8]?) throws(WireError) -> [UInt8]? {
        guard let title else {
            throw WireError(.keyMissing, "the association's beginning is missing, and with it the system title")
        }
        var reader = WireReader(apdu.rawSpan)
        let isDedicated = (0xD0...0xD7).contains(try reader.uint8())
        let length = try reader.axdrLength()
        return try open(CipheredContent(&reader, length: length, from: title), isDedicated: isDedicated)
    }

    private mutating func general(_ apdu: [UInt8]) throws(WireError) {
        var reader = WireReader(apdu.rawSpan)
        process(try open(try GeneralCiphering(&reader).content, isDedicated: false), isAssembled: true)
    }

    private mutating func open(_ content: CipheredContent, isDedicated: Bool) throws(WireError) -> [UInt8] {
        let used =
            isDedicated ? CipheringKeys(encryption: dedicatedKey, authentication: keys.authentication) : keys
        let opened = try content.open(with: used) { plain in
            [0x01, 0x08, GetExchange.requestTag, GetExchange.responseTag, 0xC1, 0xC3, 0xC5, 0xC7]
                .contains(plain.first ?? 0) || DataNotification(whole: plain) != nil
        }
        ciphering = Ciphering(
            systemTitle: content.systemTitle, securityControl: content.securityControl,
            invocationCounter: content.invocationCounter, isAuthenticated: opened.isAuthenticated)
        return opened.plaintext
    }

    // MARK: Values

    private static let mostRequests = 16

    private mutating func remember(_ apdu: [UInt8]) {
        // A request for the next block belongs to the one before.
        guard let exchange = GetExchange(request: apdu) else { return }
        if requests.count >= Self.mostRequests { requests = [:] }
        requests[exchange.invoke & 0x0F] = exchange
    }

    private mutating func answer(_ apdu: [UInt8]) throws(WireError) {
        guard apdu.count > 2, var exchange = requests[apdu[2] & 0x0F] else {
            isIncomplete = true
            throw WireError(.framing, "an answer to a request that is not there")
        }
        let key = apdu[2] & 0x0F
        do throws(WireError) {
            switch try exchange.take(apdu) {
            case .request: requests[key] = exchange
            case .foreign: break
            case .done(let results):
                requests[key] = nil
                try take(results, for: exchange.attributes)
            }
        } catch {
            requests[key] = nil
            throw error
        }
    }

    private mutating func take(_ results: [AttributeResult], for asked: [CosemAttribute]) throws(WireError) {
        for (attribute, result) in zip(asked, results) {
            if case .refused(let reason) = result {
                outputs.append(
                    .rejected(
                        WireError(.meterError, "\(attribute.name) was not given: \(reason.name)"), discarded: 0))
            }
            attributes.add(result, of: attribute)
        }
    }
}
