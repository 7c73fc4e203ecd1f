import Glibc
import OBIS

/// The local socket by which commands talk to the running daemon: `<journal>.control`, which only its user may open.
///
/// One line of JSON each way, then the connection ends.
public struct ControlSocket: Sendable {
    /// More than any request or answer has.
    static let limit = 16 << 20
    static let requestLimit = 64 << 10

    public let path: String

    public init(journal: String) {
        path = journal + ".control"
    }

    /// - Returns: nil for a path that is longer than sockets may have.
    private func withAddress<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value? {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        // One byte stays for the zero at the end.
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        // The copy is bounded by the check above, and the pointers do not leave the call.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func reason(_ number: Int32) -> String {
        // The text is static or belongs to this thread, and is copied at once.
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}

// MARK: - The daemon's side

extension ControlSocket {
    /// A socket that is bound, in the place of one that a daemon left which is no more.
    ///
    /// - Returns: nil with a sentence where there can be none; everything else works without it.
    func bind() -> (descriptor: Int32?, problem: String?) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return (nil, Self.reason(errno)) }
        unsafe unlink(path)
        // Of a socket that is not bound yet the kernel takes the rights over into the file, so that there is no moment at
        // which others could open it.
        fchmod(descriptor, 0o600)
        let result = unsafe withAddress { unsafe Glibc.bind(descriptor, $0, $1) }
        guard result == 0, listen(descriptor, 16) == 0 else {
            let problem = result == nil ? "the path is longer than a socket may have" : Self.reason(errno)
            Glibc.close(descriptor)
            return (nil, problem)
        }
        return (descriptor, nil)
    }

    func remove() {
        _ = unsafe unlink(path)
    }
}

// MARK: - The command's side

extension ControlSocket {
    public enum Failure: Error, Sendable, Hashable {
        /// Nobody listens: no daemon runs with this journal.
        case noDaemon
        /// It belongs to another user.
        case noAccess
        case other(String)
    }

    /// Asks the daemon and waits for its answer, up to ten seconds. Blocks.
    public func ask(_ request: [UInt8]) throws(Failure) -> [UInt8] {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .other(Self.reason(errno)) }
        defer { Glibc.close(descriptor) }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            // The structure lives across the call.
            unsafe setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        guard unsafe withAddress({ unsafe connect(descriptor, $0, $1) }) == 0 else {
            switch errno {
            case ENOENT, ECONNREFUSED: throw .noDaemon
            case EACCES, EPERM: throw .noAccess
            default: throw .other(Self.reason(errno))
            }
        }
        try Self.send(request + [UInt8(ascii: "\n")], to: descriptor)
        return try Self.receive(from: descriptor)
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The buffer lives across the call.
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe Glibc.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .other(reason(errno)) }
            rest = rest.dropFirst(count)
        }
    }

    private static func receive(from descriptor: Int32) throws(Failure) -> [UInt8] {
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while answer.count < limit {
            // The buffer has room for what is asked.
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count == 0 { return answer }
            guard count > 0 else {
                throw .other(errno == EAGAIN ? "the daemon did not answer within 10 s" : reason(errno))
            }
            answer += buffer.prefix(count)
        }
        throw .other("the answer has no end")
    }
}
