public import Wire

/// Where slaves say who they are, and the checks of their frames. A frame whose check is wrong still has its header where
/// it must be.
public enum MBusSurvey {
    public static func survey(_ bytes: [UInt8]) -> FrameSurvey {
        var survey = FrameSurvey()
        var offset = 0
        while offset < bytes.count {
            switch LongFrameCandidate(at: offset, in: bytes.rawSpan) {
            case .frame(let frame, let length):
                survey.note(frame, at: offset, length: length)
                offset += length
            case .damaged, .incomplete(isHeader: true):
                survey.noteDamaged(bytes, at: offset)
                offset += 1
            case .incomplete, .none:
                offset += 1
            }
        }
        survey.noteTraces(in: bytes)
        return survey
    }

    /// The pieces of DLMS messages in such frames, with the checks of the frames.
    public static func carried(_ bytes: [UInt8]) -> (pieces: [CarriedPiece], survey: FrameSurvey) {
        var survey = FrameSurvey()
        var pieces: [CarriedPiece] = []
        var offset = 0
        while offset < bytes.count {
            guard case .frame(let frame, let length) = LongFrameCandidate(at: offset, in: bytes.rawSpan) else {
                offset += 1
                continue
            }
            survey.noteCheck(at: offset, length: length)
            let payload = min(offset + Layout.data + DLMSCarrier.accessPoints, offset + length - Layout.trailer)
            if DLMSCarrier.dlms.contains(frame.controlInformation) {
                pieces.append(
                    CarriedPiece(
                        frame: offset..<(offset + length), payload: payload..<(offset + length - Layout.trailer),
                        startsMessage: frame.controlInformation & DLMSCarrier.sequence == 0))
            } else {
                // It has no meaning in a push, and may name a slave all the same.
                survey.noteHeader(frame.controlInformation, address: frame.address, at: offset + Layout.data)
            }
            offset += length
        }
        return (pieces, survey)
    }
}

/// Where things stand from the start of a long frame.
private enum Layout {
    static let control = 4
    static let address = 5
    static let information = 6
    static let data = 7
    /// Checksum and stop.
    static let trailer = 2
    static let identification = 4
    static let longHeader = 12
    static let shortHeader = 4
}

extension FrameSurvey {
    fileprivate mutating func note(_ frame: LongFrame, at offset: Int, length: Int) {
        noteCheck(at: offset, length: length)
        let data = offset + Layout.data
        noteHeader(frame.controlInformation, address: frame.address, at: data)
        guard let header = Self.headerLength(frame) else { return }
        noteRecords(
            Array(frame.data.dropFirst(header)), at: data + header,
            isReversed: ControlInformation(rawValue: frame.controlInformation) == .longHeaderReversed)
    }

    fileprivate mutating func noteCheck(at offset: Int, length: Int) {
        let end = offset + length
        checks.append(.sum(over: (offset + Layout.control)..<(end - Layout.trailer), at: end - Layout.trailer))
        whole.append(offset..<end)
    }

    fileprivate mutating func noteDamaged(_ bytes: [UInt8], at offset: Int) {
        guard offset + Layout.data < bytes.count else { return }
        noteHeader(
            bytes[offset + Layout.information], address: bytes[offset + Layout.address], at: offset + Layout.data)
    }

    /// The identification of the slave that answers or is selected.
    fileprivate mutating func noteHeader(_ information: UInt8, address: UInt8, at data: Int) {
        let place = BytePlaces(data..<(data + Layout.identification))
        switch ControlInformation(rawValue: information) {
        case .longHeader, .longHeaderCommand, .fixedStructure:
            identities.append(Identity(place, as: .reversedDigits))
        case .longHeaderReversed, .fixedStructureReversed:
            identities.append(Identity(place, as: .digits))
        case _ where ControlInformation.isSelection(information) && address == LinkAddress.selected:
            let isReversed = information & ControlInformation.mostSignificantFirst != 0
            identities.append(Identity(place, as: isReversed ? .digits : .reversedDigits))
        default: break
        }
    }

    /// Headers and fabrication numbers outside of whole frames, where the beginning of a frame may be lost.
    fileprivate mutating func noteTraces(in bytes: [UInt8]) {
        var gap = 0
        for frame in whole + [bytes.count..<bytes.count] {
            if gap < frame.lowerBound { noteTraces(of: bytes, in: gap..<frame.lowerBound) }
            gap = max(gap, frame.upperBound)
        }
    }

    private mutating func noteTraces(of bytes: [UInt8], in gap: Range<Int>) {
        for index in gap.dropFirst() {
            let rest = bytes[index..<gap.upperBound].dropFirst()
            switch bytes[index] {
            // CI, eight digits, a maker.
            case 0x72, 0x76:
                let isMaker = rest.count >= 6 && Self.isMaker(Array(rest.dropFirst(Layout.identification).prefix(2)))
                guard isMaker, rest.prefix(Layout.identification).allSatisfy(Self.isDigits) else { continue }
                let place = BytePlaces((index + 1)..<(index + 1 + Layout.identification))
                identities.append(Identity(place, as: bytes[index] == 0x72 ? .reversedDigits : .digits))
            // DIF and VIF of a fabrication number.
            case 0x78, 0x79:
                guard let (count, form) = Self.traces[bytes[index - 1] & 0x0F] else { continue }
                let place = BytePlaces((index + 1)..<min(index + 1 + count, gap.upperBound))
                identities.append(Identity(place, as: form))
            default: break
            }
        }
    }

    /// By the coding of the DIF.
    private static let traces: [UInt8: (count: Int, form: Identity.Form)] = [
        0x4: (4, .reversedNumber), 0x6: (6, .reversedNumber), 0x7: (8, .reversedNumber), 0xB: (3, .reversedDigits),
        0xC: (4, .reversedDigits), 0xE: (6, .reversedDigits),
    ]

    private static func isDigits(_ byte: UInt8) -> Bool { byte >> 4 <= 9 && byte & 0x0F <= 9 }

    /// In either order of the bytes.
    private static func isMaker(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == 2 else { return false }
        return [(bytes[0], bytes[1]), (bytes[1], bytes[0])].contains { low, high in
            Manufacturer.letters(of: UInt16(high) << 8 | UInt16(low)) != nil
        }
    }

    /// - Returns: nil for a frame without records, or with encrypted ones.
    private static func headerLength(_ frame: LongFrame) -> Int? {
        // Mode of encryption: the low bits of the upper configuration byte.
        func isPlain(_ configuration: Int) -> Bool {
            frame.data.count > configuration && frame.data[configuration] & 0x1F == 0
        }
        switch ControlInformation(rawValue: frame.controlInformation) {
        case .longHeader, .longHeaderCommand: return isPlain(Layout.longHeader - 1) ? Layout.longHeader : nil
        case .longHeaderReversed: return isPlain(Layout.longHeader - 2) ? Layout.longHeader : nil
        case .shortHeader, .shortHeaderCommand: return isPlain(Layout.shortHeader - 1) ? Layout.shortHeader : nil
        case .noHeader, .sendData: return 0
        default: return nil
        }
    }

    /// Records up to the first that cannot be read: the identities, and the numbers that are none.
    private mutating func noteRecords(_ bytes: [UInt8], at origin: Int, isReversed: Bool) {
        var reader = WireReader(bytes.rawSpan)
        while let first = try? reader.uint8() {
            if first == 0x2F || first == 0x7F { continue }
            guard first & 0x0F != 0x0F else { return }
            let start = reader.offset - 1
            do throws(WireError) {
                let data = try DataInformation(first: first, &reader)
                var value = ValueInformation()
                try value.read(&reader)
                let field = try DataField(data.coding, isReversed: isReversed, &reader)
                let end = origin + reader.offset
                let place = BytePlaces((end - field.count)..<end)
                if Self.secrets.contains(value.quantityName) {
                    identities.append(Identity(place, as: .secret))
                } else if Self.identifying.contains(value.quantityName) {
                    identities += Self.identity(field, at: place, isReversed: isReversed)
                } else if field.coding != .text, field.coding != .binary {
                    readings.append(BytePlaces((origin + start)..<end))
                }
            } catch {
                return
            }
        }
    }

    private static let identifying: Set<String> = [
        "Fabrication number", "Identification", "Customer location", "Customer",
    ]
    private static let secrets: Set<String> = [
        "Access code, user", "Access code, operator", "Access code, system operator", "Access code, developer",
        "Password", "Security key",
    ]

    private static func identity(
        _ field: borrowing DataField, at place: BytePlaces, isReversed: Bool
    ) -> [Identity] {
        switch field.coding {
        case .none, .real: []
        case .decimal: [Identity(place, as: isReversed ? .digits : .reversedDigits)]
        case .integer: [Identity(place, as: isReversed ? .number(digits: 0) : .reversedNumber)]
        case .text: [Identity(place, as: isReversed ? .text : .reversedText)]
        case .binary: [Identity(place, as: .octets)]
        }
    }
}
