import OBIS
import TestSupport
import Testing

@Suite("ObisCode")
struct ObisCodeTests {
    @Test(
        "reads every spelling",
        arguments: [
            ("1-0:1.8.0*255", "1-0:1.8.0*255"), ("1-0:1.8.0", "1-0:1.8.0*255"), ("1.8.0", "1-0:1.8.0*255"),
            ("1.8", "1-0:1.8.0*255"), ("32.7", "1-0:32.7.0*255"), ("1-0:32.7", "1-0:32.7.0*255"),
            ("1-0:1.8.0&01", "1-0:1.8.0*1"), ("1-0:1.8.0*01", "1-0:1.8.0*1"), ("1.8.0*1", "1-0:1.8.0*1"),
            ("1.8.1.01", "1-0:1.8.1*1"), ("1.8.0*00", "1-0:1.8.0*0"), ("1-1:1.8.0*255", "1-1:1.8.0*255"),
            ("7-0:3.0.0*255", "7-0:3.0.0*255"), ("0-0:1.0.0*255", "0-0:1.0.0*255"), ("1.6.1*126", "1-0:1.6.1*126"),
            ("0.0", "1-0:0.0.0*255"), ("0.9.1", "1-0:0.9.1*255"), ("1-65:1.8.0", "1-65:1.8.0*255"),
            ("255-255:255.255.255*255", "255-255:255.255.255*255"), ("0-0:0.0.0*0", "0-0:0.0.0*0"),
            ("001-000:001.008.000*255", "1-0:1.8.0*255"), ("1.8*01", "1-0:1.8.0*1"), ("1.8&1", "1-0:1.8.0*1"),
            ("12.7.124", "1-0:12.7.124*255"),
        ])
    func spellings(text: String, canonical: String) {
        #expect(ObisCode(text)?.description == canonical)
        #expect(ObisCode(text[...])?.description == canonical)
    }

    @Test(
        "reads the letters of the abstract and the list objects",
        arguments: [
            ("F.F", "0-0:97.97.0*255"), ("0-0:F.F", "0-0:97.97.0*255"), ("1-0:F.F.0*255", "1-0:97.97.0*255"),
            ("F.F.0", "0-0:97.97.0*255"), ("C.1.0", "0-0:96.1.0*255"), ("0-0:C.1.0*255", "0-0:96.1.0*255"),
            ("0-0:C.1.0", "0-0:96.1.0*255"), ("1-0:C.1.0", "1-0:96.1.0*255"), ("C.1", "0-0:96.1.0*255"),
            ("C.7.0", "0-0:96.7.0*255"), ("L.1", "1-0:98.1.0*255"), ("P.01", "1-0:99.1.0*255"),
            ("P.01.0*12", "1-0:99.1.0*12"), ("1-0:P.01", "1-0:99.1.0*255"), ("96.1.0", "0-0:96.1.0*255"),
            ("97.97.0", "0-0:97.97.0*255"), ("C.1.0*03", "0-0:96.1.0*3"),
        ])
    func letters(text: String, canonical: String) {
        #expect(ObisCode(text)?.description == canonical)
    }

    @Test(
        "refuses what is no code",
        arguments: [
            "", "1", "F", "1.", ".8", "1..8", "1.8.", "1.8.0*", "1.8.0&", "*255", "1-0", "1-0:", "1-0:1", "1:1.8.0",
            "-0:1.8.0", "1-:1.8.0", "1-0-1.8.0", "1-0:1:8.0", "1.8.0*255*1", "1.8.0&1&2", "1.8.0.1.2", "256.8.0",
            "1.256", "1.8.256", "1.8.0*256", "256-0:1.8.0", "1-256:1.8.0", "1000.8", "0001.8", "1.8.0 ", " 1.8.0",
            "1.8.0\n", "1,8,0", "a.b", "f.f", "c.1.0", "A.1", "FF.F", "F1.0", "1F.0", "1.F", "1.8.F", "F-0:1.8.0",
            "1-F:1.8.0", "C.1.F", "1.8.0*F", "1.-8", "+1.8.0", "1.8.0*-1", "١.٨.٠", "1-0:1.8.0*255\u{0}", "\u{0}",
            "!", "()", "1/8.0", "1-0:*255",
        ])
    func rejects(text: String) {
        #expect(ObisCode(text) == nil)
    }

    @Test("every six bytes survive their text and order by groups")
    func roundTrip() {
        var random = SeededGenerator(seed: 5)
        var codes: [ObisCode] = []
        for _ in 0..<2000 {
            func byte() -> UInt8 { UInt8.random(in: 0...255, using: &random) }
            let code = ObisCode(byte(), byte(), byte(), byte(), byte(), byte())
            #expect(ObisCode(code.description) == code)
            codes.append(code)
        }
        func groups(_ code: ObisCode) -> [UInt8] { [code.a, code.b, code.c, code.d, code.e, code.f] }
        for (left, right) in zip(codes, codes.dropFirst()) {
            #expect((left < right) == groups(left).lexicographicallyPrecedes(groups(right)))
        }
    }

    @Test("no short text of the alphabet stops the program, and what is read prints and reads again")
    func shortTexts() {
        let alphabet = Array("019CF-:.*&".utf8)
        for number in 0..<100_000 {
            var (rest, text) = (number, [UInt8]())
            for _ in 0..<5 {
                text.append(alphabet[rest % 10])
                rest /= 10
            }
            guard let code = ObisCode(ascii: text.span) else { continue }
            #expect(ObisCode(code.description) == code)
        }
    }

    @Test("the quantity leaves medium, channel and period out")
    func quantity() {
        #expect(ObisCode("1-1:1.8.0*5")?.quantity == ObisCode("1.8.0")?.quantity)
        #expect(ObisCode("1.8.1")?.quantity != ObisCode("1.8.0")?.quantity)
        #expect(ObisCode(1, 0, 1, 8, 0).f == 255)
        #expect(ObisCode(1, 2, 3, 4, 5, 6).packed == 0x01_02_03_04_05_06)
    }
}
