/// A cursor over bytes from a wire. Every access is bounded; running out is an error, never a trap.
///
/// The reader borrows the bytes, so it costs no copy and cannot outlive them.
public struct WireReader: ~Escapable {
    @usableFromInline let span: RawSpan
    @usableFromInline var position: Int

    @inlinable
    @_lifetime(copy span)
    public init(_ span: RawSpan) {
        self.span = span
        self.position = 0
    }

    /// The next byte to read, from the start of the span.
    @inlinable
    public var offset: Int { position }

    @inlinable
    public var remaining: Int { span.byteCount - offset }

    @inlinable
    public var isAtEnd: Bool { offset == span.byteCount }

    /// The same bytes read from another place.
    @inlinable
    @_lifetime(copy self)
    public func rewound(to offset: Int) -> WireReader {
        var other = WireReader(span)
        other.position = min(max(0, offset), span.byteCount)
        return other
    }

    // MARK: Numbers

    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func uint8() throws(WireError) -> UInt8 {
        try load(UInt8.self)
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func int8() throws(WireError) -> Int8 {
        try load(Int8.self)
    }

    /// Two bytes, most significant first.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func uint16() throws(WireError) -> UInt16 {
        try load(UInt16.self).bigEndian
    }

    /// Four bytes, most significant first.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func uint32() throws(WireError) -> UInt32 {
        try load(UInt32.self).bigEndian
    }

    /// Eight bytes, most significant first.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func uint64() throws(WireError) -> UInt64 {
        try load(UInt64.self).bigEndian
    }

    /// A number of so many bytes, at most eight, most significant first. No bytes are 0.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func bigEndian(_ count: Int) throws(WireError) -> UInt64 {
        try littleEndian(count).byteSwapped >> UInt64(64 - 8 * min(8, count))
    }

    /// A number of so many bytes, least significant first. No bytes are 0; of more than eight those behind count nothing.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func littleEndian(_ count: Int) throws(WireError) -> UInt64 {
        guard remaining >= 8, (0...8).contains(count) else { return try littleEndianByByte(count) }
        // In bounds: checked in the line above. Every bit pattern of an integer is valid.
        let eight = unsafe span.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian
        position += count
        return eight & ((1 << UInt64(8 * count)) &- 1)
    }

    /// A number of so many bytes in an order that is not known before.
    ///
    /// - Parameter isReversed: the most significant byte comes first.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func number(_ count: Int, isReversed: Bool) throws(WireError) -> UInt64 {
        isReversed ? try bigEndian(count) : try littleEndian(count)
    }

    /// The last bytes, one by one.
    @usableFromInline
    @_lifetime(self: copy self)
    mutating func littleEndianByByte(_ count: Int) throws(WireError) -> UInt64 {
        try require(count)
        var number: UInt64 = 0
        for index in 0..<min(8, count) { number |= UInt64(span[byte: position + index]) << UInt64(8 * index) }
        position += count
        return number
    }

    /// The next byte, left where it is; nil at the end.
    @inlinable
    public func peek(ahead distance: Int = 0) -> UInt8? {
        guard distance >= 0, distance < remaining else { return nil }
        // In bounds: checked in the line above.
        return unsafe span.unsafeLoadUnaligned(fromByteOffset: offset + distance, as: UInt8.self)
    }

    // MARK: Runs of bytes

    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func skip(_ count: Int) throws(WireError) {
        try require(count)
        position += count
    }

    /// A view of the next `count` bytes.
    @inlinable
    @_lifetime(self: copy self)
    @_lifetime(copy self)
    public mutating func take(_ count: Int) throws(WireError) -> RawSpan {
        try require(count)
        let start = position
        position += count
        return span.extracting(start..<(start + count))
    }

    /// A copy of the next `count` bytes.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func bytes(_ count: Int) throws(WireError) -> [UInt8] {
        try take(count).array
    }

    // MARK: Bounds

    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    mutating func load<T: BitwiseCopyable>(_ type: T.Type) throws(WireError) -> T {
        try require(MemoryLayout<T>.size)
        // In bounds: required in the line above. Every bit pattern of an integer is valid.
        let value = unsafe span.unsafeLoadUnaligned(fromByteOffset: offset, as: type)
        position += MemoryLayout<T>.size
        return value
    }

    @inlinable @inline(__always)
    func require(_ count: Int) throws(WireError) {
        guard count >= 0, count <= remaining else { throw Self.short(of: count, at: offset, remaining: remaining) }
    }

    @usableFromInline
    static func short(of count: Int, at offset: Int, remaining: Int) -> WireError {
        WireError(.truncated, "needs \(count) bytes, \(remaining) are left", offset: offset)
    }
}

extension RawSpan {
    /// A copy of the bytes.
    @inlinable
    public var array: [UInt8] {
        // The buffer lives for the call only; the array copies it.
        unsafe withUnsafeBytes { buffer in unsafe [UInt8](buffer) }
    }

    /// The bytes as UTF-8; what is none is replaced.
    @inlinable
    public var text: String {
        // The buffer lives for the call only; the text copies it.
        unsafe withUnsafeBytes { buffer in unsafe String(decoding: buffer, as: UTF8.self) }
    }

    /// The place of the first such byte from `start` on and before `end`; `end` where there is none.
    @inlinable
    public func place(of byte: UInt8, from start: Int, to end: Int) -> Int {
        let end = min(end, byteCount)
        var index = max(0, start)
        let ones: UInt64 = 0x0101_0101_0101_0101
        while index <= end - 8 {
            // In bounds: checked in the line above. Every bit pattern of an integer is valid.
            let word = unsafe unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            // A byte that is sought is zero here, and the lowest zero byte alone sets its own top bit for sure.
            let difference = word ^ (ones &* UInt64(byte))
            let found = (difference &- ones) & ~difference & (ones << 7)
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < end, self[byte: index] != byte { index += 1 }
        return index
    }
}

extension [UInt8] {
    /// The bytes as a reader or a checksum takes them, without a copy.
    @inlinable
    public var rawSpan: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            // A view of initialised bytes that ends with the borrow of the array.
            unsafe span.bytes
        }
    }
}
