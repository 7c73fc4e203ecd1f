import Configuration
import Metering
import OBIS
import Wire

/// Configurations, profiles, and the files with keys and passwords.
extension FuzzTarget {
    static let configuration: [FuzzTarget] = [
        FuzzTarget("configuration.yaml", .decoder, maximumLength: 8192) {
            examples
        } run: { bytes in
            load(bytes, secret: Array("000102030405060708090a0b0c0d0e0f\n".utf8))
        },
        FuzzTarget("configuration.profiles", .decoder, maximumLength: 8192) {
            Sample.files("Sources/Configuration/Profiles", suffix: ".yaml")
                + Sample.texts([
                    "profiles:\n  own:\n    extends: lg-e450\n    units:\n      - {code: \"*.*.7\", unit: W}\n"
                ])
        } run: { bytes in
            load(bytes, secret: [])
        },
        FuzzTarget("configuration.secret", .decoder, maximumLength: 512) {
            Sample.texts(["000102030405060708090a0b0c0d0e0f\n", "00 01", "secret\r\n", ""])
        } run: { bytes in
            load(Array(secretive.utf8), secret: bytes)
            if let key = Notation.key(bytes) {
                key.withBytes { precondition($0.count == 16, "a key of another length") }
            }
        },
        FuzzTarget("configuration.include", .decoder, maximumLength: 1024) {
            Sample.texts(["meters: [{id: a, protocol: sml, serial: /dev/ttyUSB0}]", "include: [x.yaml]"])
        } run: { bytes in
            load(Array("include: [\"*.yaml\", ../x.yaml]\n".utf8), secret: bytes)
        },
        FuzzTarget("configuration.notation", .decoder, maximumLength: 64) {
            Sample.texts(["10s", "1h30m", "64 MiB", "9 kW", "80 %", "06:30", "1d"])
        } run: { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if let duration = Notation.duration(text) {
                precondition(
                    Notation.duration(Notation.text(duration)) == duration, "a duration is read otherwise than written")
            }
            if let size = Notation.size(text) {
                precondition(Notation.size(Notation.text(bytes: size)) == size, "a size is read otherwise than written")
            }
            _ = (Notation.quantity(text)?.value, TimeOfDay(text))
        },
    ]

    private static let examples =
        Sample.files("etc", suffix: "obisd.yaml") + Sample.files("etc/examples", suffix: ".yaml")
        + Sample.texts([secretive, "meters: []", "a: &a [*a]"])

    private static let secretive = """
        broker: {host: h, username: u, password_file: p, tls: {psk_identity: i, psk_file: k}}
        meters:
          - {id: a, protocol: dlms-push, serial: /dev/ttyUSB0, encryption_key_file: k, authentication_key_file: k}
          - {id: b, protocol: iec62056-21, mode: programming, tcp: "h:1", password_file: p, registers: [1.8.0]}
        """

    private static func load(_ text: [UInt8], secret: [UInt8]) {
        let files = OneFile(content: secret)
        let loader = ConfigurationLoader(
            protocols: ProtocolRegistry.all, files: files, credentialsDirectory: "/credentials")
        do throws(ConfigurationError) {
            let configuration = try loader.load(text: String(decoding: text, as: UTF8.self), file: "obisd.yaml")
            _ = configuration.warnings.map { "\($0)" }
            precondition(
                Set(configuration.meters.map(\.id)).count == configuration.meters.count, "two meters of one id")
        } catch {
            precondition(!error.diagnostics.isEmpty, "a configuration is refused without a reason")
            _ = "\(error)"
        }
    }
}

/// Every file that is named has this content.
private struct OneFile: ConfigurationFiles {
    let content: [UInt8]

    func read(_ path: String, limit: Int) throws(FileProblem) -> FileContent {
        guard content.count <= limit else { throw .tooLarge }
        return FileContent(content, isReadableByOthers: path.utf8.count % 2 == 0)
    }

    func check(_ path: String) throws(FileProblem) {
        if path.utf8.count % 7 == 0 { throw .missing }
    }

    func names(in folder: String) -> [String]? { folder.utf8.count % 5 == 0 ? nil : ["a.yaml", "b.yaml", ".c.yaml"] }
}
