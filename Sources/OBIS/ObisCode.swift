/// The name of a measured quantity: six value groups `A-B:C.D.E*F` (IEC 62056-6-1).
///
///     A medium   B channel   C quantity   D processing   E tariff or phase   F billing period, 255 = current
///
/// A meter prints the code whole or reduced (`1.8.0`, `32.7`, `F.F`); a DLMS object carries six bytes.
public struct ObisCode: Hashable, Sendable {
    public var a: UInt8
    public var b: UInt8
    public var c: UInt8
    public var d: UInt8
    public var e: UInt8
    public var f: UInt8

    @inlinable
    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8 = 255) {
        self.a = a
        self.b = b
        self.c = c
        self.d = d
        self.e = e
        self.f = f
    }

    /// The quantity without medium, channel and billing period: what a mapping matches on.
    @inlinable
    public var quantity: Quantity { Quantity(c: c, d: d, e: e) }

    /// Value groups C, D and E.
    public struct Quantity: Hashable, Sendable {
        public let c: UInt8
        public let d: UInt8
        public let e: UInt8

        @inlinable
        public init(c: UInt8, d: UInt8, e: UInt8) {
            self.c = c
            self.d = d
            self.e = e
        }
    }
}

// MARK: - Text

extension ObisCode {
    /// Reads any spelling: `1-0:1.8.0*255`, `1-0:1.8.0&01`, `1.8.0`, `32.7`, `1.8.1.01`, `F.F`, `C.1.0`, `0-0:C.1.0`.
    ///
    /// A reduced code belongs to electricity, or to the abstract objects (A = 0) when group C is one of
    /// theirs. Group E defaults to 0, F to 255. The letters C, F, L and P stand for 96, 97, 98 and 99
    /// (IEC 62056-21 A.2).
    ///
    /// - Returns: nil when the text is not an OBIS code.
    public init?(_ text: some StringProtocol) {
        let ascii = Array(text.utf8)
        self.init(ascii: ascii.span)
    }

    /// The same over the bytes of a telegram.
    public init?(ascii: Span<UInt8>) {
        var parser = Parser()
        for i in ascii.indices {
            guard parser.consume(ascii[i]) else { return nil }
        }
        guard let code = parser.finish() else { return nil }
        self = code
    }

    private struct Parser {
        private enum Group: Int {
            case c = 2, d, e, f
            case start = 0, b = 1
        }

        private var values: (a: UInt8?, b: UInt8?) = (nil, nil)
        private var c: UInt8 = 0
        private var d: UInt8 = 0
        private var e: UInt8 = 0
        private var f: UInt8 = 255
        private var group = Group.start
        private var current: UInt8 = 0
        private var digits = 0
        private var isLetter = false
        private var quantityIsLetter = false

        mutating func consume(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): return digit(byte &- UInt8(ascii: "0"))
            case UInt8(ascii: "C"): return letter(96)
            case UInt8(ascii: "F"): return letter(97)
            case UInt8(ascii: "L"): return letter(98)
            case UInt8(ascii: "P"): return letter(99)
            case UInt8(ascii: "-"): return close(into: .b, when: group == .start)
            case UInt8(ascii: ":"): return close(into: .c, when: group == .b)
            case UInt8(ascii: "."): return dot()
            case UInt8(ascii: "*"), UInt8(ascii: "&"): return close(into: .f, when: group == .d || group == .e)
            default: return false
            }
        }

        mutating func finish() -> ObisCode? {
            guard group.rawValue >= Group.d.rawValue, store() else { return nil }
            let isAbstract = values.a == nil && (c == 96 || c == 97)
            return ObisCode(values.a ?? (isAbstract ? 0 : 1), values.b ?? 0, c, d, e, f)
        }

        private mutating func digit(_ value: UInt8) -> Bool {
            guard digits < 3, !isLetter else { return false }
            let (tens, overflow) = current.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(value)
            guard !overflow, !carry else { return false }
            current = sum
            digits += 1
            return true
        }

        /// A letter stands alone in group C, or in D after a letter (`F.F`).
        private mutating func letter(_ value: UInt8) -> Bool {
            guard digits == 0, group == .start || group == .c || (group == .d && quantityIsLetter) else { return false }
            if group == .start { group = .c }
            if group == .c { quantityIsLetter = true }
            current = value
            digits = 1
            isLetter = true
            return true
        }

        private mutating func dot() -> Bool {
            switch group {
            case .start:
                group = .c
                return close(into: .d, when: true)
            case .c: return close(into: .d, when: true)
            case .d: return close(into: .e, when: true)
            case .e: return close(into: .f, when: true)
            case .b, .f: return false
            }
        }

        private mutating func close(into next: Group, when allowed: Bool) -> Bool {
            guard allowed, store() else { return false }
            group = next
            current = 0
            digits = 0
            isLetter = false
            return true
        }

        private mutating func store() -> Bool {
            guard digits > 0 else { return false }
            switch group {
            case .start: values.a = current
            case .b: values.b = current
            case .c: c = current
            case .d: d = current
            case .e: e = current
            case .f: f = current
            }
            return true
        }
    }
}

extension ObisCode: CustomStringConvertible {
    /// The full spelling, `1-0:1.8.0*255`.
    public var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the same to a text that is being built.
    public func write(to bytes: inout [UInt8]) {
        for (group, separator) in [(a, "-"), (b, ":"), (c, "."), (d, "."), (e, "*")] as [(UInt8, Unicode.Scalar)] {
            bytes.appendDigits(Int64(group), width: 1)
            bytes.append(UInt8(ascii: separator))
        }
        bytes.appendDigits(Int64(f), width: 1)
    }
}

extension ObisCode: Comparable {
    /// By value groups, A first: the order in which catalogues list codes.
    public static func < (lhs: ObisCode, rhs: ObisCode) -> Bool {
        lhs.packed < rhs.packed
    }

    /// Six bytes as one number, A highest; what is above counts nothing.
    @inlinable
    public init(packed: UInt64) {
        self.init(
            UInt8(truncatingIfNeeded: packed >> 40), UInt8(truncatingIfNeeded: packed >> 32),
            UInt8(truncatingIfNeeded: packed >> 24), UInt8(truncatingIfNeeded: packed >> 16),
            UInt8(truncatingIfNeeded: packed >> 8), UInt8(truncatingIfNeeded: packed))
    }

    /// The six groups as one number, A highest.
    @inlinable
    public var packed: UInt64 {
        UInt64(a) << 40 | UInt64(b) << 32 | UInt64(c) << 24 | UInt64(d) << 16 | UInt64(e) << 8 | UInt64(f)
    }
}
