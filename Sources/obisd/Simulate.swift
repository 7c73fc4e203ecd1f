import ArgumentParser
import Foundation
import MeterSimulator
import OBIS
import Wire

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Simulate meters on pseudo-terminals, TCP or UDP.",
        discussion: """
            \(MeterArgument.help)

            Example: obisd simulate --meter dlms-push,pty=/tmp/e450,interval=1s --meter iec62056-21,pty=/tmp/optical
            """)

    @Option(name: .long, help: "A meter to simulate; may be given several times.")
    var meter: [MeterArgument]

    @Option(name: .long, help: "Equal seeds make equal houses.")
    var seed: UInt64 = 1

    func validate() throws {
        if meter.isEmpty { throw ValidationError("no meter to simulate: give at least one --meter") }
    }

    func run() async throws {
        let (stop, sources) = Self.stopSignal()
        defer { sources.forEach { $0.cancel() } }
        let isComplete = await withTaskGroup(of: Bool.self) { group in
            for (index, argument) in meter.enumerated() {
                let simulated = SimulatedMeter(kind: argument.kind, seed: seed &+ UInt64(index))
                group.addTask { await Self.serve(simulated, argument) }
            }
            group.addTask {
                for await _ in stop { break }
                return true
            }
            // The first end is the signal, or a meter that cannot be simulated.
            let isComplete = await group.next() ?? true
            group.cancelAll()
            return isComplete
        }
        if !isComplete { throw Exit.inputOutput }
    }

    /// - Returns: whether the meter could be simulated.
    private static func serve(_ meter: SimulatedMeter, _ argument: MeterArgument) async -> Bool {
        do {
            switch argument.place {
            case .pty(let path):
                let line = try await SimulatedLine(path: path, line: meter.line, pacing: .baudRate)
                Output.line("\(argument.protocolName) on \(path) at \(meter.line)")
                await run(meter, over: line)
            case .rfc2217(let port):
                let line = try await RFC2217Server(line: meter.line, port: port)
                Output.line("\(argument.protocolName) on 127.0.0.1:\(line.port) at \(meter.line), with RFC 2217")
                await run(meter, over: line)
            case .udp(let host, let port):
                let line = try await UDPMeterLine(host: host.contains(":") ? "::" : "0.0.0.0", reader: (host, port))
                Output.line("\(argument.protocolName) to udp \(host):\(port)")
                await run(meter, over: line)
            case .askedOverUDP(let port):
                let line = try await UDPMeterLine(port: port)
                Output.line("\(argument.protocolName) on udp 127.0.0.1:\(line.port)")
                await run(meter, over: line)
            case .call(let host, let port):
                Output.line("\(argument.protocolName) calls \(host):\(port)")
                await run(meter, over: TCPCaller(reader: (host, port)))
            case .tcp(let port):
                let server = try await TCPServer(port: port)
                Output.line("\(argument.protocolName) on 127.0.0.1:\(server.port)")
                await withTaskGroup(of: Void.self) { group in
                    for await connection in server.connections {
                        group.addTask { await run(meter, over: connection) }
                    }
                    group.cancelAll()
                }
                await server.close()
            }
        } catch {
            Output.note("\(argument.protocolName): \(error)")
            return false
        }
        return true
    }

    private static func run(_ meter: SimulatedMeter, over line: some MeterLine) async {
        await withTaskCancellationHandler {
            await meter.run(over: line)
        } onCancel: {
            Task { await line.close() }
        }
        await line.close()
    }

    /// Ends the meters cleanly, so that no link to a pseudo-terminal stays behind.
    private static func stopSignal() -> (AsyncStream<Void>, [any DispatchSourceSignal]) {
        let (stream, sink) = AsyncStream.makeStream(of: Void.self)
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { sink.yield() }
            source.resume()
            return source
        }
        return (stream, sources)
    }
}
