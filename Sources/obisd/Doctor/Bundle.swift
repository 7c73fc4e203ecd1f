import ArgumentParser
import Configuration
import Daemon
import Foundation
import Metering
import Redaction
import Transport

/// A report with all that it rests on, redacted, packed into one file that can be posted.
struct Bundle {
    let examination: Examination
    /// The file that the configuration begins with.
    let configurationPath: String
    private var redactor: Redactor
    private let files: FileManager = .default

    init(_ examination: Examination, configurationPath: String) {
        self.examination = examination
        self.configurationPath = configurationPath
        var random = SystemRandomNumberGenerator()
        redactor = Redactor(salt: (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
        learn()
    }

    /// What else identifies, beside what stands in the files.
    private mutating func learn() {
        redactor.learn(word: ProcessInfo.processInfo.hostName, kind: "host")
        for meter in examination.meters { if let device = meter.device { redactor.learn(device) } }
    }

    // MARK: Contents

    private struct File {
        let name: String
        let text: String
    }

    /// Everything is read and learned from before anything is written: what one file gives away may stand in another.
    private mutating func contents() -> [File] {
        let configurations = configurationFiles().map {
            File(name: $0.name, text: redactor.redact(configuration: $0.text))
        }
        let captures = captures()
        for capture in captures { redactor.learn(from: capture.content, of: capture.meterProtocol) }
        var dropped = 0
        var contents = configurations
        for capture in captures {
            let redacted = redactor.redact(capture.content, of: capture.meterProtocol)
            dropped += redacted.droppedPieces
            let text = Capture.header + redacted.capture.pieces.map(\.line).joined()
            contents.append(File(name: "captures/\(capture.line).capture", text: text))
        }
        let report = examination.report.lines.joined(separator: "\n") + "\n"
        contents.append(File(name: "report.txt", text: redactor.redact(text: report)))
        if let status = examination.status {
            contents.append(File(name: "status.json", text: redactor.redact(text: status)))
        }
        if let log = Self.log() { contents.append(File(name: "log.txt", text: redactor.redact(text: log))) }
        contents.append(File(name: "README.txt", text: Self.explanation(contents.map(\.name), dropped: dropped)))
        return contents
    }

    /// With the names by which they include each other, where they stand below the folder of the first one.
    private func configurationFiles() -> [(name: String, text: String)] {
        let paths = examination.configuration?.files ?? [configurationPath]
        let folder = URL(fileURLWithPath: paths.first ?? "").deletingLastPathComponent().path + "/"
        return paths.enumerated().compactMap { index, path in
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
            let full = URL(fileURLWithPath: path).path
            let below = full.hasPrefix(folder) && !full.contains("/../") ? String(full.dropFirst(folder.count)) : nil
            let name = URL(fileURLWithPath: path).lastPathComponent
            return (index == 0 ? "obisd.yaml" : below ?? "included-\(index)-\(name)", text)
        }
    }

    private func captures() -> [(line: String, meterProtocol: MeterProtocol, content: Capture)] {
        guard let configuration = examination.configuration, examination.status != nil else { return [] }
        var seen: Set<String> = []
        return configuration.meters.filter { $0.isEnabled && seen.insert($0.lineName).inserted }.compactMap { meter in
            guard let meterProtocol = ProtocolRegistry.named(meter.protocolName),
                let answer = try? RunningDaemon.answer(
                    to: ControlRequest(.capture, meter: meter.id), journal: configuration.journal.path),
                let text = answer.object["capture"] as? String,
                let content = try? Capture(content: Array(text.utf8))
            else { return nil }
            return (meter.lineName, meterProtocol, content)
        }
    }

    /// The newest lines of the service; nil where there is no journald, or this user may not read it.
    private static func log() -> String? {
        let arguments = ["-u", "obisd", "-n", "1000", "--no-pager", "--no-hostname", "-o", "short-iso-precise"]
        guard let output = Tool.output(of: "journalctl", arguments), !output.isEmpty else { return nil }
        return String(decoding: output, as: UTF8.self)
    }

    private static func explanation(_ names: [String], dropped: Int) -> String {
        let kept = dropped == 0 ? "" : "\n\(dropped) pieces of the captures could not be made safe and are left out.\n"
        return """
            A report of `obisd doctor`, and what it rests on:

            \(names.map { "  \($0)" }.joined(separator: "\n"))

            Serial numbers, names, hosts and addresses are replaced by others, the same one wherever it occurred; passwords,
            keys and comments are left out. Captures decode as before, with the readings that were measured:

              obisd replay --dry-run --config obisd.yaml --meter ID captures/ID.capture
            \(kept)
            """
    }

    // MARK: Packing

    /// - Throws: exit code 74, with a sentence on standard error.
    mutating func write(to path: String) throws {
        // A link, and what is there already, are not written to.
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            Output.note(
                errno == EEXIST
                    ? "\(path) exists already; name a file that does not"
                    : "\(path) cannot be written; name a file in a folder that is there and may be written")
            throw Exit.inputOutput
        }
        let archive = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try pack(into: archive)
        } catch {
            try? files.removeItem(atPath: path)
            Output.note("the bundle could not be packed: \(error)")
            throw Exit.inputOutput
        }
    }

    private mutating func pack(into archive: FileHandle) throws {
        let folder = files.temporaryDirectory.appendingPathComponent("obisd-bundle-\(UUID().uuidString)")
        try files.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? files.removeItem(at: folder) }
        let root = folder.appendingPathComponent("obisd-bundle")
        for file in contents() {
            let place = root.appendingPathComponent(file.name)
            try files.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(file.text.utf8).write(to: place)
        }
        // Nothing of the user who packs it.
        try Tool.run(
            "tar", ["-czf", "-", "--owner=0", "--group=0", "--numeric-owner", "-C", folder.path, "obisd-bundle"],
            output: archive)
    }
}

/// Programs of the system.
private enum Tool {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    /// - Returns: nil where there is no such program, or it fails.
    static func output(of name: String, _ arguments: [String]) -> [UInt8]? {
        let pipe = Pipe()
        guard let process = try? start(name, arguments, output: pipe) else { return nil }
        let output = try? pipe.fileHandleForReading.readToEnd()
        process.waitUntilExit()
        return process.terminationStatus == 0 ? [UInt8](output ?? Data()) : nil
    }

    static func run(_ name: String, _ arguments: [String], output: FileHandle) throws {
        let process = try start(name, arguments, output: output)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(description: "\(name) ended with \(process.terminationStatus)")
        }
    }

    private static func start(_ name: String, _ arguments: [String], output: Any) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }
}
