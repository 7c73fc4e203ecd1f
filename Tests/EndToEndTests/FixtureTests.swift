import Foundation
import TestSupport
import Testing

/// Messages of made-up meters beside the tests, with what must come of them. `Tests/Fixtures/README.md` has their form.
@Suite("Fixtures")
struct FixtureTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures")

    private enum Kind: String, CaseIterable {
        case good, bad
    }

    private struct Fixture {
        let name: String
        let data: URL
        /// Of the command.
        let arguments: [String]
        /// What must be printed, line by line.
        let expected: [String]
    }

    /// By name; nothing where there is no such folder.
    private static func fixtures(_ protocolName: String, _ kind: Kind) throws -> [Fixture] {
        let folder = root.appendingPathComponent("\(protocolName)/\(kind.rawValue)")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return try names.filter { $0.hasSuffix(".hex") || $0.hasSuffix(".txt") }.sorted().map { name in
            let data = folder.appendingPathComponent(name)
            func lines(_ suffix: String) throws -> [String] {
                try String(contentsOf: data.deletingPathExtension().appendingPathExtension(suffix), encoding: .utf8)
                    .split(separator: "\n").map(String.init)
            }
            let arguments = (try? lines("args")) ?? []
            return Fixture(
                name: String(name.dropLast(4)), data: data,
                arguments: arguments.flatMap { $0.split(separator: " ").map(String.init) }, expected: try lines("json"))
        }
    }

    /// The protocols of the program, by its own word.
    private static func protocols() async throws -> [String] {
        let error = try await Program.run(["decode", "--protocol", "none"]).error
        let line = try #require(error.split(separator: "\n").first { $0.contains("is no protocol of this program: ") })
        let names = try #require(line.components(separatedBy: ": ").last)
        return names.components(separatedBy: ", ")
    }

    @Test("of every protocol are read as they must be, or refused for the right reason")
    func all() async throws {
        let protocols = try await Self.protocols()
        #expect(protocols.count >= 4 && protocols.contains("dlms-push"))
        for name in protocols {
            var (right, count) = (0, 0)
            for kind in Kind.allCases {
                let fixtures = try Self.fixtures(name, kind)
                #expect(!fixtures.isEmpty, "\(name) has no \(kind.rawValue) fixture")
                for fixture in fixtures {
                    count += 1
                    if try await isRight(fixture, name, kind) { right += 1 }
                }
            }
            print("fixtures \(name): \(right) of \(count)")
        }
    }

    @Test("belong to a protocol and have their expectation, and no file stands for nothing")
    func files() async throws {
        let protocols = Set(try await Self.protocols())
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root.path).filter { !$0.contains(".") }
        #expect(Set(folders) == protocols)
        for name in protocols {
            for kind in Kind.allCases {
                let fixtures = try Self.fixtures(name, kind)
                let names = Set(fixtures.map(\.name))
                #expect(names.count == fixtures.count, "\(name): a name stands twice")
                let folder = Self.root.appendingPathComponent("\(name)/\(kind.rawValue)").path
                let strays = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
                    !names.contains(String($0.prefix { $0 != "." }))
                }
                #expect(strays == [], "\(name)")
            }
        }
    }

    private func isRight(_ fixture: Fixture, _ protocolName: String, _ kind: Kind) async throws -> Bool {
        let path = fixture.data.path
        let outcome = try await Program.run(
            ["decode", "--protocol", protocolName, "--format", "json"] + fixture.arguments + [path])
        let title = "\(protocolName), \(kind.rawValue), \(fixture.name)"
        let code: Int32 = kind == .good ? 0 : 65
        #expect(outcome.exitCode == code, "\(title): \(outcome.error)")
        let printed = outcome.lines.map { line in
            switch kind {
            case .good: line.replacingOccurrences(of: #""file":"\#(path)","#, with: "")
            // Sentences may be put better, and change nothing.
            case .bad: #"{"code":"\#(ExactJSON(line)?["error"]?["code"]?.string ?? "none")"}"#
            }
        }
        #expect(printed == fixture.expected && !fixture.expected.isEmpty, "\(title)")
        return outcome.exitCode == code && printed == fixture.expected
    }
}
