import OBIS
import Testing

@Suite("Secret")
struct SecretTests {
    private struct Holder {
        var name = "meter"
        var secret: Secret?
        var list: [Secret]
        var table: [String: Secret]
    }

    @Test("never prints, however it is printed")
    func silence() {
        let secret = Secret(Array("hunter2!".utf8))
        let holder = Holder(secret: secret, list: [secret], table: ["key": secret])
        var dumped = ""
        dump(secret, to: &dumped)
        dump(holder, to: &dumped)
        dump(Optional(secret), to: &dumped)
        let printed = [
            "\(secret)", "\([secret])", "\(String(describing: Optional(secret)))", "\(holder)",
            String(describing: secret),
            String(reflecting: secret), String(reflecting: holder), secret.description, secret.debugDescription,
            "\(Mirror(reflecting: secret))", "\(Mirror(reflecting: secret).children.map { "\($0)" })", dumped,
        ]
        for text in printed {
            // As text, as hexadecimal and as decimal numbers.
            for trace in ["hunter", "68756e", "68, 75", "104, 117", "117"] { #expect(!text.contains(trace), "\(text)") }
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
        #expect("\(secret)" == "•••")
    }

    @Test("lends its bytes, and compares and hashes by them")
    func use() {
        let secret = Secret([1, 2, 3])
        #expect(secret.withBytes { $0 } == [1, 2, 3])
        #expect(secret.count == 3)
        #expect(secret == Secret([1, 2, 3]))
        for other in [[], [1, 2], [1, 2, 4], [0, 2, 3], [1, 2, 3, 0]] as [[UInt8]] { #expect(secret != Secret(other)) }
        #expect(secret.hashValue == Secret([1, 2, 3]).hashValue)
        #expect(Secret([]) == Secret([]))
    }

    @Test("an error of the borrower passes through")
    func failure() {
        struct Stop: Error {}
        #expect(throws: Stop.self) { try Secret([1]).withBytes { _ throws(Stop) in throw Stop() } }
    }
}
