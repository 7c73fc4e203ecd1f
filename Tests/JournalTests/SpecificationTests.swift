import Foundation
import Testing

/// `docs/journal.md` is the specification: what it promises is tested, and what it names exists.
@Suite("The specification")
struct SpecificationTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let page = tests.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/journal.md")

    struct Promise {
        let number: Int
        let text: String
        /// Files without `Tests.swift`, and how the name of the test begins.
        let tests: [(file: String, words: String)]
    }

    /// Every paragraph that begins with a number, with the tests in the brackets at its end.
    private static func promises(in page: String) throws -> [Promise] {
        let joined = page.split(separator: "\n", omittingEmptySubsequences: false)
            .reduce(into: [String]()) { paragraphs, line in
                if line.hasPrefix("   "), !paragraphs.isEmpty {
                    paragraphs[paragraphs.count - 1] += " " + line.trimmingCharacters(in: .whitespaces)
                } else {
                    paragraphs.append(String(line))
                }
            }
        return joined.compactMap { paragraph in
            guard let parts = paragraph.wholeMatch(of: /(\d+)\. (.*?)(?: \[([^\]]*)\])?/) else { return nil }
            let groups = (parts.3 ?? "").split(separator: ";").flatMap { group -> [(file: String, words: String)] in
                guard let parts = group.wholeMatch(of: /\s*(\w+): (.*)/) else { return [] }
                return parts.2.matches(of: /\*([^*]+)\*/).map { (String(parts.1), String($0.1)) }
            }
            return Promise(number: Int(parts.1) ?? 0, text: String(parts.2), tests: groups)
        }
    }

    private static func names(in file: String) throws -> [String] {
        let source = try String(contentsOf: tests.appendingPathComponent(file + "Tests.swift"), encoding: .utf8)
        return source.matches(of: /@Test\(\s*"([^"]+)"/).map { String($0.1) }
    }

    @Test("every promise has a number, says MUST and names tests that exist")
    func promises() throws {
        let promises = try Self.promises(in: String(contentsOf: Self.page, encoding: .utf8))
        #expect(promises.count >= 36)
        #expect(promises.map(\.number) == Array(1...promises.count))
        for promise in promises {
            #expect(promise.text.contains("MUST"), "\(promise.number)")
            #expect(!promise.tests.isEmpty, "\(promise.number) has no test")
            for (file, words) in promise.tests {
                let names = (try? Self.names(in: file)) ?? []
                #expect(
                    names.count { $0.hasPrefix(words) } == 1,
                    "\(promise.number) names \(file): \(words), which is not exactly one test")
            }
        }
    }

    @Test("a promise without a test, and one whose test does not exist, would be found")
    func wouldBeFound() throws {
        let promises = try Self.promises(
            in: "1. It MUST hold. [Append: *no such*, *pages cover*;\n   Model: *x*]\n2. It MUST.")
        #expect(promises.map(\.tests.count) == [3, 0])
        #expect(promises[0].tests.map(\.file) == ["Append", "Append", "Model"])
        #expect(try !Self.names(in: "Append").contains { $0.hasPrefix("no such") })
        #expect(try Self.names(in: "Append").contains { $0.hasPrefix("pages cover") })
    }
}
