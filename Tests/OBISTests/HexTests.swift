import OBIS
import Testing

@Suite("Hex")
struct HexTests {
    @Test("every byte goes there and back")
    func roundTrip() {
        let bytes = (0...255).map { UInt8($0) }
        let text = Hex.string(bytes)
        #expect(text.count == 512)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(Hex.bytes(text.utf8) == bytes)
        #expect(Hex.bytes(text.uppercased().utf8) == bytes)
        #expect(Hex.string([UInt8]()) == "")
    }

    @Test("blanks and line ends are passed over")
    func blanks() {
        #expect(Hex.bytes(" 7E a0\r\n\t07 ".utf8) == [0x7E, 0xA0, 0x07])
        #expect(Hex.bytes("".utf8) == [])
        #expect(Hex.bytes(" \n".utf8) == [])
    }

    @Test(
        "anything else is refused",
        arguments: ["7", "7E A", "0x7E", "7G", "7E,A0", "é7", "７Ｅ", "7E-A0", "@A", "`a", "/0", ":0"])
    func rejects(text: String) {
        #expect(Hex.bytes(text.utf8) == nil)
    }
}
