import Foundation
import Synchronization

/// No broker: accepts connections and says nothing, closes them at once, or answers with fixed bytes.
public final class SilentListener: Sendable {
    public let port: Int
    private let listener: Int32
    private let accepts: AsyncStream<Void>
    private let sink: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - answer: sent once after the first bytes have come.
    ///   - more: so many bytes behind it, until the other side has enough.
    public init(closes: Bool = false, answer: [UInt8] = [], thenSends more: Int = 0) throws {
        (accepts, sink) = AsyncStream.makeStream()
        port = try FreePort.tcp()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard FreePort.bind(listener, to: port), listen(listener, 8) == 0 else {
            throw MosquittoBroker.Failure(description: "no listener: errno \(errno)")
        }
        Thread.detachNewThread { [listener, sink] in
            var sockets: [Int32] = []
            while case let socket = accept(listener, nil, nil), socket >= 0 {
                if !answer.isEmpty {
                    var bytes = [UInt8](repeating: 0, count: 1024)
                    _ = recv(socket, &bytes, bytes.count, 0)
                    Self.send(answer, to: socket)
                    let piece = [UInt8](repeating: 0, count: 1 << 16)
                    for _ in 0..<more >> 16 { guard Self.send(piece, to: socket) else { break } }
                }
                if closes { close(socket) } else { sockets.append(socket) }
                sink.yield()
            }
            for socket in sockets + [listener] { close(socket) }
        }
    }

    /// - Returns: false where nobody listens any more.
    @discardableResult
    private static func send(_ bytes: [UInt8], to socket: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Returns when the next connection has been accepted.
    public func accepted() async {
        for await _ in accepts { return }
    }
}
