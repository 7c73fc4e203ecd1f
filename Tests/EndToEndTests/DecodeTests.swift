import Foundation
import OBIS
import TestSupport
import Testing

@Suite("`obisd decode`")
struct DecodeTests {
    /// One readout, and the same with a wrong block check character.
    private static let good = readout(check: 0)
    private static let bad = readout(check: 1)

    private static func readout(check: UInt8) -> [UInt8] {
        let block = Array("1.8.0(000123.450*kWh)\r\n32.7(231*V)\r\n!\r\n\u{3}".utf8)
        return Array("/LGZ5SIM-1\r\n\u{2}".utf8) + block + [block.reduce(check) { $0 ^ $1 }]
    }

    private static let line = """
        {"file":"FILE","protocol":"iec62056-21","ok":true,\
        "meter":{"id":null,"manufacturer":"LGZ","medium":"electricity","version":"SIM-1"},"meter_time":null,\
        "registers":[{"obis":"1-0:1.8.0*255","code":"1.8.0","value":123.450,"unit":"kWh","time":null,"text":"000123.450"},\
        {"obis":"1-0:32.7.0*255","code":"32.7","value":231,"unit":"V","time":null,"text":"231"}],"warnings":[]}
        """

    @Test("prints one line for each message, letter by letter as the contract says")
    func golden() async throws {
        let outcome = try await Program.run(
            ["decode", "--protocol", "iec62056-21", "--format", "json"], input: Self.good)
        #expect(outcome.exitCode == 0 && outcome.error.isEmpty)
        #expect(outcome.output == Self.line.replacingOccurrences(of: "FILE", with: "-") + "\n")
    }

    @Test(
        "reads several files one after another, hexadecimal or as they are, and exits 65 when one failed"
    )
    func files() async throws {
        try await withFolder { folder in
            func file(_ name: String, _ bytes: [UInt8]) throws -> String {
                let file = folder.appendingPathComponent(name)
                try Data(bytes).write(to: file)
                return file.path
            }
            let paths = [
                try file("a.bin", Self.good), try file("b.bin", Self.bad),
                try file("c.hex", Array(Hex.string(Self.good).utf8)), try file("d.bin", []),
                try file("e.bin", Self.good + Self.good),
            ]
            let outcome = try await Program.run(
                ["decode", "--protocol", "iec62056-21", "--format", "json"] + paths)
            #expect(outcome.exitCode == 65)
            let lines = outcome.lines.compactMap { ExactJSON($0) }
            #expect(lines.count == outcome.lines.count)
            let summary = lines.map { line in
                let name = line["file"]?.string.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "?"
                return "\(name) \(line["error"]?["code"]?.string ?? "ok")"
            }
            #expect(
                summary == [
                    "a.bin ok", "b.bin checksum", "c.hex ok", "d.bin framing", "e.bin ok", "e.bin ok",
                ])
            #expect(lines[1].keys == ["file", "protocol", "ok", "error"])
            #expect(lines[1]["error"]?.keys == ["code", "message", "offset"])
            #expect(lines[1]["ok"]?.bool == false)
        }
    }

    /// Arguments behind `decode`, and the exit code.
    static let wrong: [(arguments: [String], code: Int32, words: String)] = [
        (["--protocol", "morse"], 64, "iec62056-21"),
        ([], 64, "protocol"),
        (["--protocol", "dlms-push", "--key", "12"], 64, "key"),
        (["--protocol", "dlms-push", "--key", "@/nowhere/key"], 64, "key"),
        (["--protocol", "dlms-push", "--profile", "none"], 64, "lg-e450"),
        (["--protocol", "dlms-push", "--format", "xml"], 64, "format"),
        (["--protocol", "dlms-push", "/nowhere/file"], 66, "/nowhere/file"),
        (["--protocol", "dlms-push", "--input", "hex", "/proc/self/exe"], 65, "hexadecimal"),
    ]

    @Test("has an exit code for each way of being called wrongly", arguments: wrong.indices)
    func wrongly(index: Int) async throws {
        let (arguments, code, words) = Self.wrong[index]
        let outcome = try await Program.run(["decode"] + arguments)
        #expect(outcome.exitCode == code, "\(outcome.error)")
        #expect(outcome.error.contains(words), "\(outcome.error)")
        #expect(outcome.output.isEmpty)
    }

    @Test("a key that is not right never stands in the message")
    func keys() async throws {
        let outcome = try await Program.run(["decode", "--protocol", "dlms-push", "--key", "c0ffee"])
        #expect(outcome.exitCode == 64)
        #expect(!outcome.error.contains("c0ffee"))
    }

    @Test("the table for a person has every value, and warnings")
    func table() async throws {
        let outcome = try await Program.run(["decode", "--protocol", "iec62056-21"], input: Self.good)
        #expect(outcome.exitCode == 0)
        #expect(
            outcome.output.contains("123.450") && outcome.output.contains("kWh")
                && outcome.output.contains("LGZ"))
        let nothing = try await Program.run(
            ["decode", "--protocol", "iec62056-21"], input: [0x31, 0x32])
        #expect(nothing.exitCode == 65)
    }

    @Test("helps everywhere", arguments: [[], ["run"], ["check"], ["decode"], ["simulate"]])
    func help(command: [String]) async throws {
        let outcome = try await Program.run(command + ["--help"])
        #expect(outcome.exitCode == 0 && outcome.output.contains("USAGE"))
    }

    @Test("a command that does not exist is a usage error")
    func unknown() async throws {
        let outcome = try await Program.run(["dance"])
        #expect(outcome.exitCode == 64 && outcome.output.isEmpty)
    }
}
