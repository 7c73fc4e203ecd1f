import Foundation
import Synchronization
import TestSupport

/// Passes the connections of one loopback port on to another, until it is told to cut or to hold them.
final class Relay: Sendable {
    private struct State {
        var sockets: [Int32] = []
        var isClosed = false
    }

    let port: Int
    private let listener: Int32
    private let target: Int
    private let state = Mutex(State())

    init(to target: Int) throws {
        self.target = target
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try FreePort.tcp()
        guard FreePort.bind(listener, to: port), listen(listener, 8) == 0 else {
            throw MosquittoBroker.Failure(description: "the relay has no port: errno \(errno)")
        }
        Thread.detachNewThread { [self] in serve() }
    }

    /// Not before: a closed number could become the socket of somebody else.
    deinit {
        for socket in state.withLock({ $0.sockets }) + [listener] { close(socket) }
    }

    /// All connections end at once, and no further one is taken.
    func cut() {
        let sockets = state.withLock { state in
            state.isClosed = true
            return state.sockets
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    private func serve() {
        while case let client = accept(listener, nil, nil), client >= 0 {
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = FreePort.loopback(target)
            let code = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    connect(server, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            let isClosed = state.withLock { state in
                if !state.isClosed { state.sockets += [client, server] }
                return state.isClosed
            }
            guard code == 0, !isClosed else {
                close(client)
                close(server)
                continue
            }
            Thread.detachNewThread { [self] in pump(from: client, to: server) }
            Thread.detachNewThread { [self] in pump(from: server, to: client) }
        }
    }

    private func pump(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(source, &buffer, buffer.count), count > 0 {
            guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
    }
}
