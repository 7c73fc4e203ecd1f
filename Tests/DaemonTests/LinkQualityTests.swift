import OBIS
import Testing
import Wire

@testable import Daemon

@Suite("The quality of a line")
struct LinkQualityTests {
    private func quality(whole: Int, damaged: Int, _ code: WireError.Code = .checksum) -> FixedDecimal? {
        var link = LinkQuality()
        for _ in 0..<whole { link.arrived() }
        for _ in 0..<damaged { link.rejected(code) }
        return link.share
    }

    @Test(
        "is the share of the newest hundred messages that arrived whole, rounded down",
        arguments: [
            (0, 0, nil), (1, 0, "1.000"), (0, 1, "0.000"), (2, 1, "0.666"), (99, 1, "0.990"), (500, 3, "0.970"),
            (100, 250, "0.000"),
        ] as [(Int, Int, String?)])
    func share(whole: Int, damaged: Int, expected: String?) {
        #expect(quality(whole: whole, damaged: damaged)?.description == expected)
    }

    @Test("counts what is wrong with the line, not what is wrong with a key", arguments: WireError.Code.allCases)
    func codes(code: WireError.Code) {
        let isLine = [.checksum, .truncated, .framing, .malformed, .limit, .timeout].contains(code)
        #expect(quality(whole: 1, damaged: 1, code)?.description == (isLine ? "0.500" : "1.000"))
    }
}
