import OBIS

/// Makes ids that sort by the time at which they were made (ULID: 48 bits of milliseconds, 80 random bits).
public struct ULIDSource: Sendable {
    private let random: @Sendable () -> UInt64
    private var last: (milliseconds: UInt64, high: UInt16, low: UInt64)?

    /// - Parameter random: 64 new random bits at each call.
    public init(random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }) {
        self.random = random
    }

    /// A new id of 26 characters: greater than the one before, where both are of the same millisecond.
    public mutating func next(at time: Timestamp) -> String {
        let milliseconds = UInt64(clamping: time.milliseconds) & 0xFFFF_FFFF_FFFF
        var id = (milliseconds: milliseconds, high: UInt16(truncatingIfNeeded: random()), low: random())
        if let last, last.milliseconds == milliseconds {
            let (low, carry) = last.low.addingReportingOverflow(1)
            id = (milliseconds, carry ? last.high &+ 1 : last.high, low)
        }
        last = id
        return Self.text(UInt128(milliseconds) << 80 | UInt128(id.high) << 64 | UInt128(id.low))
    }

    /// Crockford's alphabet: no I, L, O and U.
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    private static func text(_ bits: UInt128) -> String {
        let characters = stride(from: 125, through: 0, by: -5).map { shift in
            alphabet[Int(truncatingIfNeeded: (bits >> UInt128(shift)) & 31)]
        }
        return String(decoding: characters, as: UTF8.self)
    }
}
