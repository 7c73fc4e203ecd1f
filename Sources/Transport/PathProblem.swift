import Glibc

/// What to tell the user of a path that cannot be opened.
struct PathProblem {
    let path: String

    /// - Parameter number: what `open` answered.
    func error(_ number: ErrorNumber) -> TransportError {
        switch number.code {
        case ENOENT where path.isEmpty:
            TransportError(.configuration, "the path of the serial port is empty; name one")
        case ENOENT, ENOTDIR:
            TransportError(.notFound, "there is no \(path): plug the adapter in, or correct the path")
        case ENXIO, ENODEV:
            TransportError(.notFound, "there is no device behind \(path): plug the adapter in")
        case EACCES, EPERM:
            TransportError(
                .permission,
                "cannot open \(path): permission denied; add the user that runs this program to group \(group)")
        case EBUSY:
            locked(by: nil)
        case EISDIR:
            TransportError(.configuration, "\(path) is a directory; name a serial port in it")
        default:
            TransportError(.io, "cannot open \(path): \(number.text)")
        }
    }

    func locked(by holder: String?) -> TransportError {
        TransportError(
            .busy, "\(path) is in use by \(holder ?? "another program"); stop it, or give each its own port")
    }

    /// - Parameter mode: the file's type and rights.
    func notSerial(_ mode: mode_t) -> TransportError {
        if mode & S_IFMT == S_IFREG {
            return TransportError(
                .configuration,
                "\(path) is a file and no serial port; recorded bytes are read by `transport: {file: …}`")
        }
        return TransportError(.configuration, "\(path) is no serial port")
    }

    /// The group that owns the device, usually `dialout`.
    private var group: String {
        var status = stat()
        // Point to local values for the call only.
        guard unsafe stat(path, &status) == 0 else { return "dialout" }
        var entry = unsafe Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        // The name lies in the buffer, which outlives its use.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let base = buffer.baseAddress,
                unsafe getgrgid_r(status.st_gid, &entry, base, buffer.count, &found) == 0,
                let found = unsafe found, let name = unsafe found.pointee.gr_name
            else { return "dialout" }
            return unsafe String(cString: name)
        }
    }
}
