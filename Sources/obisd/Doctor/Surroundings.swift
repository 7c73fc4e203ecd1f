import Configuration
import Daemon
import Foundation
import Journal
import OBIS

/// What the machine gives: disk and clock.
struct Surroundings {
    let configuration: Configuration
    let clock: any HostClock

    // MARK: Disk

    /// Less than this and the daemon cannot go on for long.
    private static let leastSpace: Int64 = 32 << 20

    /// Space for the journal, as long as it may still grow.
    func disk(folder: String) -> Finding {
        var figures = statvfs()
        // Path and structure live across the call.
        guard unsafe statvfs(folder, &figures) == 0 else {
            return .warning("disk", "the free space of \(folder) is unknown: the folder cannot be looked at")
        }
        let free = Self.product(figures.f_bavail, figures.f_frsize)
        let place = "\(Self.megabytes(free)) are free in \(folder)"
        if figures.f_flag & UInt(ST_RDONLY) != 0 {
            return .problem("disk", "\(folder) is on a file system that is read-only", Exit.inputOutput)
        }
        if figures.f_files > 0, figures.f_favail == 0 {
            return .problem("disk", "\(folder) is on a file system without free inodes", Exit.inputOutput)
        }
        if free < Self.leastSpace { return .problem("disk", "only \(place); make room", Exit.inputOutput) }
        let growth = max(0, configuration.journal.maxSize - journalBytes)
        guard free < growth else { return .good("disk", place) }
        return .warning(
            "disk",
            "\(place), and the journal may still grow by \(Self.megabytes(growth)); make room, or lower `max_size`")
    }

    private var journalBytes: Int64 {
        ["", "-wal"].reduce(0) { sum, suffix in
            var file = stat()
            // Path and structure live across the call.
            guard unsafe stat(configuration.journal.path + suffix, &file) == 0 else { return sum }
            return sum + Int64(file.st_size)
        }
    }

    private static func product(_ blocks: some BinaryInteger, _ size: some BinaryInteger) -> Int64 {
        let (bytes, overflow) = Int64(clamping: blocks).multipliedReportingOverflow(by: Int64(clamping: size))
        return overflow ? .max : bytes
    }

    private static func megabytes(_ bytes: Int64) -> String { "\(bytes >> 20) MiB" }

    /// Whether the journal can be read, and is one.
    func journal() -> Finding {
        do throws(JournalError) {
            let names = try JournalReader(path: configuration.journal.path).meters()
            return .good("journal", "\(configuration.journal.path) has readings of \(names.count) meters")
        } catch {
            if !Account.isThere(configuration.journal.path) {
                return .warning(
                    "journal", "there is no journal \(configuration.journal.path) yet, or this user may not see it")
            }
            return .problem("journal", error.message, Exit.inputOutput)
        }
    }

    // MARK: Clock

    /// 2025-01-01: before there was this program.
    private static let earliest = Timestamp(milliseconds: 1_735_689_600_000)

    func time() -> Finding {
        let now = clock.now
        if now < Self.earliest {
            return .problem(
                "clock", "it is not \(now): set the clock, for example by systemd-timesyncd, chrony or ntpd")
        }
        if clock.isSynchronized { return .good("clock", "synchronised, \(now)") }
        return .warning(
            "clock",
            "\(now), and no time server keeps it right: readings are marked `unsynced`; install systemd-timesyncd or chrony"
        )
    }

    /// For the head of a report: `Debian GNU/Linux 12 (bookworm), Linux 6.1.0-18-arm64`.
    static var system: String {
        let release = (try? String(contentsOfFile: "/etc/os-release", encoding: .utf8)) ?? ""
        let name = release.split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
            .map { $0.dropFirst("PRETTY_NAME=".count).trimmingCharacters(in: CharacterSet(charactersIn: "\"")) }
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
        return "\(name ?? "Linux"), Linux \(kernel.trimmingCharacters(in: .whitespacesAndNewlines)) \(machine)"
    }

    private static var machine: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #else
            "another processor"
        #endif
    }
}
