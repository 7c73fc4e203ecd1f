import Foundation
import Metering
import Redaction
import TestSupport
import Testing

@Suite("A redacted configuration")
struct ConfigurationTests {
    private static let yaml = """
        # anna's cellar, phone 555 0199
        node: annas-cellar
        broker:
          host: broker.anna.example   # the old one
          username: anna
          password: "two
            lines"
          password_file: /etc/obisd/mqtt.password
          pasword: typing
          tls: {ca_file: ca.crt, key: |
        -----}
        """

    private func redacted(_ yaml: String) -> (text: String, redactor: Redactor) {
        var redactor = Redactor(salt: RedactorTests.salt)
        let text = redactor.redact(configuration: yaml)
        return (text, redactor)
    }

    private static let good = """
        # anna's cellar, phone 555 0199
        node: annas-cellar
        broker:
          host: broker.anna.example   # the old one
          username: anna
          password: "two
            words"
          password_file: /etc/obisd/mqtt.password
          pasword: typing-error
        meters:
          - id: main
            name: Anna Example
            protocol: mbus
            encryption_key: 000102030405060708090a0b0c0d0e0f
            secondary: "12345678/LGZ/02/04"
            transport: {tcp: "gateway.anna.example:10001"}
            limits: {fuse: 25 A}
          - {id: second, serial: 87654321, transport: {udp: "192.168.7.31:4059"}, interval: 15m}
        """

    @Test("of a meter in programming mode its registers are shown, and its password is not")
    func programming() {
        let (text, _) = redacted(
            """
            meters:
              - id: main
                mode: programming
                password: hush
                password_file: main.password
                registers: ["1.8.0", {code: 2.8.0}]
                request: r6
                load_profile: P.02
            """)
        #expect(!text.contains("hush"))
        for word in ["main.password", "1.8.0", "2.8.0", "r6", "P.02", "programming"] {
            #expect(text.contains(word), "\(word)")
        }
    }

    @Test("shows neither secrets, persons, hosts nor comments, and keeps the rest in its lines")
    func all() {
        let (text, redactor) = redacted(Self.good)
        for word in [
            "anna", "Anna", "555", "two", "words", "typing-error", "0001020304", "12345678", "87654321", "7.31", "#",
        ] {
            #expect(!text.contains(word), "\(word) in:\n\(text)")
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let expected: [(Int, Regex<Substring>)] = [
            (2, #/node: node-[a-z]{6}/#), (4, #/  host: host-[a-z]{6}/#), (5, #/  username: user-[a-z]{6}/#),
            (6, #/  password: REDACTED/#), (8, #/  password_file: \/etc\/obisd\/mqtt\.password/#),
            (9, #/  pasword: REDACTED/#),
            (11, #/  - id: main/#), (12, #/    name: name-[a-z]{6}/#), (13, #/    protocol: mbus/#),
            (14, #/    encryption_key: REDACTED/#), (15, #/    secondary: "[1-9]\d{7}\/LGZ\/02\/04"/#),
            (16, #/    transport: \{tcp: "host-[a-z]{6}:10001"\}/#), (17, #/    limits: \{fuse: 25 A\}/#),
            (
                18,
                #/  - \{id: second, serial: [1-9]\d{7}, transport: \{udp: "192\.168\.\d+\.\d+:4059"\}, interval: 15m\}/#
            ),
        ]
        for (line, pattern) in expected where line <= lines.count {
            #expect(lines[line - 1].wholeMatch(of: pattern) != nil, "line \(line): \(lines[line - 1])")
        }
        #expect(lines.count >= 18)
        // What it learned is known in the rest of the bundle.
        let log = redactor.redact(text: "Anna Example (87654321) at gateway.anna.example, 12345678")
        #expect(log.wholeMatch(of: #/name-[a-z]{6} \([1-9]\d{7}\) at host-[a-z]{6}, [1-9]\d{7}/#) != nil, "\(log)")
    }

    @Test("is left out where it cannot be read, or is made to fill the memory")
    func unreadable() {
        for yaml in [
            Self.yaml, "a: [b", "a: &x [1]\nb: {? [c] : d}", String(repeating: "[", count: 100),
            "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"
                + (0..<20).map { "d\($0): &d\($0) [\($0 == 0 ? "*c,*c" : "*d\($0 - 1),*d\($0 - 1)")]\n" }.joined(),
        ] {
            #expect(redacted(yaml).text == "# This file is no YAML that can be read: it was left out.\n")
        }
        #expect(redacted("").text.isEmpty || redacted("").text.hasPrefix("#"))
    }

    @Test("hides every key of a protocol that is a secret")
    func protocolKeys() {
        for key in [ProtocolKey.encryptionKey, .authenticationKey] {
            #expect(redacted("meters: [{\(key.rawValue): 0011}]").text == "meters: [{\(key.rawValue): REDACTED}]\n")
        }
        #expect(
            redacted("broker: {tls: {key: abc, key_file: a.key}}").text
                == "broker: {tls: {key: REDACTED, key_file: a.key}}\n")
    }

    @Test("shows every harmless key of the examples")
    func examples() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folder = root.appendingPathComponent("etc/examples")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
        #expect(files.count > 3)
        for file in files {
            let yaml = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
            let text = redacted(yaml).text
            #expect(!text.contains("REDACTED") && !text.contains("#") && !text.isEmpty, "\(file):\n\(text)")
            let keys = { (text: String) in text.matches(of: #/[a-z_]+: /#).count }
            let plain = yaml.split(separator: "\n").map {
                $0.split(separator: "#", omittingEmptySubsequences: false)[0] + " "
            }
            #expect(keys(text + " ") >= keys(plain.joined(separator: "\n")) - 1, "\(file)")
        }
    }
}
