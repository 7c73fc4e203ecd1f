/// What a framer made of the bytes so far.
public enum FramerOutput<Frame: Sendable>: Sendable {
    /// A whole frame that passed its checks.
    case frame(Frame)
    /// Something that began like a frame and was not one. `discarded` bytes were given up for it.
    case rejected(WireError, discarded: Int)
    /// Bytes between frames that belong to none.
    case noise(Int)
}

/// Cuts a stream of bytes into frames.
///
/// A framer never throws: it reports what it rejected and finds the next frame. One bad frame costs at
/// most itself. Bytes that wait for more stay buffered, at most `Limits.linkBuffer` of them.
public protocol Framer<Frame>: Sendable {
    associatedtype Frame: Sendable

    /// Whether nothing waits for more bytes. A link that falls silent while this is false calls `finish()`.
    var isIdle: Bool { get }

    /// Takes over bytes as they came.
    mutating func append(_ bytes: [UInt8])

    /// The next finding, in order; nil when more bytes are needed.
    mutating func next() -> FramerOutput<Frame>?

    /// Nothing more will come for what is buffered: the line fell silent or closed.
    /// Call `next()` until nil afterwards.
    mutating func finish()

    /// A datagram or a connection ended: what comes next begins something new on the link below. What was cut into
    /// several datagrams goes on. By default the same as `finish()`.
    mutating func endBurst()
}

extension Framer {
    public mutating func endBurst() { finish() }
}

/// Bytes that wait to be framed: appended behind, consumed from the front, never more than the limit.
///
/// Consuming moves an index; the storage is compacted when more than half of it is behind the index.
public struct LinkBuffer: Sendable {
    public private(set) var storage: [UInt8] = []
    public private(set) var start = 0
    /// Bytes consumed since the link was opened: the stream offset of the first waiting byte.
    public private(set) var streamOffset = 0

    public init() {}

    public var count: Int { storage.count - start }
    public var isEmpty: Bool { count == 0 }

    /// The waiting bytes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            // The view ends with the borrow of this buffer.
            unsafe storage.span.bytes.extracting(start..<storage.count)
        }
    }

    /// The waiting byte at `index`; nil behind the end.
    @inline(__always)
    public subscript(index: Int) -> UInt8? {
        index >= 0 && index < count ? storage[start + index] : nil
    }

    public mutating func append(_ bytes: [UInt8]) {
        storage.append(contentsOf: bytes)
    }

    /// Gives up the first `count` bytes.
    public mutating func consume(_ count: Int) {
        let consumed = min(max(0, count), self.count)
        start += consumed
        streamOffset += consumed
        if start == storage.count {
            storage.removeAll(keepingCapacity: storage.capacity <= 8192)
            start = 0
        } else if start > storage.count / 2 {
            storage.removeFirst(start)
            start = 0
        }
    }
}
