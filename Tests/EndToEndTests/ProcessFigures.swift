import Foundation
import TestSupport

/// What the kernel says of a process that runs.
struct ProcessFigures {
    let pid: pid_t

    /// Pages that are its own, in KiB.
    var anonymousKilobytes: Int { get throws { try number("RssAnon") } }

    /// What it may write to of its own, used or not: heap, stacks and the like, in KiB.
    var dataKilobytes: Int { get throws { try number("VmData") } }

    /// What of the program's own code and constants is in memory, in KiB.
    var programKilobytes: Int {
        get throws {
            let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe")
            var sum = 0
            var isCounted = false
            for line in try String(contentsOfFile: "/proc/\(pid)/smaps", encoding: .utf8).split(separator: "\n") {
                // `start-end rights offset device inode path`, then lines of `Name: value kB`
                let fields = line.split(separator: " ")
                if fields.count > 1, fields[1].count == 4, fields[1].hasSuffix("p") {
                    isCounted = line.hasSuffix(" \(program)") && !fields[1].contains("w")
                } else if isCounted, fields.first == "Rss:", let size = Int(fields[1]) {
                    sum += size
                }
            }
            return sum
        }
    }

    var threads: Int { get throws { try number("Threads") } }

    /// Who traces it; nil where nobody does.
    var tracer: pid_t? {
        get throws {
            let pid = try number("TracerPid")
            return pid == 0 ? nil : pid_t(pid)
        }
    }

    var descriptors: Int { get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count } }

    /// Time on a processor, of all its threads.
    var processorSeconds: Double {
        get throws {
            let line = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            // The name of the program may have spaces, and ends with the last bracket.
            let fields = line[(line.lastIndex(of: ")") ?? line.startIndex)...].split(separator: " ")
            guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
                throw NotInTime(description: "no times in \(line)")
            }
            return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    private func number(_ name: String) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
        guard let value = line.flatMap({ Int($0.filter(\.isNumber)) }) else {
            throw NotInTime(description: "no \(name) of process \(pid)")
        }
        return value
    }
}
