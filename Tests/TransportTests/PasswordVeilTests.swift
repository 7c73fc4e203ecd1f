import Testing

@testable import Transport

@Suite("The password of programming mode in captures")
struct PasswordVeilTests {
    private static let message = Array("\u{1}P1\u{2}(12345678)\u{3}a".utf8)
    private static let hidden = Array("\u{1}P1\u{2}**********\u{3}*".utf8)

    private static func withParity(_ bytes: [UInt8]) -> [UInt8] {
        bytes.map { $0.nonzeroBitCount.isMultiple(of: 2) ? $0 : $0 | 0x80 }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.map { $0 & 0x7F }, as: UTF8.self) }

    @Test("is hidden in what is sent, with and without parity bits; other messages are left as they are")
    func sent() {
        var veil = PasswordVeil()
        #expect(veil.hide(sent: Self.message) == Self.hidden)
        #expect(!Self.text(veil.hide(sent: Self.withParity(Self.message))).contains("1234"))
        for other in ["\u{1}R1\u{2}1.8.0()\u{3}x", "\u{1}B0\u{3}q", "/?!\r\n", "\u{1}P1", ""] {
            #expect(veil.hide(sent: Array(other.utf8)) == Array(other.utf8))
        }
    }

    @Test("is hidden in what a head gives back, whole, in pieces, without its beginning or with parity bits")
    func echo() {
        for echo in [Self.message, Array(Self.message.dropFirst(6)), Self.withParity(Self.message)] {
            var (whole, pieces) = (PasswordVeil(), PasswordVeil())
            _ = whole.hide(sent: Self.message)
            #expect(!Self.text(whole.hide(received: echo)).contains { $0.isNumber })
            _ = pieces.hide(sent: Self.message)
            #expect(!Self.text(echo.flatMap { pieces.hide(received: [$0]) }).contains { $0.isNumber })
        }
    }

    @Test("what the meter answers later is left as it is")
    func answers() {
        var veil = PasswordVeil()
        let answer = Array("\u{2}1.8.0(000123.4*kWh)\u{3}x".utf8)
        _ = veil.hide(sent: Self.message)
        #expect(veil.hide(received: [0x06]) == [0x06])
        _ = veil.hide(sent: Array("\u{1}R1\u{2}1.8.0()\u{3}x".utf8))
        #expect(veil.hide(received: answer) == answer)
        _ = veil.hide(sent: Self.message)
        #expect(veil.hide(received: Self.message + answer).suffix(answer.count) == answer[...])
    }
}
