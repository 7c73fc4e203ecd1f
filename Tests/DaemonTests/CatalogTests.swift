import Foundation
import LogMessages
import TestSupport
import Testing

@Suite("The catalog of messages")
struct CatalogTests {
    private static let file = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("systemd/obisd.catalog").path

    private func entries() throws -> [(id: String, headers: [String], body: [String])] {
        let text = try String(contentsOfFile: Self.file, encoding: .utf8)
        return text.components(separatedBy: "\n-- ").dropFirst().map { entry in
            let lines = entry.components(separatedBy: "\n")
            let headers = lines.dropFirst().prefix { !$0.isEmpty }
            return (lines[0], Array(headers), lines.dropFirst(1 + headers.count).filter { !$0.isEmpty })
        }
    }

    @Test("explains every id once, and no other")
    func complete() throws {
        #expect(try entries().map(\.id).sorted() == LogMessage.allCases.map(\.id).sorted())
        #expect(
            LogMessage.allCases.allSatisfy { message in
                message.id.utf8.count == 32 && message.id.allSatisfy { $0.isHexDigit && !$0.isUppercase }
            })
    }

    @Test("has a subject, who defined it, where help is, and what to do")
    func form() throws {
        for (id, headers, body) in try entries() {
            let names = headers.map { String($0.prefix { $0 != ":" }) }
            #expect(names == ["Subject", "Defined-By", "Support"], "\(id)")
            #expect(!body.isEmpty && body.allSatisfy { $0.utf8.count <= 100 }, "\(id)")
        }
    }

    @Test("is taken by journalctl, where there is one")
    func journalctl() throws {
        let program = "/usr/bin/journalctl"
        guard FileManager.default.isExecutableFile(atPath: program) else { return }
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("catalog-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for folder in ["usr/lib/systemd/catalog", "var/lib/systemd/catalog"] {
            try FileManager.default.createDirectory(
                at: root.appendingPathComponent(folder), withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            atPath: Self.file, toPath: root.appendingPathComponent("usr/lib/systemd/catalog/obisd.catalog").path)
        #expect(try ChildProcess.run(program, ["--update-catalog", "--root=\(root.path)"]) == 0)
        let database = root.appendingPathComponent("var/lib/systemd/catalog/database")
        let content = try Data(contentsOf: database)
        #expect(content.range(of: Data("The first message of a meter arrived".utf8)) != nil)
    }
}
