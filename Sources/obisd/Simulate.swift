import ArgumentParser
import Foundation
import MeterSimulator
import OBIS
import Wire

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Simulate meters on pseudo-terminals or TCP.",
        discussion: """
            Each --meter is a protocol and options, separated by commas:

              dlms-push     pty=PATH or tcp=PORT (0: any free port), list=objects|pairs|bare, interval=5s, serial=NUMBER,
                            encryption_key=@FILE, authentication_key=@FILE, noise=N, flipped_bit=N, lost_frame=N
                            (every N-th push is damaged so)
              iec62056-21   pty=PATH or tcp=PORT, address=TEXT, baud=9600, wrong_bcc=N (so many readouts), silent, echo

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
                await withTaskCancellationHandler {
                    await meter.run(over: line)
                } onCancel: {
                    Task { await line.close() }
                }
                await line.close()
            case .tcp(let port):
                let server = try await TCPServer(port: port)
                Output.line("\(argument.protocolName) on 127.0.0.1:\(server.port)")
                await withTaskGroup(of: Void.self) { group in
                    for await connection in server.connections {
                        group.addTask {
                            await meter.run(over: connection)
                            await connection.close()
                        }
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

/// `dlms-push,pty=/tmp/e450,interval=1s`
struct MeterArgument: ExpressibleByArgument, Sendable {
    enum Place: Sendable {
        case pty(String)
        case tcp(Int)
    }

    let protocolName: String
    let place: Place
    let kind: SimulatedMeter.Kind

    init?(argument: String) {
        let parts = argument.split(separator: ",").map(String.init)
        guard let name = parts.first else { return nil }
        var options = SimulatorOptions(parts.dropFirst())
        guard let place = options.place(), let kind = Self.kind(name, &options), options.isUsedUp else { return nil }
        protocolName = name
        self.place = place
        self.kind = kind
    }

    private static func kind(_ name: String, _ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        switch name {
        case "dlms-push":
            var meter = PushMeter.Configuration()
            guard let list = options.text("list").map({ PushMeter.List(rawValue: $0) }) ?? .objects,
                let interval = options.duration("interval", default: .seconds(5))
            else { return nil }
            meter.list = list
            if let serial = options.text("serial") { meter.serial = serial }
            meter.encryptionKey = options.key("encryption_key")
            meter.authenticationKey = options.key("authentication_key")
            meter.faults.noiseEvery = options.number("noise") ?? 0
            meter.faults.flippedBitEvery = options.number("flipped_bit") ?? 0
            meter.faults.lostFrameEvery = options.number("lost_frame") ?? 0
            return .push(meter, interval: interval)
        case "iec62056-21":
            var meter = OpticalMeter.Configuration(manufacturer: "LGZ", identification: "ZMF100AC.M26")
            if let address = options.text("address") { meter.address = address }
            if let baud = options.number("baud") { meter.offeredBaud = baud }
            let faults = OpticalMeter.Faults(
                wrongBlockChecks: options.number("wrong_bcc") ?? 0, isSilent: options.flag("silent"),
                echoes: options.flag("echo"))
            return .optical(meter, faults)
        default:
            return nil
        }
    }
}

/// The options of one simulated meter. Each may be used once; what is left over is an error.
private struct SimulatorOptions {
    private var values: [String: String] = [:]
    private var isBroken = false

    init(_ parts: some Sequence<String>) {
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = pair.first, values[name] == nil else {
                isBroken = true
                continue
            }
            values[name] = pair.count > 1 ? pair[1] : ""
        }
    }

    var isUsedUp: Bool { values.isEmpty && !isBroken }

    mutating func text(_ name: String) -> String? { values.removeValue(forKey: name) }

    mutating func flag(_ name: String) -> Bool { values.removeValue(forKey: name) != nil }

    mutating func number(_ name: String) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), number >= 0 else { return broken() }
        return number
    }

    mutating func duration(_ name: String, default standard: Duration) -> Duration? {
        guard let text = text(name) else { return standard }
        for (suffix, milliseconds) in [("ms", 1), ("s", 1000), ("m", 60_000)] where text.hasSuffix(suffix) {
            guard let number = Int(text.dropLast(suffix.count)), number > 0, number < 1_000_000 else { continue }
            return .milliseconds(number * milliseconds)
        }
        return broken()
    }

    mutating func key(_ name: String) -> Secret? {
        guard let text = text(name) else { return nil }
        guard let secret = KeyArgument(argument: text).secret else { return broken() }
        return secret
    }

    mutating func place() -> MeterArgument.Place? {
        if let path = text("pty"), !path.isEmpty { return .pty(path) }
        return number("tcp").map { .tcp($0) }
    }

    private mutating func broken<Value>() -> Value? {
        isBroken = true
        return nil
    }
}
