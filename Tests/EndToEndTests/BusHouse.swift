import Foundation
import MeterSimulator
import OBIS
import Synchronization
import Wire

/// Simulated slaves behind a TCP gateway, and what the master sent them.
final class BusHouse: Sendable {
    private let server: TCPServer
    private let serving: Task<Void, Never>
    private let state: State

    /// What its task knows as well.
    private final class State: Sendable {
        let slaves: Mutex<[SimulatedBus.Slave]>
        let messages = Mutex<[[UInt8]]>([])
        let connection = Mutex<TCPMeterLine?>(nil)

        init(_ slaves: [SimulatedBus.Slave]) { self.slaves = Mutex(slaves) }
    }

    var port: Int { server.port }
    /// What the master sent, piece by piece, as it arrived.
    var messages: [[UInt8]] { state.messages.withLock { $0 } }

    init(_ slaves: [SimulatedBus.Slave], seed: UInt64) async throws {
        let state = State(slaves)
        self.state = state
        server = try await TCPServer()
        let connections = server.connections
        serving = Task {
            await withTaskGroup(of: Void.self) { group in
                for await connection in connections {
                    state.connection.withLock { $0 = connection }
                    let bus = SimulatedBus(slaves: state.slaves.withLock { $0 }, seed: seed)
                    group.addTask {
                        await bus.run(
                            over: HeardLine(connection) { piece in state.messages.withLock { $0.append(piece) } })
                        await connection.close()
                    }
                }
                group.cancelAll()
            }
        }
    }

    /// How often a message was sent.
    func count(_ message: [UInt8]) -> Int { messages.count { $0 == message } }

    /// The gateway loses its connection, and has other slaves behind it from then on.
    func restart(with slaves: [SimulatedBus.Slave]) async {
        state.slaves.withLock { $0 = slaves }
        await state.connection.withLock { $0 }?.close()
    }

    func close() async {
        serving.cancel()
        await server.close()
        await serving.value
    }

    /// A line of which somebody else sees what arrives.
    private struct HeardLine: MeterLine {
        let line: TCPMeterLine
        let inbound: AsyncStream<[UInt8]>

        init(_ line: TCPMeterLine, _ listener: @escaping @Sendable ([UInt8]) -> Void) {
            self.line = line
            let (inbound, sink) = AsyncStream.makeStream(of: [UInt8].self)
            self.inbound = inbound
            let source = line.inbound
            let pump = Task {
                for await bytes in source {
                    listener(bytes)
                    sink.yield(bytes)
                }
                sink.finish()
            }
            sink.onTermination = { _ in pump.cancel() }
        }

        func send(_ bytes: [UInt8]) async { await line.send(bytes) }
        func setLine(_ settings: LineSettings) async {}
        func close() async { await line.close() }
    }
}
