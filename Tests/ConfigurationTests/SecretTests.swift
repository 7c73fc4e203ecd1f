import Configuration
import Foundation
import OBIS
import Testing

@Suite("Secrets")
struct SecretTests {
    private static let hex = "00112233445566778899aabbccddeeff"
    private static let key = Secret((0...15).map { $0 * 17 })

    private func keyOf(_ keys: String, _ files: FakeFiles, credentials: String? = nil) throws -> Secret? {
        try loader(files, credentials: credentials).load(text: meter(keys), file: "/etc/obisd.yaml").meters.first?
            .settings.encryptionKey
    }

    @Test("come from a file beside the configuration, from any path, and from a credential of systemd")
    func sources() throws {
        let files = FakeFiles(texts: [
            "/etc/main.key": Self.hex, "/keys/main": Self.hex + "\n",
            "/run/credentials/obisd.service/main": "00112233 44556677\n8899AABB CCDDEEFF\n",
        ])
        #expect(try keyOf("encryption_key_file: main.key", files) == Self.key)
        #expect(try keyOf("encryption_key_file: /keys/main", files) == Self.key)
        let credentials = "/run/credentials/obisd.service"
        #expect(try keyOf("encryption_key_credential: main", files, credentials: credentials) == Self.key)
        #expect(try keyOf("name: Main", files) == nil)
    }

    @Test("a password is the content of its file without the line end", arguments: ["word", "word\n", "word\r\n"])
    func password(content: String) throws {
        let files = FakeFiles(texts: ["p": content])
        let broker = try load("broker: {username: u, password_file: p}", files).broker
        #expect(broker.password == Secret(Array("word".utf8)))
        #expect(
            try load("broker: {username: u, password_file: p}", FakeFiles(texts: ["p": " two\nlines\n"])).broker
                .password?.count == 10)
    }

    @Test(
        "are refused where they stand in the configuration or do not fit",
        arguments: [
            ("encryption_key: CANARY", "do not stand in the configuration", "write `encryption_key_file: <path>`"),
            ("authentication_key: [CANARY]", "do not stand in the configuration", "authentication_key_file"),
            ("encryption_key_file: CANARY", "there is no such file", "beside the file"),
            ("encryption_key_file: short", "holds 15 bytes", "32 hexadecimal digits"),
            ("encryption_key_file: odd", "something else than pairs", "32 hexadecimal digits"),
            ("encryption_key_file: text", "something else than pairs", "32 hexadecimal digits"),
            ("encryption_key_file: large", "too large", "small text file"),
            ("encryption_key_file: locked", "may not read", "chmod 640"),
            ("encryption_key_credential: CANARY", "only within the service", "LoadCredential="),
            ("encryption_key_credential: /CANARY", "must be the name of a credential", "encryption_key_file"),
            ("encryption_key_file: a\nencryption_key_credential: CANARY", "stands here as well", "keep one"),
            ("encryption_key_file:", "has no value", "leave the key out"),
        ])
    func refusals(keys: String, message: String, remedy: String) {
        let files = FakeFiles(
            texts: [
                "short": String(Self.hex.dropLast(2)), "odd": Self.hex + "0", "text": "CANARY",
                "large": String(repeating: "CANARY", count: 1000),
            ],
            problems: ["locked": .notPermitted])
        let found = errors(meter(keys), loader(files))
        #expect(found.count == 1 && found[0].key.hasPrefix("meters[0].") && found[0].line >= 5)
        #expect(found.first?.message.contains(message) == true, "\(found)")
        #expect(found.first?.remedy?.contains(remedy) == true, "\(found)")
        #expect(!"\(found)".contains("CANARY"))
    }

    @Test("a credential that is not there names the unit's setting")
    func missingCredential() {
        let found = errors(meter("encryption_key_credential: CANARY"), loader(credentials: "/run/credentials/x"))
        #expect(found.first?.remedy?.contains("LoadCredential=") == true)
        #expect(!"\(found)".contains("CANARY"))
    }

    @Test("a check outside of the service only warns of credentials")
    func checkedByHand() throws {
        var loader = loader()
        loader.secrets = .allButCredentials
        let configuration = try loader.load(text: meter("encryption_key_credential: main"), file: "obisd.yaml")
        #expect(configuration.warnings.map(\.key) == ["meters[0].encryption_key_credential"])
        #expect(configuration.meters.count == 1)
    }

    @Test("where nothing is opened with them, secrets that are not there are warned of")
    func unneeded() throws {
        var loader = loader(FakeFiles(texts: [:]))
        let text =
            "broker: {username: u, password_file: p, tls: {cert_file: c, key_file: c}}\n"
            + meter("encryption_key_file: k")
        #expect(throws: ConfigurationError.self) { try loader.load(text: text, file: "obisd.yaml") }
        loader.secrets = .none
        let configuration = try loader.load(text: text, file: "obisd.yaml")
        #expect(
            configuration.warnings.map(\.key)
                == [
                    "broker.password_file", "broker.tls.cert_file", "broker.tls.key_file",
                    "meters[0].encryption_key_file",
                ])
        #expect(configuration.meters.first?.settings.encryptionKey == nil)
    }

    @Test("a file that every user may read is a warning")
    func mode() throws {
        let files = FakeFiles(texts: ["k": Self.hex, "p": "word", "c": ""], open: ["k", "p", "c"])
        let text =
            "broker: {username: u, password_file: p, tls: {cert_file: c, key_file: c}}\n"
            + meter("encryption_key_file: k")
        let warnings = try load(text, files).warnings
        #expect(
            warnings.map(\.key) == ["broker.password_file", "broker.tls.key_file", "meters[0].encryption_key_file"])
        #expect(warnings.allSatisfy { $0.message.contains("every user") && $0.remedy?.contains("chmod") == true })
    }

    @Test("a password without a user name is refused")
    func passwordAlone() {
        let files = FakeFiles(texts: ["p": "CANARY"])
        let found = errors("broker: {password_file: p}", loader(files))
        #expect(found.map(\.key) == ["broker"] && !"\(found)".contains("CANARY"))
    }

    @Test("the key of a client certificate has the same forms")
    func clientKey() throws {
        let files = FakeFiles(texts: ["c": "", "/run/credentials/x/client": ""])
        let text = "broker: {tls: {cert_file: c, key_credential: client}}"
        let tls = try loader(files, credentials: "/run/credentials/x").load(text: text, file: "obisd.yaml").broker.tls
        #expect(tls == Broker.TLS(certFile: "c", keyFile: "/run/credentials/x/client"))
    }

    @Test("the plain key of a meter that is not enabled is refused as well")
    func disabled() {
        let found = errors(meter("enabled: false\nencryption_key: CANARY"))
        #expect(found.map(\.key) == ["meters[0].encryption_key"] && !"\(found)".contains("CANARY"))
    }

    @Test(
        "no slip shows a word that may be one",
        arguments: [
            "broker: CANARY", "broker: {password: CANARY}", "broker: {password: {a: CANARY}}",
            "broker: {host: \"u:CANARY@h\"}",
            "broker: {host: \"mqtt://u:CANARY@h:1883\"}", "broker:\n  password_file CANARY\n",
            "broker: {password: \"CANARY}",
            "broker: {password: CANARY, password: CANARY}", "broker: {password_file: CANARY}",
            "broker: {passwort: CANARY}",
            "meters: [{id: m, protocol: dlms-push, transport: {tcp: \"u:CANARY@h\"}}]",
            "broker: {password: &x CANARY, host: *y}",
            "broker: {password_file: {CANARY: 1}}", "broker: {password: !vault CANARY}", "broker: {username: [CANARY]}",
        ])
    func canary(text: String) {
        let found = errors(text)
        #expect(!found.isEmpty)
        #expect(!"\(found)".contains("CANARY") && !ConfigurationError(found).description.contains("CANARY"), "\(found)")
    }

    @Test("a loaded configuration shows no secret when it is printed")
    func printed() throws {
        let files = FakeFiles(texts: ["k": Self.hex, "p": "CANARY"])
        let text = "broker: {username: u, password_file: p}\n" + meter("encryption_key_file: k")
        let configuration = try load(text, files)
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("CANARY") && !"\(configuration)".contains("CANARY") && !dumped.contains("34, 51"))
    }
}
