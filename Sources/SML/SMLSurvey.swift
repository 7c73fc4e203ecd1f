import OBIS
public import Wire

/// Where SML files say which meter they come from, and the checks of files and messages. Server ids and names of values
/// are found in damaged files as well.
public enum SMLSurvey {
    public static func survey(_ bytes: [UInt8]) -> FrameSurvey {
        var survey = FrameSurvey()
        survey.noteIdentities(in: BytePlaces(bytes.indices), of: bytes)
        forEachFile(in: bytes) { file, hasLiterals in
            guard let kind = CRC.of(file, in: bytes) else { return false }
            survey.note(file, kind, hasLiterals: hasLiterals, in: bytes)
            return true
        }
        return survey
    }

    /// - Parameter take: whether what stands there is a file.
    private static func forEachFile(in bytes: [UInt8], _ take: (Range<Int>, _ hasLiterals: Bool) -> Bool) {
        var scanner = FileScanner()
        var start = 0
        while true {
            let finding = scanner.scan(bytes.rawSpan.extracting(start..<bytes.count))
            switch finding {
            case .start(let offset):
                start += offset
                scanner.beginFile()
            case .end(let length) where take(start..<(start + length), scanner.hasLiterals):
                start += length
                scanner.leaveFile()
            case .end, .overlong:
                // As the decoder does: what may have begun inside, else behind the start sequence.
                if let inner = scanner.innerStart {
                    start += inner
                    scanner.beginInnerFile()
                } else {
                    start += FileScanner.startLength
                    scanner.leaveFile()
                }
            case .needsMore: return
            }
        }
    }
}

/// The two kinds of check that meters use, on the wire with the low byte first.
private enum CRC: Sendable {
    case x25, kermit

    func value(_ bytes: [UInt8]) -> [UInt8] {
        let crc = self == .x25 ? Checksum.x25(bytes.rawSpan) : Checksum.kermit(bytes.rawSpan)
        return [UInt8(truncatingIfNeeded: crc), UInt8(truncatingIfNeeded: crc >> 8)]
    }

    static func of(_ content: [UInt8], check: [UInt8]) -> CRC? {
        [CRC.x25, .kermit].first { $0.value(content) == check }
    }

    static func of(_ file: Range<Int>, in bytes: [UInt8]) -> CRC? {
        guard file.count >= FileScanner.startLength + FileScanner.endLength else { return nil }
        return of(Array(bytes[file].dropLast(2)), check: Array(bytes[file].suffix(2)))
    }
}

extension FrameSurvey {
    fileprivate mutating func note(_ file: Range<Int>, _ kind: CRC, hasLiterals: Bool, in bytes: [UInt8]) {
        whole.append(file)
        let body = (file.lowerBound + FileScanner.startLength)..<(file.upperBound - FileScanner.endLength)
        let places = hasLiterals ? Self.withoutDoubles(body, in: bytes) : BytePlaces(body)
        if hasLiterals {
            contents.append(places)
            noteIdentities(in: places, of: bytes)
        }
        noteMessages(places, of: bytes)
        checks.append(
            Check(
                over: BytePlaces(file.lowerBound..<(file.upperBound - 2)),
                at: BytePlaces((file.upperBound - 2)..<file.upperBound), value: { kind.value($0) }))
    }

    /// See `FileScanner.withoutDoubles`.
    private static func withoutDoubles(_ body: Range<Int>, in bytes: [UInt8]) -> BytePlaces {
        var ranges: [Range<Int>] = []
        var start = body.lowerBound
        var run = 0
        for index in body {
            run = bytes[index] == FileScanner.escape ? run + 1 : 0
            guard run == 8 else { continue }
            ranges.append(start..<(index - 3))
            start = index + 1
            run = 0
        }
        return BytePlaces(ranges + [start..<body.upperBound])
    }

    // MARK: Messages

    private mutating func noteMessages(_ places: BytePlaces, of bytes: [UInt8]) {
        let body = places.bytes(in: bytes)
        var reader = WireReader(body.rawSpan)
        while let byte = reader.peek() {
            if byte == 0 {
                reader = reader.rewound(to: reader.offset + 1)
                continue
            }
            do throws(WireError) {
                try noteMessage(&reader, places, body)
            } catch {
                return
            }
        }
    }

    private mutating func noteMessage(
        _ reader: inout WireReader, _ places: BytePlaces, _ body: [UInt8]
    ) throws(WireError) {
        let start = reader.offset
        try Element.list(of: 6, &reader)
        let transaction = try place(&reader, of: .octets)
        try Element.skip(&reader)
        try Element.skip(&reader)
        try noteContent(&reader, places, body)
        let end = reader.offset
        let check = try place(&reader, of: .unsigned)
        guard try reader.uint8() == 0, let check else { return }
        let content = places[start..<end]
        let number = places[check]
        let padding = [UInt8](repeating: 0, count: max(0, 2 - check.count))
        guard let kind = CRC.of(Array(body[start..<end]), check: padding + Array(body[check].suffix(2))) else { return }
        let spare = transaction.map { places[$0] }
        checks.append(Check(over: content) { Self.renew(kind, over: content, at: number, spare: spare, &$0) })
    }

    /// - Returns: where the content of the next element stands; nil for one of another kind, which is passed over.
    private func place(_ reader: inout WireReader, of kind: Element.Kind) throws(WireError) -> Range<Int>? {
        let element = try Element.next(&reader)
        let start = reader.offset
        try element.skipContent(&reader)
        return element.kind == kind ? start..<reader.offset : nil
    }

    /// A meter that leaves out zeros in front of a number may have left none for one of two bytes. The transaction's
    /// number, which means nothing to a reader, is then chosen so that the check has that zero again.
    private static func renew(
        _ kind: CRC, over content: BytePlaces, at number: BytePlaces, spare: BytePlaces?, _ bytes: inout [UInt8]
    ) {
        var value = kind.value(content.bytes(in: bytes))
        let width = number.count
        if width == 1, value[0] != 0, let spare, spare.count >= 2 {
            let last = spare[(spare.count - 2)..<spare.count]
            for candidate in UInt16.min...UInt16.max {
                last.write(
                    [UInt8(truncatingIfNeeded: candidate >> 8), UInt8(truncatingIfNeeded: candidate)], to: &bytes)
                value = kind.value(content.bytes(in: bytes))
                if value[0] == 0 { break }
            }
        }
        number.write(Array(([UInt8](repeating: 0, count: max(0, width - 2)) + value).suffix(width)), to: &bytes)
    }

    // MARK: Contents

    private static let openResponse: UInt64 = 0x0101
    private static let listResponse: UInt64 = 0x0701

    /// `72 tag content`: where the server id stands, and all numbers.
    private mutating func noteContent(
        _ reader: inout WireReader, _ places: BytePlaces, _ body: [UInt8]
    ) throws(WireError) {
        try Element.list(of: 2, &reader)
        let tag = try Element.unsigned(&reader)
        let start = reader.offset
        var inner = reader
        try noteNumbers(&reader, places, depth: 0)
        let content = try Element.next(&inner)
        guard content.kind == .list, inner.offset > start else { return }
        switch tag {
        case Self.openResponse:
            // Code page, client id, file id.
            for _ in 0..<3 { try Element.skip(&inner) }
        case Self.listResponse: try Element.skip(&inner)
        default: return
        }
        guard let server = try place(&inner, of: .octets), !ServerIDPattern.matches(body[server]) else { return }
        identities.append(Identity(places[server], as: Self.isText(body[server]) ? .text : .octets))
    }

    private mutating func noteNumbers(
        _ reader: inout WireReader, _ places: BytePlaces, depth: Int
    ) throws(WireError) {
        let element = try Element.next(&reader)
        let start = reader.offset
        guard element.kind == .list, depth < Limits.smlDepth else {
            try element.skipContent(&reader, depth: depth)
            if element.kind == .unsigned || element.kind == .signed { readings.append(places[start..<reader.offset]) }
            return
        }
        for _ in 0..<element.count { try noteNumbers(&reader, places, depth: depth + 1) }
    }

    // MARK: Patterns

    /// Server ids, and values whose names say that they identify the meter.
    fileprivate mutating func noteIdentities(in places: BytePlaces, of recording: [UInt8]) {
        let bytes = places.bytes(in: recording)
        for index in bytes.indices {
            switch bytes[index] {
            case ServerIDPattern.head:
                if let (part, form, keeps) = ServerIDPattern.number(in: bytes, at: index + 1) {
                    identities.append(Identity(places[part], as: form, keeps: keeps))
                }
            case KeyPattern.head where KeyPattern.matches(bytes, at: index):
                let start = index + KeyPattern.headLength
                identities.append(Identity(places[start..<(start + KeyPattern.length)], as: .octets))
            case 0x77:
                if let (part, form) = Self.identifyingValue(in: bytes, at: index) {
                    identities.append(Identity(places[part], as: form))
                }
            default: break
            }
        }
    }

    /// `77 07 name | status | time | unit | scaler | value`
    private static func identifyingValue(in bytes: [UInt8], at index: Int) -> (Range<Int>, Identity.Form)? {
        guard index + 8 <= bytes.count, bytes[index + 1] == 0x07 else { return nil }
        let name = bytes[(index + 2)..<(index + 8)].map { $0 }
        let code = ObisCode(name[0], name[1], name[2], name[3], name[4], name[5])
        guard code.identifiesDevice else { return nil }
        var reader = WireReader(bytes.rawSpan).rewound(to: index + 8)
        do throws(WireError) {
            for _ in 0..<4 { try Element.skip(&reader) }
            let element = try Element.next(&reader)
            let value = reader.offset..<(reader.offset + element.count)
            guard element.kind != .list, code.identifiesDevice(byCharacters: element.count) else { return nil }
            guard element.kind == .octets else { return (value, .number(digits: 0)) }
            guard !ServerIDPattern.matches(bytes[value]) else { return nil }
            return (value, isText(bytes[value]) ? .text : .octets)
        } catch {
            return nil
        }
    }

    private static func isText(_ octets: ArraySlice<UInt8>) -> Bool { octets.allSatisfy { (0x20...0x7E).contains($0) } }
}

/// The public key of a meter, and signatures that it makes: 48 octets.
private enum KeyPattern {
    static let head: UInt8 = 0x83
    static let headLength = 2
    static let length = 48

    static func matches(_ bytes: [UInt8], at index: Int) -> Bool {
        index + headLength + length <= bytes.count && bytes[index + 1] == 0x02
    }
}

/// The ten octets of a server id, see `ServerID`.
private enum ServerIDPattern {
    /// Ten octets.
    static let head: UInt8 = 0x0B
    private static let length = 10

    static func matches(_ octets: ArraySlice<UInt8>) -> Bool {
        octets.count == length && number(in: Array(octets), at: 0) != nil
    }

    /// The part that is the meter's own.
    static func number(in bytes: [UInt8], at start: Int) -> (Range<Int>, FrameSurvey.Identity.Form, keeps: Int)? {
        guard start + length <= bytes.count else { return nil }
        let server = ServerID(Array(bytes[start..<(start + length)]))
        guard let maker = server.manufacturer else { return nil }
        let end = start + length
        if bytes[start] == 0x06 { return ((start + 4)..<end, .octets, 0) }
        guard server.number != nil else { return ((start + 5)..<end, .octets, 0) }
        // Two digits of this maker's numbers say which model it is, and so how its powers are read.
        return ((start + 6)..<end, .number(digits: 8), maker == "DZG" ? 2 : 0)
    }
}
