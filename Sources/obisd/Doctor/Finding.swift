import ArgumentParser
import Foundation
import OBIS

/// One thing that was looked at, and how it is.
struct Finding {
    enum Level: String {
        case good
        /// It works, and yet somebody should know.
        case warning
        /// Something does not work.
        case problem
    }

    /// For example `port of main`.
    let subject: String
    let level: Level
    /// A sentence, with the remedy where there is one.
    let text: String
    /// With which a command ends because of it.
    var exitCode: ExitCode?

    static func good(_ subject: String, _ text: String) -> Finding {
        Finding(subject: subject, level: .good, text: text)
    }

    static func warning(_ subject: String, _ text: String) -> Finding {
        Finding(subject: subject, level: .warning, text: text)
    }

    static func problem(_ subject: String, _ text: String, _ exitCode: ExitCode = Exit.unavailable) -> Finding {
        Finding(subject: subject, level: .problem, text: text, exitCode: exitCode)
    }
}

/// Everything that was looked at.
struct DoctorReport {
    /// Program, system and time.
    let head: String
    let findings: [Finding]

    var problems: [Finding] { findings.filter { $0.level == .problem } }

    /// For a person, a line for each finding.
    var lines: [String] {
        let rows = findings.map { [$0.level == .problem ? "PROBLEM" : $0.level.rawValue, $0.subject, $0.text] }
        return [head, ""] + rows.map { TextTable.line($0, in: rows) } + ["", summary]
    }

    private var summary: String {
        let warnings = findings.count { $0.level == .warning }
        guard !problems.isEmpty || warnings > 0 else { return "Everything is as it should be." }
        return "\(Self.count(problems.count, "problem")), \(Self.count(warnings, "warning"))."
    }

    private static func count(_ number: Int, _ name: String) -> String {
        "\(number == 0 ? "no" : "\(number)") \(name)\(number == 1 ? "" : "s")"
    }

    /// One line.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 2048)
        json.object { json in
            json.member("head", head)
            json.member("problems", Int64(problems.count))
            json.key("findings")
            json.array { json in
                for finding in findings {
                    json.object { json in
                        json.member("subject", finding.subject)
                        json.member("level", finding.level.rawValue)
                        json.member("text", finding.text)
                    }
                }
            }
        }
        json.newline()
        return json.bytes
    }
}
