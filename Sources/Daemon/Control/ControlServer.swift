import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Transport

/// Answers commands on the local socket.
struct ControlServer: Service {
    let socket: ControlSocket
    let answer: @Sendable (ControlRequest) async -> [UInt8]
    let logger: Logger

    /// Whoever connects and says nothing is left after this time.
    private static let patience = Duration.seconds(5)

    func run() async throws {
        let (descriptor, problem) = socket.bind()
        guard let descriptor else {
            logger.warning(
                "There is no control socket \(socket.path): \(problem ?? "?"). `obisd status` does not work.")
            try? await gracefulShutdown()
            return
        }
        defer { socket.remove() }
        do {
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(AcceptPause())
                    }
                }
                .childChannelOption(.maxMessagesPerRead, value: 1)
                .bind(descriptor) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            try await cancelWhenGracefulShutdown { try await serve(server) }
        } catch is CancellationError {
        } catch {
            logger.warning("The control socket \(socket.path) does not work any more: \(error).")
            try? await gracefulShutdown()
        }
    }

    private func serve(
        _ server: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
    ) async throws {
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask { await converse(connection) }
                }
            }
        }
    }

    private func converse(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Whoever goes away in the middle has what it wanted.
                try? await connection.executeThenClose { inbound, outbound in
                    guard let line = try await Self.line(inbound) else { return }
                    let bytes = await respond(to: line)
                    try await outbound.write(ByteBuffer(bytes: bytes + [UInt8(ascii: "\n")]))
                }
            }
            group.addTask { try? await Task.pause(for: Self.patience) }
            await group.next()
            group.cancelAll()
        }
    }

    private func respond(to line: [UInt8]) async -> [UInt8] {
        guard let request = ControlRequest(line) else {
            return ControlAnswer.refused("the request is none that this version knows")
        }
        return await answer(request)
    }

    private static func line(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> [UInt8]? {
        var line: [UInt8] = []
        for try await buffer in inbound {
            line += buffer.readableBytesView
            if let end = line.firstIndex(of: UInt8(ascii: "\n")) { return Array(line[..<end]) }
            guard line.count < ControlSocket.requestLimit else { return nil }
        }
        return nil
    }
}
