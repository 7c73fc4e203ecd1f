import OBIS
public import Wire

/// Where pushes say which meter they come from, and the checks of HDLC frames.
///
/// A ciphered message stays as it is, but for the number in its system title: nothing is decrypted. With another title it
/// can no longer be opened, not even with its key.
public enum PushSurvey {
    /// - Parameter carried: pieces of messages in frames of other link layers.
    public static func survey(_ bytes: [UInt8], carried: [CarriedPiece] = []) -> FrameSurvey {
        var survey = FrameSurvey()
        let framed = HDLCFrame.pieces(of: bytes, into: &survey)
        var messages = [framed, carried].flatMap { MessageParts.joined($0) }
        let frames = (framed + carried).map(\.frame).sorted { $0.lowerBound < $1.lowerBound }
        let gaps = Gaps(between: frames, count: bytes.count).ranges
        for gap in gaps {
            let loose = LooseMessages(gap, in: bytes)
            messages += loose.messages.isEmpty ? [BytePlaces(gap)] : loose.messages
            survey.whole += loose.messages.flatMap(\.ranges)
        }
        let blocks = MessageParts.blocks(of: messages, in: bytes)
        for message in messages + blocks.messages { survey.noteMessage(message, of: bytes) }
        for parts in [framed, carried] where parts.count > 1 {
            survey.contents.append(BytePlaces(parts.map(\.payload)))
        }
        if blocks.all.ranges.count > 1 { survey.contents.append(blocks.all) }
        for content in survey.contents + [BytePlaces(bytes.indices)] { survey.noteIdentities(in: content, of: bytes) }
        return survey
    }

    /// The system titles of ciphered messages, wherever they stand.
    public static func systemTitles(_ bytes: [UInt8]) -> FrameSurvey {
        var survey = FrameSurvey()
        for index in bytes.indices where bytes[index] == GeneralCiphering.tag {
            survey.noteSystemTitle(in: bytes, at: index, BytePlaces(bytes.indices))
        }
        return survey
    }
}

// MARK: - Links

extension HDLCFrame {
    /// The information fields of all whole frames with right check sequences; nothing of what is damaged.
    static func pieces(of bytes: [UInt8], into survey: inout FrameSurvey) -> [CarriedPiece] {
        var pieces: [CarriedPiece] = []
        var offset = 0
        var isContinued = false
        while offset < bytes.count {
            guard case .frame(let layout, let length) = HDLCCandidate(at: offset, in: bytes.rawSpan) else {
                offset += 1
                continue
            }
            let end = offset + length
            let information = layout.information
            if !information.isEmpty {
                let header = information.lowerBound - 2
                survey.checks.append(.x25(over: (offset + 1)..<header, at: header))
                pieces.append(
                    CarriedPiece(
                        frame: offset..<end, payload: information,
                        startsMessage: !isContinued || LLC.isHeader(Array(bytes[information]))))
                isContinued = layout.isSegmented
            }
            survey.checks.append(.x25(over: (offset + 1)..<(end - 2), at: end - 2))
            survey.whole.append(offset..<end)
            // The closing flag may open the next frame.
            offset = end
        }
        return pieces
    }
}

/// What stands between frames.
private struct Gaps {
    private(set) var ranges: [Range<Int>] = []

    init(between frames: [Range<Int>], count: Int) {
        var start = 0
        for frame in frames {
            if frame.lowerBound > start { ranges.append(start..<frame.lowerBound) }
            start = max(start, frame.upperBound)
        }
        if start < count { ranges.append(start..<count) }
    }
}

/// Messages behind a wrapper, and blocks without any link layer.
private struct LooseMessages {
    private(set) var messages: [BytePlaces] = []

    private static let wrapperHeader = 8

    init(_ gap: Range<Int>, in bytes: [UInt8]) {
        var offset = gap.lowerBound
        while offset < gap.upperBound {
            if let message = Self.wrapped(at: offset, in: bytes[gap]) {
                messages.append(BytePlaces(message))
                offset = message.upperBound
            } else if let length = Self.blockLength(at: offset, in: bytes[gap]) {
                messages.append(BytePlaces(offset..<(offset + length)))
                offset += length
            } else {
                offset += 1
            }
        }
    }

    /// `00 01 | source 2 | destination 2 | length 2 | APDU`
    private static func wrapped(at offset: Int, in gap: ArraySlice<UInt8>) -> Range<Int>? {
        let start = offset + wrapperHeader
        guard start < gap.endIndex, gap[offset] == 0, gap[offset + 1] == 1 else { return nil }
        let length = Int(gap[offset + 6]) << 8 | Int(gap[offset + 7])
        let tags = [DataNotification.tag, GeneralBlock.tag, GeneralCiphering.tag, 0xE6]
        guard length > 0, start + length <= gap.endIndex, tags.contains(gap[start]) else { return nil }
        return start..<(start + length)
    }

    /// A block says itself how long it is, and the next follows.
    private static func blockLength(at offset: Int, in gap: ArraySlice<UInt8>) -> Int? {
        guard gap[offset] == GeneralBlock.tag || gap[offset] == 0xE6 else { return nil }
        let rest = Array(gap[offset...].prefix(Limits.apdu))
        var reader = WireReader(rest.rawSpan)
        if LLC.isHeader(reader) { reader = reader.rewound(to: LLC.length) }
        guard reader.peek() == GeneralBlock.tag, let block = try? GeneralBlock(&reader), block.number > 0 else {
            return nil
        }
        return reader.offset
    }
}

private enum MessageParts {
    /// Messages out of their pieces. Those that lack some are no worse for this.
    static func joined(_ pieces: [CarriedPiece]) -> [BytePlaces] {
        var messages: [[Range<Int>]] = []
        for piece in pieces {
            if piece.startsMessage || messages.isEmpty { messages.append([]) }
            messages[messages.count - 1].append(piece.payload)
        }
        return messages.map { BytePlaces($0) }
    }

    /// The messages that were sent in blocks, and the data of all blocks one behind the other.
    static func blocks(of messages: [BytePlaces], in bytes: [UInt8]) -> (messages: [BytePlaces], all: BytePlaces) {
        var assembled: [BytePlaces] = []
        var current: [Range<Int>] = []
        var all: [Range<Int>] = []
        var lastNumber: UInt16 = 0
        for places in messages {
            let content = places.bytes(in: bytes)
            var reader = WireReader(content.rawSpan)
            if LLC.isHeader(reader) { reader = reader.rewound(to: LLC.length) }
            guard reader.peek() == GeneralBlock.tag, let block = try? GeneralBlock(&reader) else { continue }
            let data = places[(reader.offset - block.data.count)..<reader.offset].ranges
            all += data
            if block.number == 1 { current = [] }
            // Meters do send blocks twice.
            if block.number == 1 || block.number != lastNumber { current += data }
            lastNumber = block.number
            if block.isLast {
                assembled.append(BytePlaces(current))
                current = []
            }
        }
        return (assembled, BytePlaces(all))
    }
}

// MARK: - Messages

extension FrameSurvey {
    /// The numbers of a plain message, which are no identities.
    fileprivate mutating func noteMessage(_ places: BytePlaces, of recording: [UInt8]) {
        let bytes = places.bytes(in: recording)
        var reader = WireReader(bytes.rawSpan)
        repeat {
            if LLC.isHeader(reader) { reader = reader.rewound(to: reader.offset + LLC.length) }
            guard reader.peek() == DataNotification.tag, (try? noteNumbers(&reader, places)) != nil else { return }
        } while LLC.isHeader(reader)
    }

    private mutating func noteNumbers(_ reader: inout WireReader, _ places: BytePlaces) throws(WireError) {
        try reader.skip(5)
        if reader.peek() == AxdrTag.octetString.rawValue { try reader.skip(1) }
        try reader.skip(Int(try reader.uint8()))
        for item in try AxdrTape(&reader).items {
            guard let length = item.tag.fixedLength, !item.tag.isContainer, length > 0 else { continue }
            readings.append(places[item.offset..<(item.offset + length)])
        }
    }

    // MARK: Patterns

    fileprivate mutating func noteIdentities(in places: BytePlaces, of recording: [UInt8]) {
        let bytes = places.bytes(in: recording)
        for index in bytes.indices {
            switch bytes[index] {
            case GeneralCiphering.tag: noteSystemTitle(in: bytes, at: index, places)
            case AxdrTag.octetString.rawValue, AxdrTag.visibleString.rawValue:
                noteNamedValue(in: bytes, at: index, places)
                noteText(in: bytes, at: index, places)
            default: break
            }
        }
    }

    /// `DB 08 | title 8 | length | security control`: the three letters of the maker stay.
    fileprivate mutating func noteSystemTitle(in bytes: [UInt8], at index: Int, _ places: BytePlaces) {
        guard index + 12 <= bytes.count, bytes[index + 1] == 8 else { return }
        let behindLength = bytes[index + 10] < 0x80 ? 11 : 11 + Int(bytes[index + 10] & 0x7F)
        guard behindLength <= 13, index + behindLength < bytes.count else { return }
        let control = bytes[index + behindLength]
        guard control & 0x30 != 0, control & 0xCE == 0 else { return }
        let title = (index + 2)..<(index + 10)
        let letters = bytes[title].prefix(3).allSatisfy { (0x41...0x5A).contains($0) } ? 3 : 0
        identities.append(Identity(places[(title.lowerBound + letters)..<title.upperBound], as: .octets))
    }

    /// `09 06 code | value`, where the code is one of those that identify.
    private mutating func noteNamedValue(in bytes: [UInt8], at index: Int, _ places: BytePlaces) {
        guard index + 10 <= bytes.count, bytes[index] == AxdrTag.octetString.rawValue, bytes[index + 1] == 6 else {
            return
        }
        let name = Array(bytes[(index + 2)..<(index + 8)])
        let code = ObisCode(name[0], name[1], name[2], name[3], name[4], name[5])
        guard code.identifiesDevice else { return }
        let value = index + 8
        if bytes[value] == AxdrTag.uint32.rawValue, value + 5 <= bytes.count {
            identities.append(Identity(places[(value + 1)..<(value + 5)], as: .number(digits: 0)))
        } else if let (octets, isText) = Self.string(in: bytes, at: value),
            code.identifiesDevice(byCharacters: octets.count)
        {
            identities.append(Identity(places[octets], as: isText ? .text : .octets))
        }
    }

    /// Texts in pushes are numbers of meters more often than anything else.
    private mutating func noteText(in bytes: [UInt8], at index: Int, _ places: BytePlaces) {
        guard let (octets, isText) = Self.string(in: bytes, at: index), isText, octets.count >= 6 else { return }
        let text = bytes[octets]
        let digits = text.count { (0x30...0x39).contains($0) }
        guard digits >= 4, text.allSatisfy(Self.isLetterOrDigit) else { return }
        identities.append(Identity(places[octets], as: .text, isSuspected: true))
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF)
    }

    /// Octets or text of up to 127 bytes.
    private static func string(in bytes: [UInt8], at index: Int) -> (Range<Int>, isText: Bool)? {
        guard index + 2 <= bytes.count, [0x09, 0x0A, 0x0C].contains(bytes[index]), bytes[index + 1] < 0x80 else {
            return nil
        }
        let content = (index + 2)..<(index + 2 + Int(bytes[index + 1]))
        guard content.upperBound <= bytes.count, !content.isEmpty else { return nil }
        // Some meters fill a text up.
        let text = bytes[content].prefix { $0 != 0 }
        let isText =
            text.allSatisfy { (0x20...0x7E).contains($0) }
            && bytes[text.endIndex..<content.upperBound].allSatisfy { $0 == 0 }
        return isText && !text.isEmpty ? (text.startIndex..<text.endIndex, true) : (content, false)
    }
}
