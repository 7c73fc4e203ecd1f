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

    @inlinable
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

    /// The next byte, left where it is; nil at the end.
    @inlinable
    public func peek(ahead distance: Int = 0) -> UInt8? {
        guard distance >= 0, distance < remaining else { return nil }
        // In bounds: checked in the line above.
        return unsafe span.unsafeLoadUnaligned(fromByteOffset: offset + distance, as: UInt8.self)
    }

    // MARK: Runs of bytes

    @inlinable
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

    @inlinable
    @_lifetime(self: copy self)
    mutating func load<T: BitwiseCopyable>(_ type: T.Type) throws(WireError) -> T {
        try require(MemoryLayout<T>.size)
        // In bounds: required in the line above. Every bit pattern of an integer is valid.
        let value = unsafe span.unsafeLoadUnaligned(fromByteOffset: offset, as: type)
        position += MemoryLayout<T>.size
        return value
    }

    @inlinable
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
