import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("A flag that was left on the line")
struct StrayFlagTests {
    private static let message = Sample.notification(
        "02 04 09 06 01 00 01 08 00 FF 06 00 12 D6 87 09 06 01 00 02 08 00 FF 06 00 01 5B B4")
    private static let wrapped =
        [0, 1, 0, 1, 0, 103, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message

    private static func telegrams(_ chunks: [[UInt8]]) -> [Telegram] {
        FramerVerifier.frames(PushDecoder(keys: Sample.keys), chunks: chunks)
    }

    @Test("hides neither a wrapper nor a bare message behind it, however the bytes arrive")
    func flag() {
        for input in [Self.wrapped, Self.message] {
            let telegram = Self.telegrams([input])
            #expect(telegram.count == 1)
            #expect(Self.telegrams([[0x7E] + input]) == telegram)
            #expect(Self.telegrams(([0x7E] + input).map { [$0] }) == telegram)
            for split in 1...input.count {
                let all = [0x7E] + input
                #expect(Self.telegrams([Array(all[..<split]), Array(all[split...])]) == telegram, "split at \(split)")
            }
        }
    }
}
