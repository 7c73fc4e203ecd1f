import Wire

/// How one end of a serial line makes bits of characters.
struct UARTFormat: Equatable, Sendable {
    var baud: Int
    var dataBits: Int
    /// Nil when there is no parity bit.
    var parity: LineSettings.Parity?
    var stopBits: Int
    /// Whether a wrong parity or stop bit makes a character invalid.
    var checks: Bool

    init(_ line: LineSettings) {
        baud = line.baud
        dataBits = line.dataBits
        parity = line.parity == .none ? nil : line.parity
        stopBits = line.stopBits
        checks = true
    }

    /// The reader's end, as far as a pseudo-terminal tells.
    ///
    /// A reader that does not check parity is taken to leave room for the parity bit of the meter.
    init(_ reader: PseudoTerminal.ReaderLine, meter: LineSettings) {
        baud = reader.baud
        dataBits = reader.stripsToSevenBits ? 7 : 8
        stopBits = reader.stopBits
        checks = reader.checksParity
        let meterBits = meter.dataBits + (meter.parity == .none ? 0 : 1)
        parity = reader.checksParity || meterBits > dataBits || dataBits == 7 ? reader.parity : nil
    }
}

/// A line with a sender at one end and a receiver at the other, bit by bit: with equal settings bytes pass, with
/// others they become what a real receiver makes of them.
struct UART: Sendable {
    let sender: UARTFormat
    let receiver: UARTFormat

    /// What the receiver makes of a character, and whether parity and stop bit were right.
    struct Character: Equatable {
        let byte: UInt8
        let isValid: Bool
    }

    /// Sends bytes without pause and receives them.
    func transfer(_ bytes: [UInt8]) -> [Character] {
        guard sender.baud > 0, receiver.baud > 0 else { return [] }
        let line = bytes.flatMap(bits)
        var characters: [Character] = []
        var index = 0
        while let edge = fallingEdge(on: line, from: index) {
            guard let (character, end) = character(on: line, from: edge) else {
                // Shorter than half a bit of the receiver: no start bit.
                index = edge + 1
                continue
            }
            characters.append(character)
            index = max(edge + 1, end)
        }
        return characters
    }

    /// Start bit, data from the lowest bit, parity, stop.
    private func bits(_ byte: UInt8) -> [Bool] {
        var bits = [false]
        for bit in 0..<sender.dataBits { bits.append(byte >> bit & 1 == 1) }
        if let parity = sender.parity {
            bits.append(Self.parityBit(bits.dropFirst(), parity))
        }
        return bits + Array(repeating: true, count: sender.stopBits)
    }

    private static func parityBit(_ data: ArraySlice<Bool>, _ parity: LineSettings.Parity) -> Bool {
        let isOdd = data.count { $0 } % 2 == 1
        return parity == .odd ? !isOdd : isOdd
    }

    /// The first bit that is low after a high one. The line is high before and after.
    private func fallingEdge(on line: [Bool], from start: Int) -> Int? {
        var index = start
        while index > 0, index < line.count, !line[index - 1], !line[index] { index += 1 }
        while index < line.count, line[index] { index += 1 }
        return index < line.count ? index : nil
    }

    /// Samples each bit in its middle. Time is counted so that both ends' bits are whole numbers: one bit of the
    /// sender lasts `receiver.baud`, one of the receiver `sender.baud`.
    ///
    /// - Returns: the character and the sender's bit in which it ended; nil when there is no start bit.
    private func character(on line: [Bool], from edge: Int) -> (Character, end: Int)? {
        func place(_ bit: Int) -> Int {
            (edge * receiver.baud * 2 + (2 * bit + 1) * sender.baud) / (2 * receiver.baud)
        }
        func level(_ bit: Int) -> Bool {
            let index = place(bit)
            return index < line.count ? line[index] : true
        }
        guard !level(0) else { return nil }
        let data = (1...receiver.dataBits).map(level)
        var last = receiver.dataBits
        var isValid = true
        if let parity = receiver.parity {
            last += 1
            isValid = level(last) == Self.parityBit(data[...], parity)
        }
        isValid = level(last + 1) && isValid
        let byte = data.enumerated().reduce(UInt8(0)) { byte, bit in byte | (bit.element ? 1 << bit.offset : 0) }
        return (Character(byte: byte, isValid: isValid), place(last + 1))
    }
}
