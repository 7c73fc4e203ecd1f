import Foundation
import Synchronization

/// No broker: accepts connections and says nothing, closes them at once, or answers with fixed bytes.
public final class SilentListener: Sendable {
    public let port: Int
    private let listener: Int32
    private let accepts: AsyncStream<Void>
    private let sink: AsyncStream<Void>.Continuation

    /// - Parameter answer: sent once after the first bytes have come.
    public init(closes: Bool = false, answer: [UInt8] = []) throws {
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
                    _ = send(socket, answer, answer.count, Int32(MSG_NOSIGNAL))
                }
                if closes { close(socket) } else { sockets.append(socket) }
                sink.yield()
            }
            for socket in sockets + [listener] { close(socket) }
        }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Returns when the next connection has been accepted.
    public func accepted() async {
        for await _ in accepts { return }
    }
}
