import COSEM
import Wire

/// An address of one, two or four bytes: its upper half, and the lower one where there is one.
struct HDLCAddress: Equatable {
    let upper: UInt16
    let lower: UInt16?

    init?(_ bytes: [UInt8]) {
        func half(_ part: ArraySlice<UInt8>) -> UInt16 { part.reduce(0) { $0 << 7 | UInt16($1 >> 1) } }
        switch bytes.count {
        case 1: (upper, lower) = (half(bytes[...]), nil)
        case 2, 4:
            let middle = bytes.count / 2
            (upper, lower) = (half(bytes[..<middle]), half(bytes[middle...]))
        default: return nil
        }
    }
}

/// The next thing in what came in. Takes it away.
enum HDLCScan: Equatable {
    case frame(HDLCFrame)
    /// A header that promises a frame, with a wrong check sequence.
    case damaged

    /// - Returns: nil where more bytes are needed.
    init?(_ input: inout [UInt8]) {
        while let start = input.firstIndex(of: HDLCFrame.flag) {
            input.removeFirst(start)
            while input.count > 1, input[1] == HDLCFrame.flag { input.removeFirst() }
            guard input.count >= 3 else { return nil }
            let length = Int(input[1] & 0x07) << 8 | Int(input[2])
            guard input[1] & 0xF0 == 0xA0, length >= 7 else {
                input.removeFirst()
                continue
            }
            guard input.count >= length + 2 else { return nil }
            guard input[length + 1] == HDLCFrame.flag, let frame = Self.frame(Array(input[1...length])) else {
                input.removeFirst()
                self = .damaged
                return
            }
            // The closing flag may open the next frame.
            input.removeFirst(length + 1)
            self = .frame(frame)
            return
        }
        input = []
        return nil
    }

    /// - Parameter bytes: what stands between the flags.
    private static func frame(_ bytes: [UInt8]) -> HDLCFrame? {
        guard isRight(bytes[...]) else { return nil }
        guard let destination = address(bytes.dropFirst(2)),
            let source = address(bytes.dropFirst(2 + destination.count))
        else { return nil }
        let control = 2 + destination.count + source.count
        let rest = bytes[(control + 1)...].dropLast(2)
        guard rest.isEmpty || rest.count > 2 && isRight(bytes[..<(control + 3)]) else { return nil }
        return HDLCFrame(
            destination: destination, source: source, control: bytes[control], isSegmented: bytes[0] & 0x08 != 0,
            information: Array(rest.dropFirst(2)))
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        for count in [1, 2, 4] where bytes.count > count + 2 {
            let address = Array(bytes.prefix(count))
            if address.last.map({ $0 & 1 == 1 }) == true { return address }
        }
        return nil
    }

    /// Whether the last two bytes are the check sequence of those before, low byte first.
    private static func isRight(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard bytes.count > 2 else { return false }
        let value = Checksum.x25(Array(bytes.dropLast(2)).rawSpan)
        return Array(bytes.suffix(2)) == [UInt8(value & 0xFF), UInt8(value >> 8)]
    }
}
