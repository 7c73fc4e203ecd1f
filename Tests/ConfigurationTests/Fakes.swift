import Configuration
import Foundation
import Metering
import OBIS
import Wire

/// Files in memory.
struct FakeFiles: ConfigurationFiles {
    var texts: [String: String] = [:]
    /// Files that every user may read.
    var open: Set<String> = []
    var problems: [String: FileProblem] = [:]
    /// What any other path holds; nil: it does not exist.
    var anything: String?

    func read(_ path: String, limit: Int) throws(FileProblem) -> FileContent {
        if let problem = problems[path] { throw problem }
        guard let text = texts[path] ?? anything else { throw .missing }
        guard text.utf8.count <= limit else { throw .tooLarge }
        return FileContent(Array(text.utf8), isReadableByOthers: open.contains(path))
    }

    func check(_ path: String) throws(FileProblem) {
        _ = try read(path, limit: .max)
    }

    func names(in folder: String) -> [String]? {
        let names = texts.keys.filter { $0.hasPrefix(folder + "/") }.map { String($0.dropFirst(folder.count + 1)) }
        return names.isEmpty ? nil : names
    }
}

private struct SilentDecoder: Framer {
    var isIdle: Bool { true }
    mutating func append(_ bytes: [UInt8]) {}
    mutating func next() -> FramerOutput<Telegram>? { nil }
    mutating func finish() {}
}

/// Protocols with the names and keys of the real ones.
enum FakeProtocols {
    static let push = make(
        "dlms-push", isPolled: false, line: LineSettings(baud: 2400, parity: .even),
        keys: [.profile, .encryptionKey, .authenticationKey])
    static let polled = make(
        "iec62056-21", isPolled: true, line: LineSettings(baud: 300, dataBits: 7, parity: .even), keys: [.address])
    static let telegrams = make(
        "dsmr-p1", isPolled: false, line: LineSettings(baud: 115_200), keys: [.encryptionKey, .subMeters])
    static let all = [push, polled, telegrams]

    private static func make(
        _ name: String, isPolled: Bool, line: LineSettings, keys: Set<ProtocolKey>
    ) -> MeterProtocol {
        MeterProtocol(
            name: name, summary: "", keys: keys, isPolled: { _ in isPolled }, defaultLine: { _ in line },
            // An address stands here for whatever asks for another line.
            needsLine: { $0.address == "fast" ? "the speed of the line changes" : nil },
            makeDecoder: { _ in SilentDecoder() },
            makeSession: { _ in PushSession(silence: .seconds(1)) { SilentDecoder() } })
    }
}

func loader(_ files: FakeFiles = FakeFiles(), credentials: String? = nil) -> ConfigurationLoader {
    ConfigurationLoader(protocols: FakeProtocols.all, files: files, credentialsDirectory: credentials)
}

func load(_ text: String, _ files: FakeFiles = FakeFiles()) throws -> Configuration {
    try loader(files).load(text: text, file: "obisd.yaml")
}

/// What is wrong with a text; nothing when it loads.
func errors(_ text: String, _ loader: ConfigurationLoader = loader()) -> [Diagnostic] {
    do {
        _ = try loader.load(text: text, file: "obisd.yaml")
        return []
    } catch {
        return error.diagnostics
    }
}

/// A meter's stanza around the lines of a case, so that the first of them is line 5, column 5.
func meter(_ lines: String, protocol name: String = "dlms-push") -> String {
    """
    meters:
      - id: main
        protocol: \(name)
        transport: {serial: /dev/ttyUSB0}

    """ + lines.split(separator: "\n").map { "    \($0)\n" }.joined()
}

/// The folder of the checkout.
let checkout = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
