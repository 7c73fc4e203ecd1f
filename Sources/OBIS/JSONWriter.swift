/// Builds one JSON text with keys in the order in which they are written and every digit of a number.
///
/// The general-purpose encoders lose trailing zeros and order, which the contract promises to keep.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init(capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    /// The text so far.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Structure

    /// Writes `{…}` as the next value.
    public mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
        open(UInt8(ascii: "{"))
        try body(&self)
        close(UInt8(ascii: "}"))
    }

    /// Writes `[…]` as the next value.
    public mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
        open(UInt8(ascii: "["))
        try body(&self)
        close(UInt8(ascii: "]"))
    }

    /// Writes `"name":`; a value must follow. The name has nothing to escape.
    public mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        put(name)
        put("\":")
        needsComma = false
    }

    /// The same for a name that is not known before.
    public mutating func key(named name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes the members of an object that were written elsewhere, without its braces.
    public mutating func members(_ json: [UInt8]) {
        guard !json.isEmpty else { return }
        separate()
        bytes += json
    }

    // MARK: Values

    public mutating func null() {
        separate()
        put("null")
    }

    public mutating func bool(_ value: Bool) {
        separate()
        put(value ? "true" : "false")
    }

    public mutating func number(_ value: FixedDecimal) {
        separate()
        value.write(to: &bytes)
    }

    /// A number as text, for readers that would make a binary number of it.
    public mutating func digits(_ value: FixedDecimal) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        value.write(to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    public mutating func number(_ value: some BinaryInteger) {
        guard let short = Int64(exactly: value) else {
            separate()
            bytes.append(contentsOf: "\(value)".utf8)
            return
        }
        number(FixedDecimal(short))
    }

    public mutating func string(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        appendEscaped(value)
        bytes.append(UInt8(ascii: "\""))
    }

    public mutating func timestamp(_ value: Timestamp) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        value.write(to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    // MARK: Members

    public mutating func member(_ name: StaticString, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ value: FixedDecimal?) {
        key(name)
        if let value { number(value) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ value: (some BinaryInteger)?) {
        key(name)
        if let value { number(value) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        bool(value)
    }

    public mutating func member(_ name: StaticString, _ value: Timestamp?) {
        key(name)
        if let value { timestamp(value) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ body: (inout JSONWriter) throws -> Void) rethrows {
        key(name)
        try object(body)
    }

    // Names that are not known before.

    public mutating func member(named name: String, _ value: String?) {
        key(named: name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(named name: String, _ value: FixedDecimal?) {
        key(named: name)
        if let value { number(value) } else { null() }
    }

    public mutating func member(named name: String, _ value: (some BinaryInteger)?) {
        key(named: name)
        if let value { number(value) } else { null() }
    }

    public mutating func member(named name: String, _ body: (inout JSONWriter) throws -> Void) rethrows {
        key(named: name)
        try object(body)
    }

    /// Ends a line of JSON Lines; the next value starts anew.
    public mutating func newline() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    // MARK: Bytes

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func put(_ text: StaticString) {
        // The text is part of the program, and the array copies it.
        text.withUTF8Buffer { utf8 in unsafe bytes.append(contentsOf: utf8) }
    }

    /// Almost no text has anything to escape: it is taken over as a whole.
    private mutating func appendEscaped(_ text: String) {
        var text = text
        // The view ends with the call, which copies it.
        let isPlain = text.withUTF8 { utf8 in
            // Without a way out of the loop, so that several bytes are looked at in one step.
            let escaped = unsafe utf8.reduce(UInt8(0)) { $0 | (Self.isEscaped($1) ? 1 : 0) }
            if escaped == 0 { unsafe bytes.append(contentsOf: utf8) }
            return escaped == 0
        }
        if !isPlain { for byte in text.utf8 { appendEscaped(byte) } }
    }

    /// RFC 8259, 7: quotation mark, reverse solidus and control characters.
    @inline(__always)
    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0x0A: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
        case 0x0D: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
        case 0x09: bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
        case 0..<0x20:
            bytes.append(contentsOf: "\\u00".utf8)
            bytes.append(contentsOf: Hex.digits(byte))
        default: bytes.append(byte)
        }
    }
}

extension JSONWriter {
    /// A register's value as the contract shows it: number, string or null.
    public mutating func value(_ value: RegisterValue) {
        switch value {
        case .number(let number): self.number(number)
        case .wide(let digits): string(digits)
        case .text(let text): string(text)
        case .flag(let flag): bool(flag)
        case .time(let time): string(time.local)
        case .unavailable: null()
        }
    }
}
