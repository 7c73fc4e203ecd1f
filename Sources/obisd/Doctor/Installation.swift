import Configuration
import Foundation
import Wire

/// What a configuration needs of this machine: its ports and the folder of its journal.
struct Installation {
    let configuration: Configuration
    /// Whose rights count.
    var account = Account.current

    private var meters: [Meter] { configuration.meters.filter(\.isEnabled) }

    /// What can be said of each port, the good ones too.
    func ports() -> [Finding] {
        var seen: Set<String> = []
        let ports = meters.filter { seen.insert($0.lineName).inserted }.compactMap(port)
        return ports + twoOwners()
    }

    /// Nil for what is not on this machine.
    private func port(_ meter: Meter) -> Finding? {
        let subject = meter.bus.map { "bus \($0)" } ?? "meter \(meter.id)"
        switch meter.endpoint {
        case .serial(let path, _): return serial(path, subject)
        case .file(let path):
            if Account.isThere(path) { return .good(subject, "\(path) is there") }
            return .problem(subject, "there is no file \(path)", Exit.configuration)
        case .tcp, .rfc2217, .udp, .listen: return nil
        }
    }

    private func serial(_ path: String, _ subject: String) -> Finding {
        // It may be plugged in later.
        guard Account.isThere(path) else { return .warning(subject, "\(path) is not there now") }
        guard account.mayUse(path) else {
            return .problem(
                subject,
                "\(path) may not be read and written; add the user to the group that owns it (often dialout)",
                Exit.permission)
        }
        // Where it may not be opened by whoever asks here, that user finds out.
        let descriptor = unsafe open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return .good(subject, "\(path) is there") }
        defer { close(descriptor) }
        guard isatty(descriptor) == 1 else { return .problem(subject, "\(path) is no serial port", Exit.configuration) }
        return .good(subject, "\(path) is a serial port that may be used")
    }

    /// The loader compares paths as they are written; here two names of one port are found as well.
    private func twoOwners() -> [Finding] {
        var owners: [String: String] = [:]
        return meters.compactMap { meter in
            guard case .serial(let path, _) = meter.endpoint else { return nil }
            let port = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
            // The meters of a bus have its port together.
            let name = meter.bus.map { "bus \($0)" } ?? "meter \(meter.id)"
            guard let owner = owners.updateValue(name, forKey: port), owner != name else { return nil }
            return .problem(
                "\(owner) and \(name)", "\(path) is one port under two names; give each its own", Exit.configuration)
        }
    }

    /// Where the daemon writes.
    func folders() -> [Finding] {
        [journalFolder()] + (configuration.metrics.map { [folder(of: $0.file, for: "metrics")] } ?? [])
    }

    func journalFolder() -> Finding { folder(of: configuration.journal.path, for: "journal") }

    /// The service manager makes the folder when the service starts; by hand a person does.
    private func folder(of file: String, for subject: String) -> Finding {
        let folder = Self.folder(of: file)
        if !Account.isThere(folder) { return .warning(subject, "the folder \(folder) is not there now") }
        if !account.mayUse(folder) { return .warning(subject, "the folder \(folder) may not be written by this user") }
        return .good(subject, "the folder \(folder) may be written")
    }

    static func folder(of file: String) -> String {
        URL(fileURLWithPath: file).deletingLastPathComponent().path
    }
}

/// A user of this machine, as far as files are concerned.
enum Account {
    /// Who runs this.
    case current
    /// The user of the service, for root, who may do anything.
    case service(user: uid_t, groups: Set<gid_t>)

    static let serviceName = "obisd"

    /// The user of the service where root asks and there is one, else whoever asks.
    static var ofService: Account {
        guard geteuid() == 0, let user = user(named: serviceName) else { return .current }
        return .service(user: user.id, groups: groups(of: serviceName, with: user.group))
    }

    static func isThere(_ path: String) -> Bool {
        // The path lives across the call.
        unsafe access(path, F_OK) == 0
    }

    /// Whether it may read and write a file, or list and change a folder.
    func mayUse(_ path: String) -> Bool {
        switch self {
        case .current:
            // The path lives across the call.
            return unsafe access(path, R_OK | W_OK) == 0
        case .service(let user, let groups):
            var file = stat()
            // Path and structure live across the call.
            guard unsafe stat(path, &file) == 0 else { return false }
            let needed: mode_t = 0o6
            if file.st_uid == user { return file.st_mode >> 6 & needed == needed }
            if groups.contains(file.st_gid) { return file.st_mode >> 3 & needed == needed }
            return file.st_mode & needed == needed
        }
    }

    private static func user(named name: String) -> (id: uid_t, group: gid_t)? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        // What is found points into the buffer, and only numbers of it are used.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16 << 10) { buffer in
            guard let base = buffer.baseAddress, unsafe getpwnam_r(name, &entry, base, buffer.count, &found) == 0,
                let found = unsafe found
            else { return nil }
            return unsafe (found.pointee.pw_uid, found.pointee.pw_gid)
        }
    }

    private static func groups(of name: String, with primary: gid_t) -> Set<gid_t> {
        var count: Int32 = 256
        var groups = [gid_t](repeating: primary, count: Int(count))
        // The array has room for `count` of them.
        let result = unsafe groups.withUnsafeMutableBufferPointer { buffer in
            unsafe getgrouplist(name, primary, buffer.baseAddress, &count)
        }
        return result < 0 ? [primary] : Set(groups.prefix(Int(count)))
    }
}
