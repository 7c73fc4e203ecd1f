import ArgumentParser
import Foundation
import IEC62056
import MeterSimulator
import OBIS
import Wire

/// `dlms-push,pty=/tmp/e450,interval=1s`
struct MeterArgument: ExpressibleByArgument, Sendable {
    /// Where the meter is found, or whom it calls.
    enum Place: Sendable {
        case pty(String)
        case tcp(Int)
        case rfc2217(Int)
        case udp(host: String, port: Int)
        case askedOverUDP(port: Int)
        case call(host: String, port: Int)
    }

    static let help = """
        Each --meter is a protocol and options, separated by commas. One says where the meter is:

          pty=PATH          a pseudo-terminal behind this link
          tcp=PORT          a gateway on this machine (0: any free port)
          rfc2217=PORT      the same with line settings over the network
          udp=HOST:PORT     it sends datagrams there
          udp=PORT          it is asked over UDP on this machine (dlms-client)
          call=HOST:PORT    it connects to a daemon that listens there

        The others, all optional, say what it is:

          dlms-push    list=objects|pairs|bare, carrier=hdlc|segments|mbus|wrapper|llc|apdu, interval=5s, serial=NUMBER,
                       encryption_key=@FILE, authentication_key=@FILE, noise=N, flipped_bit=N, lost_frame=N
                       (every N-th push is damaged so)
          iec62056-21  mode=a|b|c|d|programming, address=TEXT, baud=9600, wake_up, interval=5s (mode d), wrong_bcc=N (so
                       many readouts and answers), keeps=BAUD (it offers more than it keeps), silent, echo; in mode
                       programming also password=TEXT, block=N (characters of a partial block, R6), days=N (of its load
                       profile P.01; 0: it has none), nak=N (so many commands to read)
          dsmr-p1      version=v22|v42|v50|be|se, interval=1s, serial=TEXT, encryption_key=@FILE,
                       authentication_key=@FILE, noise=N, flipped_bit=N
          mbus         slaves=N (a building of meters; else one), address=7, kind=electricity|gas|water|heat, fixed,
                       serial=NUMBER, telegrams=N, baud=2400, wrong_checksum=N (so many answers), mute, slow, echo
          sml          maker=EMH, serial=NUMBER, interval=2s, noise=N, flipped_bit=N
          dlms-client  \(dlmsHelp)
        """

    let protocolName: String
    let place: Place
    let kind: SimulatedMeter.Kind

    init?(argument: String) {
        let parts = argument.split(separator: ",").map(String.init)
        guard let name = parts.first else { return nil }
        var options = SimulatorOptions(parts.dropFirst())
        guard let place = options.place(), let kind = Self.kind(name, place, &options), options.isUsedUp else {
            return nil
        }
        protocolName = name
        self.place = place
        self.kind = kind
    }

    private static func kind(
        _ name: String, _ place: Place, _ options: inout SimulatorOptions
    ) -> SimulatedMeter.Kind? {
        // Who is asked over UDP tells nobody anything before, and who tells something has to know whom.
        switch place {
        case .udp where name == "dlms-client": return nil
        case .askedOverUDP where name != "dlms-client": return nil
        default: break
        }
        return switch name {
        case "dlms-push": push(&options)
        case "iec62056-21": optical(&options)
        case "dsmr-p1": telegram(&options)
        case "sml": files(&options)
        case "mbus": bus(&options)
        case "dlms-client": dlms(place, &options)
        default: nil
        }
    }

    private static func push(_ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        var meter = PushMeter.Configuration()
        guard let list: PushMeter.List = options.choice("list", default: .objects),
            let carrier: PushMeter.Carrier = options.choice("carrier", default: .hdlc),
            let interval = options.duration("interval", default: .seconds(5))
        else { return nil }
        meter.list = list
        meter.carrier = carrier
        if let serial = options.text("serial") { meter.serial = serial }
        meter.encryptionKey = options.key("encryption_key")
        meter.authenticationKey = options.key("authentication_key")
        meter.faults.noiseEvery = options.number("noise") ?? 0
        meter.faults.flippedBitEvery = options.number("flipped_bit") ?? 0
        meter.faults.lostFrameEvery = options.number("lost_frame") ?? 0
        return .talking(PushMeter(configuration: meter, counter: risingCounter), interval: interval)
    }

    private static func optical(_ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        var meter = OpticalMeter.Configuration(manufacturer: "LGZ", identification: "ZMF100AC.M26")
        guard let mode: SimulatedMode = options.choice("mode", default: .c),
            let interval = options.duration("interval", default: .seconds(5))
        else { return nil }
        if let address = options.text("address") { meter.address = address }
        if let baud = options.number("baud") { meter.offeredBaud = baud }
        if options.flag("wake_up") { meter.wakeUp = OpticalMeter.WakeUp() }
        meter.mode = mode.own
        if mode == .programming { meter.programming = programming(&options) }
        let faults = OpticalMeter.Faults(
            wrongBlockChecks: options.number("wrong_bcc") ?? 0,
            naks: mode == .programming ? options.number("nak") ?? 0 : 0, isSilent: options.flag("silent"),
            echoes: options.flag("echo"),
            keptRate: options.number("keeps").map { OpticalMeter.KeptRate(highest: $0) })
        guard mode == .d else { return .optical(meter, faults) }
        meter.line = .modeD
        return .talking(ReadoutMeter(configuration: meter), interval: interval)
    }

    /// A mode of the meter, or that of a meter of mode C that can be asked for single registers.
    private enum SimulatedMode: String {
        case a, b, c, d, programming

        var own: OpticalMeter.Mode {
            switch self {
            case .a: .a
            case .b: .b
            case .c, .programming: .c
            case .d: .d
            }
        }
    }

    private static func programming(_ options: inout SimulatorOptions) -> OpticalMeter.Programming {
        let days = options.number("days") ?? SimulatedProfile().days
        return OpticalMeter.Programming(
            password: options.text("password"), partialBlock: max(1, options.number("block") ?? 64),
            profile: days > 0 ? SimulatedProfile(days: days) : nil)
    }

    private static func telegram(_ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        var meter = P1Meter.Configuration()
        guard let version: P1Meter.Version = options.choice("version", default: .v50),
            let interval = options.duration("interval", default: .seconds(1))
        else { return nil }
        meter.version = version
        if let serial = options.text("serial") { meter.serial = serial }
        meter.encryptionKey = options.key("encryption_key")
        meter.authenticationKey = options.key("authentication_key")
        meter.faults.noiseEvery = options.number("noise") ?? 0
        meter.faults.flippedBitEvery = options.number("flipped_bit") ?? 0
        return .talking(P1Meter(configuration: meter, counter: risingCounter), interval: interval)
    }

    private static func files(_ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        guard let interval = options.duration("interval", default: .seconds(2)) else { return nil }
        var meter = SMLMeter.Configuration()
        if let maker = options.text("maker") { meter.manufacturer = maker }
        if let serial = options.text("serial") { meter.serial = serial }
        meter.usesKermit = meter.manufacturer == "HLY"
        meter.faults.noiseEvery = options.number("noise") ?? 0
        meter.faults.flippedBitEvery = options.number("flipped_bit") ?? 0
        return .talking(SMLMeter(configuration: meter), interval: interval)
    }

    private static func bus(_ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        let (echoes, baud) = (options.flag("echo"), options.number("baud") ?? 2400)
        var slaves: [SimulatedBus.Slave]
        if let count = options.number("slaves") {
            slaves = SimulatedBus.building(count)
        } else {
            guard let kind: MBusSlave.Kind = options.choice("kind", default: .electricity),
                let address = UInt8(exactly: options.number("address") ?? 1)
            else { return nil }
            let configuration = MBusSlave.Configuration(
                kind: kind, structure: options.flag("fixed") ? .fixed : .variable, address: address,
                serial: options.text("serial") ?? "12345678", telegrams: max(1, options.number("telegrams") ?? 1))
            let faults = MBusSlave.Faults(
                isMute: options.flag("mute"), wrongChecksums: options.number("wrong_checksum") ?? 0,
                isSlow: options.flag("slow"))
            slaves = [SimulatedBus.Slave(MBusSlave(configuration: configuration, faults: faults))]
        }
        return .bus(slaves, line: LineSettings(baud: baud, dataBits: 8, parity: .even), echoes: echoes)
    }

    /// A message counter that rises with the clock also rises from one run to the next.
    static var risingCounter: UInt32 { UInt32(truncatingIfNeeded: Int(Date().timeIntervalSince1970)) }
}

/// The options of one simulated meter. Each may be used once; what is left over is an error.
struct SimulatorOptions {
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

    mutating func choice<Choice: RawRepresentable<String>>(_ name: String, default standard: Choice) -> Choice? {
        guard let text = text(name) else { return standard }
        return Choice(rawValue: text) ?? broken()
    }

    mutating func key(_ name: String) -> Secret? {
        guard let text = text(name) else { return nil }
        guard let secret = KeyArgument(argument: text).secret else { return broken() }
        return secret
    }

    mutating func place() -> MeterArgument.Place? {
        if let path = text("pty"), !path.isEmpty { return .pty(path) }
        if let port = number("tcp") { return .tcp(port) }
        if let port = number("rfc2217") { return .rfc2217(port) }
        if let text = values["udp"], let port = UInt16(text) {
            values["udp"] = nil
            return .askedOverUDP(port: Int(port))
        }
        if let (host, port) = hostPort("udp") { return .udp(host: host, port: port) }
        return hostPort("call").map { .call(host: $0, port: $1) }
    }

    private mutating func hostPort(_ name: String) -> (String, Int)? {
        guard let text = text(name) else { return nil }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port)
        else { return broken() }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        return host.isEmpty ? broken() : (host, port)
    }

    private mutating func broken<Value>() -> Value? {
        isBroken = true
        return nil
    }
}
