import OBIS
import Testing

@testable import Daemon

@Suite("What tells one telegram of a device from the next")
struct FingerprintTests {
    private func telegram(_ count: Int, last: Int64) -> Telegram {
        let text = Register(obis: ObisCode(0, 1, 96, 13, 0), value: .text(String(repeating: "x", count: count)))
        let volume = Register(
            obis: ObisCode(0, 1, 24, 2, 1), value: .number(FixedDecimal(last)), unit: .cubicMetre)
        return Telegram(meter: MeterIdentity(id: "1"), registers: [text, volume])
    }

    @Test("is every value, also behind a long text, and takes little room in the journal", arguments: [0, 100, 10_000])
    func complete(count: Int) {
        let first = telegram(count, last: 7).fingerprint
        #expect(first == telegram(count, last: 7).fingerprint)
        #expect(first != telegram(count, last: 8).fingerprint)
        #expect(first.count <= 64)
    }
}
