@testable import COSEM
import Crypto
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Ciphering")
struct CipheringTests {
    // MARK: The published vector

    private static let title = Sample.hex("4D4D4D0000BC614E")
    private static let counter = Sample.hex("01234567")
    private static let plaintext = Sample.hex("C0010000080000010000FF0200")
    private static let ciphertext = Sample.hex("411312FF935A47566827C467BC")

    @Test(
        "opens the known vector of every security control",
        arguments: [
            (0x30, ciphertext + Sample.hex("7D825C3BE4A77C3FCC056B6B"), true),
            (0x10, plaintext + Sample.hex("06725D910F9221D263877516"), true), (0x20, ciphertext, false),
        ] as [(UInt8, [UInt8], Bool)])
    func vectors(control: UInt8, content: [UInt8], isAuthenticated: Bool) throws {
        let bytes = Message.bytes(title: Self.title, control: control, counter: Self.counter, content: content)
        let opened = try Self.open(bytes, Sample.keys)
        #expect(opened.plaintext == Self.plaintext)
        #expect(opened.isAuthenticated == isAuthenticated)
        for bit in 0..<96 where control & 0x10 != 0 {
            var damaged = bytes
            damaged[damaged.count - 12 + bit / 8] ^= 1 << (bit % 8)
            #expect(throws: WireError(.authentication, "")) { try Self.open(damaged, Sample.keys) }
        }
    }

    private static func open(_ bytes: [UInt8], _ keys: CipheringKeys) throws(WireError) -> CipheredContent.Opened {
        var reader = WireReader(bytes.rawSpan)
        let message = try GeneralCiphering(&reader)
        return try message.open(with: keys) { _ in true }
    }

    // MARK: Messages of our own

    /// A general-glo-ciphering message, sealed here.
    private enum Message {
        static func bytes(title: [UInt8], control: UInt8, counter: [UInt8], content: [UInt8]) -> [UInt8] {
            let body = [control] + counter + content
            return [0xDB, UInt8(title.count)] + title + Sample.length(body.count) + body
        }

        static func sealed(
            _ plaintext: [UInt8], control: UInt8, counter: UInt32 = 7, encryption: [UInt8] = Sample.encryptionKey,
            authentication: [UInt8] = Sample.authenticationKey
        ) throws -> [UInt8] {
            let counterBytes = (0..<4).map { UInt8(truncatingIfNeeded: counter >> (24 - 8 * $0)) }
            let isEncrypted = control & 0x20 != 0
            let hasTag = control & 0x10 != 0
            let box = try AES.GCM.seal(
                isEncrypted ? plaintext : [], using: SymmetricKey(data: encryption),
                nonce: AES.GCM.Nonce(data: Sample.systemTitle + counterBytes),
                authenticating: !hasTag ? [] : [control] + authentication + (isEncrypted ? [] : plaintext))
            let tag: [UInt8] = hasTag ? Array(Array(box.tag).prefix(12)) : []
            let content = (isEncrypted ? [UInt8](box.ciphertext) : plaintext) + tag
            return bytes(title: Sample.systemTitle, control: control, counter: counterBytes, content: content)
        }
    }

    private static let message = Sample.notification("02 02 09 06 01 00 01 08 00 FF 06 00 12 D6 87")

    @Test(
        "messages under every security control are read, in a frame, in blocks, bare and wrapped",
        arguments: [0x10, 0x20, 0x30] as [UInt8])
    func everyControl(control: UInt8) throws {
        let sealed = try Message.sealed(Self.message, control: control, counter: 0xFFFF_FFFE)
        let plain = Sample.decode(Sample.frame(Sample.header + Self.message)).telegrams
        var expected = try #require(plain.first)
        expected.meter.manufacturer = "LGZ"
        expected.ciphering = Ciphering(
            systemTitle: Sample.systemTitle, securityControl: control, invocationCounter: 0xFFFF_FFFE,
            isAuthenticated: control != 0x20)
        for input in [
            Sample.frame(Sample.header + sealed), Sample.blocks(sealed, count: 3).flatMap { $0 },
            Sample.header + sealed,
            sealed, Sample.wrapper(sealed),
        ] {
            let result = Sample.decode(input)
            #expect(result.telegrams == [expected])
            #expect(result.errors == [])
        }
    }

    @Test(
        "without the authentication key the tag is not checked, and that is said",
        arguments: [0x10, 0x20, 0x30] as [UInt8])
    func encryptionKeyAlone(control: UInt8) throws {
        let sealed = try Message.sealed(Self.message, control: control)
        let keys = CipheringKeys(encryption: Secret(Sample.encryptionKey))
        let result = Sample.decode(Sample.frame(Sample.header + sealed), keys: keys)
        #expect(result.telegrams.first?.ciphering?.isAuthenticated == false)
        #expect(result.telegrams.count == 1)
    }

    @Test("an authenticated plain message is read without any key")
    func plainWithoutKeys() throws {
        let sealed = try Message.sealed(Self.message, control: 0x10)
        let result = Sample.decode(Sample.frame(Sample.header + sealed), keys: CipheringKeys())
        #expect(result.telegrams.first?.ciphering?.isAuthenticated == false)
        #expect(result.telegrams.first?.registers.map(\.value) == [.number(1_234_567)])
    }

    // MARK: What goes wrong

    @Test("a missing key, a wrong encryption key, a wrong authentication key and a damaged frame are told apart")
    func fourErrors() {
        let wrong = Secret(Array(repeating: 0x5A, count: 16))
        let right = Sample.keys
        var damaged = Sample.authenticated
        damaged[60] ^= 0x10
        let cases: [(String, [UInt8], CipheringKeys, WireError.Code)] = [
            ("no key", Sample.authenticated, CipheringKeys(), .keyMissing),
            (
                "authentication key alone", Sample.authenticated, CipheringKeys(authentication: right.authentication),
                .keyMissing
            ),
            (
                "wrong encryption key", Sample.authenticated,
                CipheringKeys(encryption: wrong, authentication: right.authentication), .decryption
            ),
            ("wrong encryption key alone", Sample.authenticated, CipheringKeys(encryption: wrong), .decryption),
            (
                "both keys wrong", Sample.authenticated, CipheringKeys(encryption: wrong, authentication: wrong),
                .decryption
            ),
            (
                "wrong authentication key", Sample.authenticated,
                CipheringKeys(encryption: right.encryption, authentication: wrong), .authentication
            ),
            ("damaged frame", damaged, right, .checksum),
            ("no key, no tag", Sample.encrypted, CipheringKeys(), .keyMissing),
            ("wrong key, no tag", Sample.encrypted, CipheringKeys(encryption: wrong), .decryption),
        ]
        for (name, bytes, keys, code) in cases {
            let result = Sample.decode(bytes, keys: keys)
            #expect(result.telegrams == [], "\(name)")
            #expect(result.codes == [code], "\(name): \(result.errors)")
        }
    }

    @Test("no message says what the keys are")
    func silence() {
        var printed = "\(Sample.keys)"
        dump(Sample.keys, to: &printed)
        let wrong = CipheringKeys(
            encryption: Secret(Sample.authenticationKey), authentication: Secret(Sample.encryptionKey))
        for keys in [wrong, CipheringKeys(encryption: Secret([1, 2, 3])), CipheringKeys()] {
            printed += Sample.decode(Sample.authenticated, keys: keys).errors.map(\.description).joined()
        }
        dump(PushDecoder(keys: Sample.keys), to: &printed)
        for trace in ["00010203", "d0d1d2", "D0D1D2", "208, 209", "0, 1, 2", "- 209", "- 0\n- 1\n"] {
            #expect(!printed.contains(trace), "\(trace)")
        }
    }

    @Test(
        "a flipped bit of the message is never a telegram where the tag is checked", arguments: [0x10, 0x30] as [UInt8])
    func tampered(control: UInt8) throws {
        let sealed = try Message.sealed(Self.message, control: control)
        for bit in 0..<(sealed.count * 8) {
            var damaged = sealed
            damaged[bit / 8] ^= 1 << (bit % 8)
            let result = Sample.decode(Sample.frame(Sample.header + damaged))
            // Without its bit for the tag it is a message that claims none: its structure must fail.
            #expect(result.telegrams == [], "bit \(bit)")
            #expect(result.errors.count >= 1, "bit \(bit)")
        }
    }

    @Test("a wrong key never gives a telegram, also without a tag")
    func wrongKeys() {
        var random = SeededGenerator(seed: 30)
        for _ in 0..<200 {
            let key = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
            let result = Sample.decode(Sample.encrypted, keys: CipheringKeys(encryption: Secret(key)))
            #expect(result.telegrams == [])
            #expect(result.codes == [.decryption])
        }
    }

    @Test("a key of a wrong length is an error, not a trap", arguments: [0, 1, 15, 17, 24, 32, 33])
    func keyLengths(length: Int) {
        let odd = Secret(Array(repeating: 1, count: length))
        let result = Sample.decode(Sample.authenticated, keys: CipheringKeys(encryption: odd, authentication: odd))
        #expect(result.codes == [.decryption])
        let authentication = CipheringKeys(encryption: Secret(Sample.encryptionKey), authentication: odd)
        #expect(Sample.decode(Sample.authenticated, keys: authentication).codes == [.authentication])
    }

    @Test(
        "security controls that are not read are refused before any key is used",
        arguments: [
            (0x32, .unsupported), (0x3F, .unsupported), (0x22, .unsupported), (0x70, .unsupported),
            (0x60, .unsupported),
            (0xB0, .unsupported), (0xA0, .unsupported), (0x40, .unsupported), (0x80, .unsupported), (0x00, .malformed),
            (0xFF, .unsupported),
        ] as [(UInt8, WireError.Code)])
    func otherControls(control: UInt8, code: WireError.Code) {
        let content = Array(repeating: UInt8(0), count: 40)
        let bytes = Message.bytes(title: Sample.systemTitle, control: control, counter: [0, 0, 0, 1], content: content)
        for keys in [Sample.keys, CipheringKeys()] {
            let result = Sample.decode(Sample.frame(Sample.header + bytes), keys: keys)
            #expect(result.codes == [code])
            #expect(result.telegrams == [])
        }
    }

    @Test("a system title of another length is refused", arguments: [0, 1, 7, 9, 127])
    func titles(length: Int) {
        let bytes = Message.bytes(
            title: Array(repeating: 1, count: length), control: 0x30, counter: [0, 0, 0, 1],
            content: Array(repeating: 0, count: 40))
        #expect(Sample.decode(Sample.frame(Sample.header + bytes)).codes == [.unsupported])
    }

    @Test("a message cut at any byte is refused", arguments: [0x10, 0x20, 0x30] as [UInt8])
    func cut(control: UInt8) throws {
        let sealed = try Message.sealed(Self.message, control: control)
        for count in 1..<sealed.count {
            let result = Sample.decode(Sample.frame(Sample.header + sealed.prefix(count)))
            #expect(result.telegrams == [])
            #expect(result.codes == [.truncated], "\(count): \(result.errors)")
        }
    }

    @Test("a length too short for its parts is refused", arguments: [0x10, 0x20, 0x30] as [UInt8])
    func shortLengths(control: UInt8) {
        for length in 0..<20 {
            let bytes = [0xDB, 8] + Sample.systemTitle + [UInt8(length), control] + Array(repeating: 0, count: 40)
            let result = Sample.decode(Sample.frame(Sample.header + bytes))
            #expect(result.telegrams == [])
            #expect(result.errors.count >= 1)
        }
    }

    @Test("what is inside must be one data-notification", arguments: [0x20, 0x30] as [UInt8])
    func inside(control: UInt8) throws {
        let inner = try Message.sealed(Self.message, control: control)
        let others: [[UInt8]] = [
            [], [0x0F], inner, Sample.block(1, isLast: true, Self.message), Self.message + [0],
            Self.message + Self.message,
            Sample.header + Self.message, [0xC4, 1, 2, 3], Array(Self.message.dropLast()),
        ]
        for content in others {
            let sealed = try Message.sealed(content, control: control)
            let result = Sample.decode(Sample.frame(Sample.header + sealed))
            #expect(result.telegrams == [])
            #expect(result.errors.count == 1)
        }
    }

    @Test("bytes behind a ciphered message or a block are no message, and nothing in front of them is trusted")
    func bytesBehind() throws {
        for message in [try Message.sealed(Self.message, control: 0x30), Sample.block(1, isLast: true, Self.message)] {
            for tail in [[0x00], [0xE6, 0xE7], [0x30, 0x5D, 0x7E], message] as [[UInt8]] {
                for input in [
                    Sample.frame(Sample.header + message + tail), Sample.wrapper(message + tail), message + tail,
                ] {
                    let result = Sample.decode(input)
                    #expect(result.telegrams == [])
                    #expect(result.codes == [.malformed])
                }
            }
        }
    }

    @Test("a block missing from a ciphered message drops it before anything is decrypted")
    func missingBlock() throws {
        let blocks = Sample.blocks(try Message.sealed(Self.message, control: 0x30), count: 4)
        for missing in 0..<4 {
            var rest = blocks
            rest.remove(at: missing)
            let result = Sample.decode(rest + [Sample.bareValues])
            #expect(result.telegrams.count == 1)
            #expect(!result.codes.contains(.decryption) && !result.codes.contains(.authentication))
            #expect(!result.errors.isEmpty)
        }
    }
}
