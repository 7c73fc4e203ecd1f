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

    /// Which check the digits are.
    ///
    /// - Returns: nil where they are none of those allowed.
    func kind(of sent: UInt16, allowing allowed: P1Checksum) -> P1Checksum? {
        switch allowed {
        case .arc: sent == arc ? .arc : nil
        case .x25: sent == x25 ? .x25 : nil
        case .auto: sent == arc ? .arc : sent == x25 && !isOneBitAway(sent) ? .x25 : nil
        case .none: nil
        }
    }

    func error(for sent: UInt16, as allowed: P1Checksum) -> WireError {
        let computed = allowed == .x25 ? x25 : arc
        let hint = allowed == .auto && sent == x25 ? "; as CRC-16/X-25 it would be right" : ""
        let message = "the check is \(Self.hex(sent)), computed \(Self.hex(computed))\(hint)"
        return WireError(.checksum, message, offset: bytes.count - 1)
    }

    private var x25: UInt16 { Checksum.x25(bytes.rawSpan) }

    /// Whether one flipped bit explains why the digits are not CRC-16/ARC. Among the thousands of bits of a
    /// telegram there would be one now and then that makes CRC-16/X-25 out of it.
    private func isOneBitAway(_ sent: UInt16) -> Bool {
        let difference = sent ^ arc
        // One of the four digits.
        if (0..<4).contains(where: { difference & ~(0xF << (4 * $0)) == 0 }) { return true }
        // What a bit changes, from the last one of the telegram to the first.
        var change: UInt16 = 0xA001
        for _ in 0..<(8 * bytes.count) {
            if change == difference { return true }
            change = change & 1 == 1 ? change >> 1 ^ 0xA001 : change >> 1
        }
        return false
    }

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
