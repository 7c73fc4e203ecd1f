import MeterSimulator
import Synchronization
import TestSupport

/// A meter behind a TCP gateway that sends whatever bytes a test wants.
final class RawLine: Sendable {
    let port: Int
    private let server: TCPServer
    private let reader = Mutex<TCPMeterLine?>(nil)
    private let answering = Mutex<Task<Void, Never>?>(nil)

    init() async throws {
        server = try await TCPServer()
        port = server.port
        let connections = server.connections
        let task = Task { [weak self] in
            for await connection in connections { self?.reader.withLock { $0 = connection } }
        }
        answering.withLock { $0 = task }
    }

    /// As it stands in a stanza.
    var transport: String { "transport: {tcp: \"127.0.0.1:\(port)\"}" }

    var hasReader: Bool { reader.withLock { $0 != nil } }

    /// Returns when the reader's side has taken them, or has gone. - Returns: whether anybody was there.
    @discardableResult
    func send(_ bytes: [UInt8]) async -> Bool {
        guard let line = reader.withLock({ $0 }) else { return false }
        await line.send(bytes)
        return true
    }

    func close() async {
        let line = reader.withLock { reader in
            defer { reader = nil }
            return reader
        }
        await line?.close()
        await server.close()
    }
}
