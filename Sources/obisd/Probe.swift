import ArgumentParser
import Configuration
import Foundation
import Logging
import Metering
import OBIS
import Transport
import Wire

struct Probe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out what is on a port: protocol, line settings and meter.",
        discussion: """
            PORT is a serial port (/dev/ttyUSB0), host:port of a TCP gateway (also tcp:host:port), or \
            rfc2217://host:port. Nothing else may use it meanwhile: stop the daemon.

            Listens with every protocol at every usual line setting, and sends nothing. With --ask, meters that talk only \
            when they are asked are asked as well: by a sign-on, by an association of DLMS's public client, and as slaves of an M-Bus.

            Prints a `meters:` stanza that `obisd check` accepts. Everything else goes to standard error.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case yaml, json }

    @Flag(name: .long, help: "Also ask, which sends something to the meter.")
    var ask = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long to wait at each line setting for a message; longer for meters that talk rarely.",
            valueName: "duration"))
    var listen = "6s"

    @OptionGroup var keys: KeyOptions

    @Option(name: .long, help: "What is printed: yaml for the configuration, or json, a line for what was found.")
    var format = Format.yaml

    @Argument(help: "The port.")
    var port: String

    func validate() throws {
        guard let period, period >= .milliseconds(100), period <= .seconds(600) else {
            throw ValidationError("--listen is a duration from 100ms to 10m")
        }
        guard endpoint != nil else {
            throw ValidationError("\(port) is no port: write /dev/ttyUSB0, gateway:10001 or rfc2217://gateway:3001")
        }
    }

    private var period: Duration? { Notation.duration(listen) }

    private var endpoint: Endpoint? {
        let text = port.hasPrefix("tcp:") && !port.hasPrefix("tcp://") ? String(port.dropFirst(4)) : port
        return Endpoint(port: text, line: LineSettings(baud: 2400, dataBits: 8, parity: .even))
    }

    func run() async throws {
        guard let endpoint, let period else { throw ExitCode.validationFailure }
        var probe = PortProbe(
            protocols: ProtocolRegistry.all,
            settings: PortProbe.Settings(
                listens: period, asks: ask, hasLine: endpoint.line != nil,
                keys: settings))
        do throws(TransportError) {
            try await find(with: &probe, at: endpoint)
        } catch {
            Output.note(error.message)
            if error.code == .busy {
                Output.note("if that is the daemon, stop it, or see `obisd status` for what it knows of its meters")
            }
            throw error.code == .permission ? Exit.permission : Exit.inputOutput
        }
        guard let finding = probe.finding else {
            ProbeAdvice(probe, hasAsked: ask).show()
            throw Exit.unavailable
        }
        report(
            ProbeReport(
                finding, at: endpoint, keys: ProbeReport.Keys(encryption: keys.key, authentication: keys.authKey)))
    }

    private func report(_ report: ProbeReport) {
        report.show()
        switch format {
        case .yaml: Output.line(report.stanza)
        case .json: Output.data(report.json)
        }
    }

    // MARK: The port

    private func find(with probe: inout PortProbe, at endpoint: Endpoint) async throws(TransportError) {
        let logger = Logger(label: "probe") { _ in SwiftLogNoOpLogHandler() }
        let link = try await LinkOpener().open(endpoint, options: LinkOptions(), logger: logger)
        let inbound = PolledInbound(link)
        let progress = ProgressLine()
        let start = ContinuousClock.now
        var lost: TransportError?
        while true {
            if case .done = probe.step { break }
            progress.show("\(probe.step.place) (step \(probe.number) of \(probe.count))", isStep: true)
            do throws(TransportError) {
                switch probe.step {
                case .listen(let line): try await listen(line, &probe, link, inbound, since: start)
                case .ask(let question, _, let line):
                    var session = question.makeSession(line, settings)
                    let poll = try await SinglePoll.run(&session, over: link, reading: inbound)
                    _ = probe.handle(.answered(poll.messages, poll.failure), at: start.duration(to: .now))
                case .done: break
                }
            } catch {
                if error.code == .configuration {
                    _ = probe.handle(.refused(error.message), at: start.duration(to: .now))
                } else {
                    _ = probe.handle(.closed, at: start.duration(to: .now))
                    lost = error
                }
            }
        }
        progress.end()
        await link.close()
        // What was understood before the line was lost counts.
        if let lost, probe.finding == nil { throw lost }
    }

    private var settings: ProtocolSettings {
        ProtocolSettings(encryptionKey: keys.key?.secret, authenticationKey: keys.authKey?.secret)
    }

    /// Until the step is over.
    private func listen(
        _ line: LineSettings?, _ probe: inout PortProbe, _ link: any Link, _ inbound: PolledInbound,
        since start: ContinuousClock.Instant
    ) async throws(TransportError) {
        if let line { try await link.setLine(line) }
        var isOver = probe.handle(.began, at: start.duration(to: .now))
        while !isOver {
            let now = start.duration(to: .now)
            let number = inbound.newTimer()
            let timer = inbound.timer(number, after: (probe.deadline(after: now) ?? now) - now)
            defer { timer.cancel() }
            switch await inbound.next() {
            case .received(let bytes): isOver = probe.handle(.received(bytes), at: start.duration(to: .now))
            case .timer(number): isOver = probe.handle(.time, at: start.duration(to: .now))
            case .timer: break
            case .ended(let error): throw error ?? TransportError(.closed, "the line is closed")
            }
        }
    }
}
