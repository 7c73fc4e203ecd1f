import Dispatch
import Glibc
import OBIS
import Synchronization

/// `<journal>.acknowledged`: up to where one outlet has everything, noted without a transaction.
///
/// A record of acknowledgements in the database waits for the transaction under way, and that for the disk; with many
/// readings the outlet would wait for nothing else. A note in this file is with the kernel at once, which is what
/// outlives the process; the database has it within a second, which is what outlives the power.
///
/// What a note says stays true for ever, since nothing is unacknowledged again: at worst it says too little. It names its
/// stream and carries a checksum, and one that does not fit is none.
final class AcknowledgedMark: Sendable {
    private struct State {
        /// Of the file; nil while it is not open.
        var descriptor: CInt?
        var stream: [UInt8] = []
        /// Whose notes these are: the first one's that makes any.
        var outlet: String?
        /// Nil where nothing was noted that the database does not have.
        var position: Int64?
    }

    /// Notes are written here, one after the other: a file system may make even these wait.
    let queue = DispatchQueue(label: "obisd.acknowledged")
    private let path: String
    private let state = Mutex(State())

    init(_ files: JournalFiles) { path = files.acknowledged }

    // MARK: The file

    /// - Parameters:
    ///   - outlets: whose note it can be.
    ///   - newest: the end of the queue, behind which no note can be true.
    func open(stream: String, outlets: some Sequence<String>, newest: Int64) {
        let stream = Array(stream.utf8)
        let number = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard number >= 0 else { return }
        let found = Note.read(number)
        state.withLock { state in
            state = State(descriptor: number, stream: stream)
            guard let found, (1...max(1, newest)).contains(found.position),
                let outlet = outlets.first(where: { Note(found.position, of: $0, stream) == found })
            else {
                // It must not become true later, when the queue has grown.
                ftruncate(number, 0)
                return
            }
            (state.outlet, state.position) = (outlet, found.position)
        }
    }

    /// Whether one of the outlets has had readings of this stream that are not in the queue: the file is older than the note,
    /// a copy that was put back or what a disk kept that had promised more. Numbers behind its end were given already.
    static func isBeyond(_ store: JournalStore) throws(JournalError) -> Bool {
        let number = unsafe Glibc.open(store.files.acknowledged, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return false }
        defer { Glibc.close(number) }
        guard let found = Note.read(number), found.position > store.newest else { return false }
        let stream = Array(store.stream.utf8)
        let outlets = try store.access { db in try db.cursors() }.keys
        return outlets.contains { Note(found.position, of: $0, stream) == found }
    }

    func close() {
        state.withLock { state in
            if let descriptor = state.descriptor { Glibc.close(descriptor) }
            state = State()
        }
    }

    // MARK: Notes

    /// - Returns: false where this cannot be noted here, so that the database has to have it at once.
    func note(_ position: Int64, of outlet: String) -> Bool {
        state.withLock { state in
            guard let descriptor = state.descriptor, state.outlet ?? outlet == outlet else { return false }
            guard position > state.position ?? 0 else { return true }
            guard Note(position, of: outlet, state.stream).write(descriptor) else { return false }
            (state.outlet, state.position) = (outlet, position)
            return true
        }
    }

    /// What the database is to have; nil where it has everything.
    var waiting: Waiting? {
        state.withLock { state in
            state.outlet.flatMap { outlet in state.position.map { Waiting(outlet: outlet, position: $0) } }
        }
    }

    /// The database has this.
    func stored(_ position: Int64) {
        state.withLock { if $0.position == position { $0.position = nil } }
    }
}

extension AcknowledgedMark {
    /// A note that the database does not have.
    struct Waiting {
        let outlet: String
        let position: Int64

        /// A cursor of the database with what the note says beyond it.
        func adding(to cursor: OutletCursor, of outlet: String) -> OutletCursor {
            guard outlet == self.outlet else { return cursor }
            return OutletCursor(max(cursor.position, position), apart: cursor.apart.mapValues { max($0, position) })
        }
    }
}

/// The bytes of a note: the position and a checksum over that, the stream and the outlet's name.
private struct Note: Equatable {
    static let size = 12

    let position: Int64
    private let checksum: UInt32

    init(_ position: Int64, of outlet: String, _ stream: [UInt8]) {
        self.position = position
        var checksum = CRC32()
        checksum.update(position)
        checksum.update(stream)
        checksum.update(Array(outlet.utf8))
        self.checksum = checksum.value
    }

    /// - Returns: nil for a file that is shorter.
    static func read(_ descriptor: CInt) -> Note? {
        var bytes = [UInt8](repeating: 0, count: size)
        // The array has that size, and outlives the call.
        guard unsafe pread(descriptor, &bytes, size, 0) == size else { return nil }
        return Note(bytes)
    }

    private init(_ bytes: [UInt8]) {
        position = Int64(bitPattern: bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) })
        checksum = bytes[8...].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// In one piece: whoever ends the process leaves this note or the one before.
    func write(_ descriptor: CInt) -> Bool {
        let bytes =
            (0..<8).map { UInt8(truncatingIfNeeded: position >> (56 - 8 * $0)) }
            + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (24 - 8 * $0)) }
        // The array has that size, and outlives the call.
        return unsafe pwrite(descriptor, bytes, Self.size, 0) == Self.size
    }
}
