import Wire

/// One A-XDR value as a flat list of its elements in the order of the bytes.
///
///     02 02 | 09 06 01 00 01 08 00 FF | 06 00 12 D6 87      structure of octet-string, double-long-unsigned
///     tape:   [structure ×2, next 3] [octets at 4, 6 bytes] [u32 at 11, 4 bytes]
///
/// A tree of the same would cost an allocation for every level; this costs one for all.
struct AxdrTape {
    struct Item {
        let tag: AxdrTag
        /// Where the content stands in the bytes that were parsed.
        let offset: Int
        /// Elements of a container, bits of a bit-string, else content bytes.
        let count: Int
        /// The index of the item that follows this one and everything in it.
        var next: Int
    }

    private(set) var items: [Item] = []
    private let limit: Int

    subscript(index: Int) -> Item { items[index] }

    /// A tape of nothing.
    init() { limit = 0 }

    /// Parses one value from where the reader stands.
    ///
    /// - Parameters:
    ///   - limit: how many elements there may be.
    ///   - depth: in how many containers the value stands.
    /// - Throws: `truncated`, `malformed` for an unknown type, `limit` for depth and number of elements.
    init(_ reader: inout WireReader, limit: Int = Limits.axdrElements, depth: Int = 0) throws(WireError) {
        self.limit = limit
        items.reserveCapacity(min(Limits.axdrElements, 16 + reader.remaining / 4))
        try value(&reader, depth: depth)
    }

    // MARK: Tagged values

    private mutating func value(_ reader: inout WireReader, depth: Int) throws(WireError) {
        let tag = try Self.tag(&reader)
        if let length = tag.fixedLength {
            if tag == .uint32, Self.isSwappedName(reader) { return try name(&reader) }
            try append(tag, count: length, at: reader.offset)
            try reader.skip(length)
        } else if tag.isContainer {
            try container(tag, &reader, depth: depth)
        } else if tag == .compactArray {
            try compactArray(&reader, depth: depth)
        } else {
            try string(tag, &reader)
        }
    }

    /// Landis+Gyr ZMF100 in Norway write the names of currents as `06 09` instead of `09 06`. As a number it could stand nowhere:
    /// behind its four bytes comes `07`, which is no type.
    private static func isSwappedName(_ reader: borrowing WireReader) -> Bool {
        reader.peek() == AxdrTag.octetString.rawValue && reader.peek(ahead: 1) == 1 && reader.peek(ahead: 2) == 0
            && reader.peek(ahead: 4) == 7 && reader.peek(ahead: 6) == 0xFF
    }

    private mutating func name(_ reader: inout WireReader) throws(WireError) {
        try reader.skip(1)
        try append(.octetString, count: 6, at: reader.offset)
        try reader.skip(6)
    }

    private mutating func container(
        _ tag: AxdrTag, _ reader: inout WireReader, depth: Int
    ) throws(WireError) {
        try checkDepth(depth, at: reader.offset)
        let start = reader.offset
        let count = try reader.axdrLength()
        // Every element takes at least its tag.
        guard count <= reader.remaining else {
            throw WireError(
                .truncated, "\(tag.name) of \(count) elements, \(reader.remaining) bytes are left", offset: start)
        }
        let index = try open(tag, count: count, at: start)
        for _ in 0..<count { try value(&reader, depth: depth + 1) }
        items[index].next = items.count
    }

    /// A scalar that says how long it is: in bits or in bytes.
    private mutating func string(_ tag: AxdrTag, _ reader: inout WireReader) throws(WireError) {
        let count = try reader.axdrLength()
        try append(tag, count: count, at: reader.offset)
        try reader.skip(tag == .bitString ? count / 8 + (count % 8 == 0 ? 0 : 1) : count)
    }

    private mutating func scalar(_ tag: AxdrTag, _ reader: inout WireReader) throws(WireError) {
        guard let length = tag.fixedLength else { return try string(tag, &reader) }
        try append(tag, count: length, at: reader.offset)
        try reader.skip(length)
    }

    // MARK: Compact arrays

    /// `13`, the type of all elements, the length of the contents in bytes, the contents without tags
    /// (IEC 62056-6-2, 4.1.5). The elements appear on the tape as those of an ordinary array.
    private mutating func compactArray(_ reader: inout WireReader, depth: Int) throws(WireError) {
        try checkDepth(depth, at: reader.offset)
        let description = reader.offset
        try skipType(&reader, depth: depth + 1)
        let length = try reader.axdrLength()
        guard length <= reader.remaining else {
            throw WireError(
                .truncated, "compact array of \(length) bytes, \(reader.remaining) are left", offset: reader.offset)
        }
        let end = reader.offset + length
        var elements = 0
        let index = try open(.array, count: 0, at: reader.offset)
        while reader.offset < end {
            let before = reader.offset
            var type = reader.rewound(to: description)
            try untagged(&type, &reader, depth: depth + 1)
            guard reader.offset > before, reader.offset <= end else {
                throw WireError(.malformed, "compact array whose elements do not fill it", offset: before)
            }
            elements += 1
        }
        items[index] = Item(tag: .array, offset: items[index].offset, count: elements, next: items.count)
    }

    private func skipType(_ type: inout WireReader, depth: Int) throws(WireError) {
        try checkDepth(depth, at: type.offset)
        switch try Self.tag(&type) {
        case .structure:
            let count = try type.axdrLength()
            guard count <= type.remaining else { throw WireError(.truncated, "type description", offset: type.offset) }
            for _ in 0..<count { try skipType(&type, depth: depth + 1) }
        case .array:
            // With no elements, a long description could be walked again and again without any data.
            guard try type.uint16() > 0 else {
                throw WireError(.malformed, "an array of no elements in a type description", offset: type.offset)
            }
            try skipType(&type, depth: depth + 1)
        case .compactArray: throw WireError(.malformed, "compact array inside a type description", offset: type.offset)
        default: break
        }
    }

    /// One value whose type stands elsewhere. Advances both readers.
    private mutating func untagged(
        _ type: inout WireReader, _ reader: inout WireReader, depth: Int
    ) throws(WireError) {
        try checkDepth(depth, at: type.offset)
        let tag = try Self.tag(&type)
        switch tag {
        case .structure:
            let count = try type.axdrLength()
            let index = try open(tag, count: count, at: reader.offset)
            for _ in 0..<count { try untagged(&type, &reader, depth: depth + 1) }
            items[index].next = items.count
        case .array:
            let count = Int(try type.uint16())
            let element = type.offset
            let index = try open(tag, count: count, at: reader.offset)
            for _ in 0..<count {
                var elementType = type.rewound(to: element)
                try untagged(&elementType, &reader, depth: depth + 1)
            }
            items[index].next = items.count
            try skipType(&type, depth: depth + 1)
        default:
            try scalar(tag, &reader)
        }
    }

    // MARK: Bounds

    @inline(__always)
    private static func tag(_ reader: inout WireReader) throws(WireError) -> AxdrTag {
        guard let byte = reader.peek(), let tag = AxdrTag(rawValue: byte) else { throw noTag(at: reader) }
        try reader.skip(1)
        return tag
    }

    private static func noTag(at reader: borrowing WireReader) -> WireError {
        guard let byte = reader.peek() else {
            return WireError(.truncated, "needs 1 bytes, 0 are left", offset: reader.offset)
        }
        return WireError(.malformed, "no data type has the tag \(byte)", offset: reader.offset)
    }

    private func checkDepth(_ depth: Int, at offset: Int) throws(WireError) {
        guard depth < Limits.axdrDepth else {
            throw WireError(.limit, "data nested more than \(Limits.axdrDepth) levels deep", offset: offset)
        }
    }

    private mutating func open(_ tag: AxdrTag, count: Int, at offset: Int) throws(WireError) -> Int {
        try append(tag, count: count, at: offset)
        return items.count - 1
    }

    @inline(__always)
    private mutating func append(_ tag: AxdrTag, count: Int, at offset: Int) throws(WireError) {
        guard items.count < limit else { throw tooLong(at: offset) }
        items.append(Item(tag: tag, offset: offset, count: count, next: items.count + 1))
    }

    private func tooLong(at offset: Int) -> WireError {
        WireError(.limit, "data of more than \(limit) elements", offset: offset)
    }
}

extension WireReader {
    /// A length of one byte below 80, else `8n` and n bytes (IEC 61334-6; at most four here).
    @inline(__always)
    mutating func axdrLength() throws(WireError) -> Int {
        guard let first = peek(), first < 0x80 else { return try longAxdrLength() }
        try skip(1)
        return Int(first)
    }

    private mutating func longAxdrLength() throws(WireError) -> Int {
        let start = offset
        let first = try uint8()
        let count = Int(first & 0x7F)
        guard count >= 1, count <= 4 else {
            throw WireError(.malformed, "a length of \(count) bytes", offset: start)
        }
        var length: UInt32 = 0
        for _ in 0..<count { length = length << 8 | UInt32(try uint8()) }
        guard let length = Int(exactly: length) else {
            throw WireError(.limit, "a length of \(length) bytes", offset: start)
        }
        return length
    }
}
