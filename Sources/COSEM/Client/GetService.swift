import OBIS
import Wire

/// Why an attribute was not given (IEC 62056-5-3, 7.3.1: data-access-result).
struct DataAccessResult: Sendable, Hashable {
    let rawValue: UInt8

    private static let names: [UInt8: String] = [
        1: "hardware fault", 2: "temporary failure", 3: "read-write denied", 4: "object undefined",
        9: "object class inconsistent", 11: "object unavailable", 12: "type unmatched", 13: "scope of access violated",
        14: "data block unavailable", 15: "long get aborted", 16: "no long get in progress",
        19: "data block number invalid", 250: "other reason",
    ]

    var name: String { Self.names[rawValue] ?? "data access result \(rawValue)" }

    /// Whether another class of the same name may be there.
    var meansOtherClass: Bool { rawValue == 4 || rawValue == 9 || rawValue == 11 }
    /// Whether the object is not there, or not for this client.
    var meansMissing: Bool { meansOtherClass || rawValue == 3 || rawValue == 13 }
    /// Whether the same question may be answered later.
    var isTemporary: Bool { rawValue == 1 || rawValue == 2 }
}

/// One attribute as it was given, or why not.
enum AttributeResult: Sendable, Hashable {
    /// A-XDR.
    case data([UInt8])
    case refused(DataAccessResult)
}

/// Which part of an attribute is wanted (IEC 62056-6-2, 4.3.6: profile generic).
///
///     01 | 01 | structure: restricting object {class, name, attribute, index}, from, to, array of columns, 00: all
struct RangeDescriptor: Sendable, Hashable {
    /// Of the column that the range is about: the clock.
    var column: CosemAttribute
    /// Civil times of the meter's clock.
    var from: MeterTime
    var to: MeterTime

    var encoded: [UInt8] {
        let object: [UInt8] =
            [0x02, 0x04, 0x12] + column.interfaceClass.octets + [0x09] + column.name.octets.withLength
            + [0x0F, column.attribute, 0x12, 0x00, 0x00]
        return [0x01, 0x01, 0x02, 0x04] + object + Self.time(from) + Self.time(to) + [0x01, 0x00]
    }

    private static func time(_ time: MeterTime) -> [UInt8] { [0x09] + DateTime.octets(time).withLength }
}

/// One request of GET and the answers to it, block after block (IEC 62056-5-3, 6.7).
///
///     C0 01 invoke | class name attribute | 00, or 01 and the part          C4 01 invoke | 00 data, or 01 error
///     C0 03 invoke | count | the same for each                              C4 03 invoke | count | the same for each
///     C0 02 invoke | block number 4                                         C4 02 invoke | last | number 4 | 00 raw data
struct GetExchange: Sendable {
    static let requestTag: UInt8 = 0xC0
    static let responseTag: UInt8 = 0xC4

    let attributes: [CosemAttribute]
    private let part: RangeDescriptor?
    private let isList: Bool
    let invoke: UInt8
    private var raw: [UInt8] = []
    private var lastBlock: UInt32 = 0

    /// What an answer leads to.
    enum Outcome: Sendable {
        case request([UInt8])
        /// In the order of the attributes.
        case done([AttributeResult])
        /// It answers another request.
        case foreign
    }

    /// - Parameter invoke: invoke-id and priority; a later answer to an earlier request is told by it.
    init(_ attributes: [CosemAttribute], part: RangeDescriptor? = nil, invoke: UInt8) {
        self.attributes = attributes
        self.part = part
        self.invoke = invoke
        isList = attributes.count != 1
    }

    /// A request that somebody else sent; nil for one of a next block, and for what is none.
    ///
    /// Which part is asked for does not matter to the answer.
    init?(request: [UInt8]) {
        var reader = WireReader(request.rawSpan)
        guard (try? reader.uint8()) == Self.requestTag, let choice = try? reader.uint8(), choice == 1 || choice == 3,
            let invoke = try? reader.uint8(), let count = choice == 1 ? 1 : try? reader.axdrLength()
        else { return nil }
        var attributes: [CosemAttribute] = []
        for _ in 0..<count {
            guard let attribute = CosemAttribute(&reader) else { return nil }
            attributes.append(attribute)
        }
        self.attributes = attributes
        self.invoke = invoke
        part = nil
        isList = choice == 3
    }

    /// Bytes of a request of so many attributes.
    static func length(ofRequestFor count: Int) -> Int { count == 1 ? 13 : 4 + 10 * count }

    var request: [UInt8] {
        let access = part?.encoded ?? [0x00]
        if !isList, let only = attributes.first { return [Self.requestTag, 0x01, invoke] + only.octets + access }
        return attributes.reduce([Self.requestTag, 0x03, invoke, UInt8(clamping: attributes.count)]) {
            $0 + $1.octets + [0x00]
        }
    }

    // MARK: Answers

    /// - Throws: what is no answer to the request.
    mutating func take(_ bytes: [UInt8]) throws(WireError) -> Outcome {
        var reader = WireReader(bytes.rawSpan)
        guard try reader.uint8() == Self.responseTag else {
            throw WireError(.malformed, "no answer to a GET", offset: 0)
        }
        let choice = try reader.uint8()
        // The priority may be answered differently.
        guard try reader.uint8() & 0x0F == invoke & 0x0F else { return .foreign }
        switch (choice, isList) {
        case (0x01, false): return .done([try Self.result(&reader, isLast: true)])
        case (0x02, _): return try takeBlock(&reader)
        case (0x03, true): return .done(try results(&reader))
        default: throw WireError(.malformed, "a GET response of the wrong kind (\(choice))", offset: 1)
        }
    }

    private static func result(_ reader: inout WireReader, isLast: Bool) throws(WireError) -> AttributeResult {
        let choice = try reader.uint8()
        switch choice {
        case 0x00:
            let start = reader.offset
            _ = try AxdrTape(&reader, limit: Limits.answerElements)
            if isLast { try requireEnd(reader) }
            let length = reader.offset - start
            var again = reader.rewound(to: start)
            return .data(try again.bytes(length))
        case 0x01:
            let result = AttributeResult.refused(DataAccessResult(rawValue: try reader.uint8()))
            if isLast { try requireEnd(reader) }
            return result
        default: throw WireError(.malformed, "a result that is neither data nor an error", offset: reader.offset)
        }
    }

    private static func requireEnd(_ reader: borrowing WireReader) throws(WireError) {
        guard reader.isAtEnd else {
            throw WireError(.malformed, "\(reader.remaining) bytes behind the answer", offset: reader.offset)
        }
    }

    private func results(_ reader: inout WireReader) throws(WireError) -> [AttributeResult] {
        let count = try reader.axdrLength()
        guard count == attributes.count else {
            throw WireError(.malformed, "\(count) results for \(attributes.count) attributes", offset: reader.offset)
        }
        var results: [AttributeResult] = []
        for _ in 0..<count { results.append(try Self.result(&reader, isLast: false)) }
        try Self.requireEnd(reader)
        return results
    }

    private mutating func takeBlock(_ reader: inout WireReader) throws(WireError) -> Outcome {
        let isLast = try reader.uint8() != 0
        let number = try reader.uint32()
        guard try reader.uint8() == 0x00 else {
            return .done(
                Array(
                    repeating: .refused(DataAccessResult(rawValue: try reader.uint8())), count: attributes.count))
        }
        guard number == lastBlock &+ 1 else {
            throw WireError(.framing, "block \(number) after block \(lastBlock)")
        }
        let length = try reader.axdrLength()
        guard raw.count + length <= Limits.apdu else {
            throw WireError(.limit, "an answer of more than \(Limits.apdu) bytes")
        }
        raw += try reader.bytes(length)
        try Self.requireEnd(reader)
        lastBlock = number
        guard isLast else { return .request([Self.requestTag, 0x02, invoke] + number.octets) }
        return .done(try assembled())
    }

    /// The blocks of one attribute hold its data alone.
    private func assembled() throws(WireError) -> [AttributeResult] {
        var reader = WireReader(raw.rawSpan)
        if isList { return try results(&reader) }
        _ = try AxdrTape(&reader, limit: Limits.answerElements)
        try Self.requireEnd(reader)
        return [.data(raw)]
    }
}

/// Answers the challenge of the server (IEC 62056-6-2, 4.4.4): method 1 of the association object, the only ACTION that
/// this program sends.
struct ProofExchange: Sendable {
    static let responseTag: UInt8 = 0xC7

    private let proof: [UInt8]
    private let invoke: UInt8

    init(_ proof: [UInt8], invoke: UInt8) {
        self.proof = proof
        self.invoke = invoke
    }

    var request: [UInt8] {
        [0xC3, 0x01, invoke] + UInt16(15).octets + ObisCode(0, 0, 40, 0, 0).octets + [0x01, 0x01, 0x09]
            + proof.withLength
    }

    /// - Returns: the server's own proof; nil where it gives none.
    /// - Throws: `authentication` where it does not accept ours.
    func take(_ bytes: [UInt8]) throws(WireError) -> [UInt8]? {
        var reader = WireReader(bytes.rawSpan)
        guard try reader.uint8() == Self.responseTag, try reader.uint8() == 0x01 else {
            throw WireError(.malformed, "no answer to the proof of the authentication")
        }
        guard try reader.uint8() & 0x0F == invoke & 0x0F else {
            throw WireError(.malformed, "an answer to another request")
        }
        guard try reader.uint8() == 0 else {
            throw WireError(
                .authentication,
                "the meter does not accept the answer to its challenge: check the password and the keys")
        }
        guard !reader.isAtEnd, try reader.uint8() == 0x01, try reader.uint8() == 0x00 else { return nil }
        guard try reader.uint8() == AxdrTag.octetString.rawValue else { return nil }
        let count = try reader.axdrLength()
        return try reader.bytes(count)
    }
}

extension CosemAttribute {
    /// Reads a descriptor and what selects a part of the attribute.
    fileprivate init?(_ reader: inout WireReader) {
        guard let interfaceClass = try? reader.uint16(), let name = try? reader.bytes(6),
            let attribute = try? reader.uint8(), let hasSelection = try? reader.uint8()
        else { return nil }
        if hasSelection != 0 {
            guard (try? reader.skip(1)) != nil, (try? AxdrTape(&reader)) != nil else { return nil }
        }
        self.init(
            interfaceClass: interfaceClass, name: ObisCode(name[0], name[1], name[2], name[3], name[4], name[5]),
            attribute: attribute)
    }
}
