import Foundation
import TestSupport

/// The program under test, as the build has made it beside the tests.
enum Program {
    static let path: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("obisd")
            .path
    }()

    /// What came of one run.
    struct Outcome {
        let exitCode: Int32?
        let output: String
        let error: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// What a program of root is run with to have only the rights that the modes of files give: another user has no more
    /// by itself.
    static var withoutPrivileges: [String] {
        geteuid() == 0 ? ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] : []
    }

    /// Runs a command to its end, in a minute at most unless something else is said.
    ///
    /// - Parameter wrapper: a program that runs it in its place, with its first arguments.
    static func run(
        _ arguments: [String], input: [UInt8]? = nil, wrapper: [String] = [], within limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        try await withFolder { folder in
            if let input { try Data(input).write(to: folder.appendingPathComponent("in")) }
            let (output, error) = (
                folder.appendingPathComponent("out"), folder.appendingPathComponent("err")
            )
            let process = try ChildProcess(
                "/usr/bin/env", wrapper + [path] + arguments,
                input: input == nil ? "/dev/null" : folder.appendingPathComponent("in").path,
                output: output.path, error: error.path)
            let code = try await process.waitForExit(within: limit)
            func text(_ file: URL) -> String { (try? String(contentsOf: file, encoding: .utf8)) ?? "" }
            return Outcome(exitCode: code, output: text(output), error: text(error))
        }
    }
}

/// A fresh folder, removed at the end.
func withFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "obisd-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
