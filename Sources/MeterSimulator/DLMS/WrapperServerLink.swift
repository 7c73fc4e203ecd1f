import OBIS

/// The meter's end of the wrapper over TCP and UDP (IEC 62056-47).
///
///     00 01 | source port 2 | destination port 2 | length 2 | message
struct WrapperServerLink: Sendable {
    private static let headerLength = 8

    let address: UInt16
    private var input: [UInt8] = []

    init(address: UInt16) {
        self.address = address
    }

    mutating func lineFellSilent() {
        input = []
    }

    /// - Returns: the messages that the meter sends, each with its header.
    mutating func receive(
        _ bytes: [UInt8], _ server: inout DLMSServer, house: Household, time: MeterTime
    ) -> [[UInt8]] {
        input += bytes
        var answers: [[UInt8]] = []
        while let (client, destination, apdu) = next() {
            guard destination == address else { continue }
            let messages = server.receive(apdu: apdu, from: client, house: house, at: time)
            answers += messages.map { Self.message($0, from: destination, to: client) }
        }
        return answers
    }

    private mutating func next() -> (source: UInt16, destination: UInt16, apdu: [UInt8])? {
        guard input.count >= Self.headerLength else { return nil }
        func number(_ offset: Int) -> UInt16 { UInt16(input[offset]) << 8 | UInt16(input[offset + 1]) }
        guard number(0) == 1 else {
            // No other version: there is no way to find the next message.
            input = []
            return nil
        }
        let end = Self.headerLength + Int(number(6))
        guard input.count >= end else { return nil }
        defer { input.removeFirst(end) }
        return (number(2), number(4), Array(input[Self.headerLength..<end]))
    }

    private static func message(_ apdu: [UInt8], from source: UInt16, to destination: UInt16) -> [UInt8] {
        [1, source, destination, UInt16(clamping: apdu.count)].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } + apdu
    }
}
