import Foundation
import Synchronization

/// Passes the connections of one loopback port on to another, writes down what clients send, and cuts when it is told.
public final class Relay: Sendable {
    private struct State {
        var target: Int
        var sockets: [Int32] = []
        var isClosed = false
        /// What clients sent, by connection.
        var heard: [[UInt8]] = []
    }

    public let port: Int
    private let listener: Int32
    private let records: Bool
    private let state: Mutex<State>

    /// - Parameter records: whether what clients send is kept.
    public init(to target: Int, records: Bool = false) throws {
        state = Mutex(State(target: target))
        self.records = records
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

    /// What clients sent so far, by connection, in the order in which these were made.
    public var heard: [[UInt8]] { state.withLock { $0.heard } }

    /// How many connections were made.
    public var connections: Int { state.withLock { $0.heard.count } }

    /// From now on connections go to another port, and those that are there end.
    public func turn(to target: Int) {
        let sockets = state.withLock { state in
            state.target = target
            return state.sockets
        }
        for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// All connections end at once, and further ones are taken.
    public func interrupt() {
        for socket in state.withLock({ $0.sockets }) { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// All connections end at once, and no further one is taken.
    public func cut() {
        state.withLock { $0.isClosed = true }
        shutdown(listener, Int32(SHUT_RDWR))
        interrupt()
    }

    private func serve() {
        while case let client = accept(listener, nil, nil), client >= 0 {
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = FreePort.loopback(state.withLock { $0.target })
            let code = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    connect(server, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            let number: Int? = state.withLock { state in
                guard code == 0, !state.isClosed else { return nil }
                state.sockets += [client, server]
                state.heard.append([])
                return state.heard.count - 1
            }
            guard let number else {
                close(client)
                close(server)
                continue
            }
            Thread.detachNewThread { [self] in
                pump(from: client, to: server) { bytes in state.withLock { $0.heard[number] += bytes } }
            }
            Thread.detachNewThread { [self] in pump(from: server, to: client) { _ in } }
        }
    }

    private func pump(from source: Int32, to target: Int32, _ note: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(source, &buffer, buffer.count), count > 0 {
            if records { note(buffer[..<count]) }
            guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
    }
}
