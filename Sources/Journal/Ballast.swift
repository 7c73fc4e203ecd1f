import Glibc

/// `<journal>.ballast`: room that is taken while there is some, and thrown off when the disk is full, so that cursors can
/// move and what every outlet has can make way.
struct Ballast: Sendable {
    static let size: Int64 = 512 << 10

    let path: String
    private let freeBytes: @Sendable () -> Int64

    init(_ files: JournalFiles, _ seams: JournalSeams) {
        path = files.path + ".ballast"
        freeBytes = seams.freeBytes ?? { files.freeBytes }
    }

    /// Takes the room, if there is as much left besides. Without it the journal works as well.
    ///
    /// - Returns: whether it is there.
    func takeIn() -> Bool {
        guard unsafe access(path, F_OK) != 0 else { return true }
        guard freeBytes() >= 2 * Self.size else { return false }
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // A file system that cannot reserve would say later that it has no room.
        guard posix_fallocate(descriptor, 0, off_t(Self.size)) == 0 else {
            unsafe unlink(path)
            return false
        }
        return true
    }

    /// - Returns: whether there was any.
    func throwOff() -> Bool {
        unsafe unlink(path) == 0
    }
}
