import Wire

/// The check of one telegram, computed over `/` to `!` as the meter sent them.
struct P1Check {
    /// Whether CR was put back in front of LF.
    let hasRestoredLineEnds: Bool
    private let bytes: [UInt8]
    private let arc: UInt16

    /// - Parameter raw: from `/` to `!`, both included, as received.
    init(_ raw: [UInt8]) {
        hasRestoredLineEnds = !raw.contains(Control.carriageReturn)
        let bytes = hasRestoredLineEnds ? Self.restored(raw) : raw
        arc = Checksum.arc(bytes.rawSpan)
        self.bytes = bytes
    }

    /// Which check the digits are. Both polynomials are divisible by x + 1, so that the parity of either check is the
    /// parity of the telegram: an odd number of flipped bits never makes a right one of the other kind.
    ///
    /// - Returns: nil where they are none of those allowed.
    func kind(of sent: UInt16, allowing allowed: P1Checksum) -> P1Checksum? {
        switch allowed {
        case .arc: sent == arc ? .arc : nil
        case .x25: sent == x25 ? .x25 : nil
        case .auto: sent == arc ? .arc : sent == x25 ? .x25 : nil
        case .none: nil
        }
    }

    /// The check of a kind, high byte first.
    func value(as kind: P1Checksum) -> [UInt8] {
        let value = kind == .x25 ? x25 : arc
        return [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    /// - Parameter offset: of the digits.
    func error(for sent: UInt16, as allowed: P1Checksum, at offset: Int) -> WireError {
        let computed = allowed == .x25 ? x25 : arc
        let message = "the check is \(Self.hex(sent)), computed \(Self.hex(computed))"
        return WireError(.checksum, message, offset: offset)
    }

    private var x25: UInt16 { Checksum.x25(bytes.rawSpan) }

    /// A terminal that turns CR into LF leaves LF LF, one that drops it LF.
    private static func restored(_ raw: [UInt8]) -> [UInt8] {
        let isDoubled = hasDoubledLineFeeds(raw)
        var result: [UInt8] = []
        result.reserveCapacity(raw.count + raw.count / 16)
        var isSecond = false
        for byte in raw {
            if byte == Control.lineFeed, isDoubled {
                result.append(isSecond ? Control.lineFeed : Control.carriageReturn)
                isSecond.toggle()
            } else {
                if byte == Control.lineFeed { result.append(Control.carriageReturn) }
                result.append(byte)
            }
        }
        return result
    }

    /// The last character is no line feed, so that each run of them has an end.
    private static func hasDoubledLineFeeds(_ raw: [UInt8]) -> Bool {
        var run = 0
        for byte in raw {
            if byte != Control.lineFeed, !run.isMultiple(of: 2) { return false }
            run = byte == Control.lineFeed ? run + 1 : 0
        }
        return true
    }

    private static func hex(_ value: UInt16) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}
