import Glibc

/// Who has the lock on a file, from the kernel's list.
enum LockHolder {
    /// - Returns: for example `ser2net (process 812)`; nil when the kernel does not tell.
    static func find(of status: stat) -> String? {
        guard let process = process(in: text(of: "/proc/locks"), status: status) else { return nil }
        if process == getpid() { return "another meter of this program" }
        let name = text(of: "/proc/\(process)/comm").filter { !$0.isNewline }
        return name.isEmpty ? "process \(process)" : "\(name) (process \(process))"
    }

    /// A line is `1: FLOCK  ADVISORY  WRITE 14716 00:1a:3 0 EOF`: process, device in hexadecimal, file number.
    private static func process(in locks: String, status: stat) -> pid_t? {
        let device = DeviceNumber(status.st_dev)
        for line in locks.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: " ")
            guard fields.count >= 6, fields[1] == "FLOCK", let process = pid_t(fields[4]), process > 0 else { continue }
            let place = fields[5].split(separator: ":")
            if place.count == 3, UInt64(place[0], radix: 16) == device.major,
                UInt64(place[1], radix: 16) == device.minor, UInt64(place[2]) == UInt64(status.st_ino)
            {
                return process
            }
        }
        return nil
    }

    /// The first 64 KiB of a file of the kernel; empty when it cannot be read.
    private static func text(of path: String) -> String {
        // Points to the path for the call only.
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return "" }
        defer { close(number) }
        var bytes: [UInt8] = []
        while bytes.count < 64 * 1024, let more = ReadCall.bytes(from: number, atMost: 4096), !more.isEmpty {
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// One `read`.
enum ReadCall {
    /// - Returns: nothing at the end; nil on an error, which `errno` names.
    static func bytes(from descriptor: CInt, atMost capacity: Int) -> [UInt8]? {
        var count = 0
        // The buffer has this capacity, and `count` bytes of it are set by a read that answered `count`.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
            repeat {
                count = unsafe read(descriptor, buffer.baseAddress, capacity)
            } while count < 0 && errno == EINTR
            initialized = max(0, count)
        }
        return count < 0 ? nil : bytes
    }
}
