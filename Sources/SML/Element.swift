import OBIS
import Wire

/// The head of one SML element: its type and its length (SML 1.04, binary encoding).
///
///     bit 7: another byte of length follows | bits 6-4: type | bits 3-0: length
///     7x  list of x elements                  5x, 6x  signed, unsigned integer of x - 1 bytes
///     0x  x - 1 octets                        42      boolean
///     83 02  octets, length 32 hex: 48 and the two bytes of the head
///     01  an optional element that is left out
///     00  the end of a message
///
/// Further bytes of length have four bits each, the high ones first. The length of a list counts elements, any other
/// counts bytes and includes the head.
struct Element: Hashable {
    enum Kind {
        case octets, boolean, signed, unsigned, list

        /// - Parameter bits: 6 to 4 of a head, and bit 7 where that is one.
        /// - Returns: nil for a type that there is not.
        @inline(__always)
        init?(bits: UInt8) {
            switch bits {
            case 0: self = .octets
            case 4: self = .boolean
            case 5: self = .signed
            case 6: self = .unsigned
            case 7: self = .list
            default: return nil
            }
        }
    }

    let kind: Kind
    /// Bytes of content, or elements of a list. Never more than bytes are left.
    let count: Int

    var isOmitted: Bool { kind == .octets && count == 0 }

    /// More bytes of length than any file needs, so that a length never overflows.
    private static let longestHead = 8

    /// Reads the next head.
    @inline(__always)
    static func next(_ reader: inout WireReader) throws(WireError) -> Element {
        // Nearly every head is one byte, with its content behind it.
        if let byte = reader.peek(), let kind = Kind(bits: byte >> 4) {
            let count = Int(byte & 15) - (kind == .list ? 0 : 1)
            if count >= 0, count < reader.remaining {
                try reader.skip(1)
                return Element(kind: kind, count: count)
            }
        }
        return try any(&reader)
    }

    /// Reads a head of any length, and says what is wrong with it.
    @inline(never)
    private static func any(_ reader: inout WireReader) throws(WireError) -> Element {
        let start = reader.offset
        var byte = try reader.uint8()
        guard let kind = Kind(bits: byte >> 4 & 7) else {
            throw WireError(.malformed, "no SML type has the number \(byte >> 4 & 7)", offset: start)
        }
        var length = Int(byte & 15)
        while byte & 0x80 != 0 {
            guard reader.offset - start < longestHead else {
                throw WireError(.malformed, "the length of an element does not end", offset: start)
            }
            byte = try reader.uint8()
            length = length << 4 | Int(byte & 15)
        }
        let count = kind == .list ? length : length - (reader.offset - start)
        guard count >= 0 else {
            throw WireError(.malformed, "a message ends too early, or a length is impossible", offset: start)
        }
        guard count <= reader.remaining else {
            throw WireError(.malformed, "a length of \(length), \(reader.remaining) bytes are left", offset: start)
        }
        return Element(kind: kind, count: count)
    }

    // MARK: Content

    /// Passes over the next element with everything in it.
    @inline(__always)
    static func skip(_ reader: inout WireReader, depth: Int = 0) throws(WireError) {
        let element = try next(&reader)
        guard element.kind == .list else { return try reader.skip(element.count) }
        try element.skipContent(&reader, depth: depth)
    }

    func skipContent(_ reader: inout WireReader, depth: Int = 0) throws(WireError) {
        guard kind == .list else { return try reader.skip(count) }
        guard depth < Limits.smlDepth else {
            throw WireError(.limit, "more than \(Limits.smlDepth) lists inside of each other", offset: reader.offset)
        }
        for _ in 0..<count { try Self.skip(&reader, depth: depth + 1) }
    }

    /// Reads the head of a list that must have so many elements.
    @inline(__always)
    static func list(of count: Int, _ reader: inout WireReader) throws(WireError) {
        let start = reader.offset
        guard try next(&reader) == Element(kind: .list, count: count) else {
            throw WireError(.malformed, "no list of \(count) where one must be", offset: start)
        }
    }

    /// The next element's octets; nil where they are left out.
    static func octets(_ reader: inout WireReader) throws(WireError) -> [UInt8]? {
        let start = reader.offset
        let element = try next(&reader)
        guard element.kind == .octets else {
            throw WireError(.malformed, "no octets where they must be", offset: start)
        }
        return element.isOmitted ? nil : try reader.bytes(element.count)
    }

    /// The next element's unsigned number; nil where it is left out.
    @inline(__always)
    static func unsigned(_ reader: inout WireReader) throws(WireError) -> UInt64? {
        let start = reader.offset
        let element = try next(&reader)
        if element.isOmitted { return nil }
        guard element.kind == .unsigned else {
            throw WireError(.malformed, "no unsigned number where one must be", offset: start)
        }
        return try element.bits(&reader)
    }

    /// The next element's signed number; nil where it is left out.
    @inline(__always)
    static func signed(_ reader: inout WireReader) throws(WireError) -> Int64? {
        let start = reader.offset
        let element = try next(&reader)
        if element.isOmitted { return nil }
        guard element.kind == .signed else {
            throw WireError(.malformed, "no signed number where one must be", offset: start)
        }
        return element.signExtended(try element.bits(&reader))
    }

    /// The content as a number of one to eight bytes, most significant first: meters leave out leading bytes.
    @inline(__always)
    func bits(_ reader: inout WireReader) throws(WireError) -> UInt64 {
        guard (1...8).contains(count) else {
            throw WireError(.malformed, "an integer of \(count) bytes", offset: reader.offset)
        }
        return try reader.bigEndian(count)
    }

    /// Fills the bytes that were left out with the sign.
    func signExtended(_ bits: UInt64) -> Int64 {
        let missing = UInt64(64 - 8 * min(8, count))
        return Int64(bitPattern: bits << missing) >> Int64(missing)
    }
}
