import ArgumentParser
import Configuration
import Foundation
import Metering
import OBIS
import Wire

struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decode recorded bytes.",
        discussion: """
            Prints one object for each message, in the order of the input. A message that fails its check is reported \
            and never partly trusted; then the exit code is 65.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }
    enum Input: String, CaseIterable, ExpressibleByArgument { case auto, hex, raw }

    @Option(
        name: [.customLong("protocol"), .short],
        help: "The protocol: \(ProtocolRegistry.all.map(\.name).joined(separator: ", ")).")
    var protocolName: String

    @OptionGroup var keys: KeyOptions

    @Option(name: .long, help: "Units and lists where the wire carries none: a shipped profile, or one of --config.")
    var profile: String?

    @Option(name: .long, help: "A configuration whose profiles can be used.")
    var config: String?

    @Option(name: .long, help: "How the bytes stand in the input.")
    var input: Input = .auto

    @Option(name: .long, help: "How messages are printed.")
    var format: Format = .text

    @Argument(help: "Files; none, or -, for standard input.")
    var files: [String] = []

    func validate() throws {
        guard ProtocolRegistry.named(protocolName) != nil else {
            let names = ProtocolRegistry.all.map(\.name).joined(separator: ", ")
            throw ValidationError("'\(protocolName)' is no protocol of this program: \(names)")
        }
    }

    func run() throws {
        guard let meterProtocol = ProtocolRegistry.named(protocolName) else { throw ExitCode.validationFailure }
        let settings = ProtocolSettings(
            profile: try loadProfile(), encryptionKey: keys.key?.secret, authenticationKey: keys.authKey?.secret)
        var hasFailed = false
        var isMissing = false
        for file in files.isEmpty ? ["-"] : files {
            guard let bytes = try bytes(of: file) else {
                isMissing = true
                continue
            }
            let report = DecodeReport(
                file: file, protocolName: protocolName, bytes: bytes,
                decoder: meterProtocol.makeDecoder(settings))
            for result in report.results { Output.data(format == .json ? result.json : result.text) }
            if report.noise > 0 { Output.note("\(file): \(report.noise) bytes belong to no message") }
            hasFailed = hasFailed || report.hasFailed
        }
        if hasFailed { throw Exit.badData }
        if isMissing { throw Exit.noInput }
    }

    private func loadProfile() throws -> Profile? {
        guard let profile else { return nil }
        let loader = ConfigurationLoader(protocols: ProtocolRegistry.all, secrets: .allButCredentials)
        let profiles = try config.map { Array(try loader.load(path: $0).profiles.values) } ?? ShippedProfiles.all
        guard let found = profiles.first(where: { $0.name == profile }) else {
            throw ValidationError(
                "no profile '\(profile)'; there are \(profiles.map(\.name).sorted().joined(separator: ", "))")
        }
        return found
    }

    /// - Returns: nil for a file that cannot be read, which has been said.
    private func bytes(of file: String) throws -> [UInt8]? {
        guard file == "-" || FileManager.default.fileExists(atPath: file) else {
            Output.note("\(file): there is no such file")
            return nil
        }
        let data: Data
        do {
            data =
                try file == "-"
                ? FileHandle.standardInput.readToEnd() ?? Data() : Data(contentsOf: URL(fileURLWithPath: file))
        } catch {
            Output.note("\(file): cannot be read; it must be a regular file that this user may read")
            return nil
        }
        let raw = [UInt8](data)
        switch input {
        case .raw: return raw
        case .auto: return Hex.bytes(raw) ?? raw
        case .hex:
            guard let bytes = Hex.bytes(raw) else {
                Output.note("\(file): is not pairs of hexadecimal digits")
                throw Exit.badData
            }
            return bytes
        }
    }
}

/// The keys of a meter's messages.
struct KeyOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The encryption key: 32 hexadecimal digits, or a file with them.", valueName: "HEX|@FILE"))
    var key: KeyArgument?

    @Option(name: .long, help: ArgumentHelp("The authentication key.", valueName: "HEX|@FILE"))
    var authKey: KeyArgument?

    func validate() throws {
        for (name, argument) in [("--key", key), ("--auth-key", authKey)]
        where argument != nil && argument?.secret == nil {
            throw ValidationError("\(name) is no key: write 32 hexadecimal digits, or @ and a file that holds them")
        }
    }
}

/// A key on the command line: the digits, or `@` and a file that holds them.
///
/// Any text is taken at first, since the library would repeat in its error what it does not take.
struct KeyArgument: ExpressibleByArgument {
    /// Nil for a text that is no key.
    let secret: Secret?
    /// The file that holds it; nil where the digits were given.
    let file: String?

    init(argument: String) {
        file = argument.hasPrefix("@") ? String(argument.dropFirst()) : nil
        secret = Self.secret(argument)
    }

    private static func secret(_ argument: String) -> Secret? {
        let text: String
        if argument.hasPrefix("@") {
            guard let content = try? String(contentsOfFile: String(argument.dropFirst()), encoding: .utf8) else {
                return nil
            }
            text = content
        } else {
            text = argument
        }
        guard let bytes = Hex.bytes(text.utf8), bytes.count == 16 else { return nil }
        return Secret(bytes)
    }
}
