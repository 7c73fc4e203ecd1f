import Glibc
import NIOPosix
import Wire

/// Recorded bytes, read once from start to end. They come as fast as they are taken, and need no event loop.
final class FileLink: Link {
    let feed = LinkFeed()
    private let path: String
    private let descriptor: OwnedDescriptor

    var inbound: LinkInbound { feed.inbound }

    static func open(path: String) async throws(TransportError) -> FileLink {
        try await BlockingCalls.run { () throws(TransportError) in try FileLink(path: path) }
    }

    private init(path: String) throws(TransportError) {
        self.path = path
        // Points to the path for the call only. Without O_NONBLOCK a named pipe would wait for its writer.
        let number = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw Self.problem(path, ErrorNumber()) }
        descriptor = OwnedDescriptor(number)
        var status = stat()
        // Points to the local value for the call only.
        guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw TransportError(.configuration, "\(path) is not a regular file; `file:` reads recorded bytes")
        }
        feed.start { [weak self] in self?.readSoon() }
    }

    private static func problem(_ path: String, _ number: ErrorNumber) -> TransportError {
        switch number.code {
        case ENOENT, ENOTDIR: TransportError(.notFound, "there is no file \(path)")
        case EACCES, EPERM:
            TransportError(
                .permission, "cannot open \(path): permission denied; let the user that runs this program read it")
        default: TransportError(.io, "cannot open \(path): \(number.text)")
        }
    }

    private func readSoon() {
        BlockingCalls.threads.submit { [self] state in
            guard case .active = state else { return }
            readOnce()
        }
    }

    private func readOnce() {
        let answer: Result<[UInt8], ErrorNumber>? = descriptor.use { number in
            ReadCall.bytes(from: number, atMost: LinkFeed.readSize).map { .success($0) } ?? .failure(ErrorNumber())
        }
        switch answer {
        case .success(let bytes) where !bytes.isEmpty: feed.push(bytes)
        case .success, nil: feed.finish(nil)
        case .failure(let error): feed.finish(TransportError(.io, "cannot read \(path): \(error.text)"))
        }
    }

    /// Does nothing, so that a recorded conversation can be played to a session that asks.
    func send(_ bytes: [UInt8]) async throws(TransportError) {}

    func setLine(_ line: LineSettings) async throws(TransportError) {}

    func close() async {
        feed.finish(nil, discarding: true)
        let descriptor = descriptor
        // Fails only when the task is cancelled; then the descriptor closes with the link.
        try? await BlockingCalls.run { descriptor.close() }
    }
}
