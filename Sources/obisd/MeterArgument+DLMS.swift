import Foundation
import MeterSimulator
import OBIS

/// `dlms-client,tcp=4059,security=hls-gmac,encryption_key=@FILE,authentication_key=@FILE`
extension MeterArgument {
    static let dlmsHelp = """
        framing=wrapper|hdlc (hdlc on a port with speeds), sign_on (mode E), baud=9600 (its), client=1, server=1, serial=NUMBER,
                       security=none|lls|hls-md5|hls-sha1|hls-gmac|hls-sha256, password=TEXT|@FILE,
                       encryption_key=@FILE, authentication_key=@FILE (with both, it wants ciphered messages), plain
                       (but not those), general_ciphering, pdu_size=1024, general_blocks, no_lists, frame_size=128,
                       window=1, profile_period=15m, profile_entries=960, null_clock, silent_from=N (request),
                       slow=DURATION, refused=N (so many associations), wrong_tag=N, repeated_counter=N, wrong_id=N,
                       notify=N, frmr=N, noise=N (so many answers), aborted_block=N, lost_frame=N, repeated_frame=N,
                       wrong_fcs=N, closed_frame=N (the N-th frame)
        """

    private enum Security: String {
        case none
        case lls
        case md5 = "hls-md5"
        case sha1 = "hls-sha1"
        case gmac = "hls-gmac"
        case sha256 = "hls-sha256"

        var mechanism: DLMSServer.Mechanism {
            switch self {
            case .none: .none
            case .lls: .password
            case .md5: .md5
            case .sha1: .sha1
            case .gmac: .gmac
            case .sha256: .sha256
            }
        }
    }

    static func dlms(_ place: Place, _ options: inout SimulatorOptions) -> SimulatedMeter.Kind? {
        var meter = DLMSServer.Configuration()
        guard let framing: DLMSMeter.Framing = options.choice("framing", default: place.hasSpeeds ? .hdlc : .wrapper),
            let client = client(&options),
            let server = UInt16(exactly: options.number("server") ?? 1),
            let period = options.duration("profile_period", default: .seconds(900)),
            let faults = faults(&options)
        else { return nil }
        meter.clients = [client]
        meter.address = server
        meter.invocationCounter = risingCounter
        if let serial = options.text("serial") { meter.serial = serial }
        meter.pduSize = min(0xFFFF, max(64, options.number("pdu_size") ?? meter.pduSize))
        if options.flag("general_ciphering") { meter.conformance.insert(.generalProtection) }
        if options.flag("general_blocks") { meter.conformance.insert(.generalBlockTransfer) }
        if options.flag("no_lists") { meter.conformance.remove(.multipleReferences) }
        meter.profile.period = max(1, Int(period.components.seconds))
        meter.profile.entries = options.number("profile_entries") ?? meter.profile.entries
        meter.profile.omitsClock = options.flag("null_clock")
        let signsOn = options.flag("sign_on")
        let simulated = SimulatedDLMSMeter(
            configuration: meter, framing: signsOn ? .hdlc : framing, link: link(server, &options), faults: faults)
        guard signsOn else { return .dlms(simulated) }
        return .handedOver(
            OpticalMeter.Configuration(manufacturer: "OBI", offeredBaud: options.number("baud") ?? 9600), simulated)
    }

    /// - Returns: nil where the security wants a password or keys that are not there.
    private static func client(_ options: inout SimulatorOptions) -> DLMSServer.Client? {
        guard let security: Security = options.choice("security", default: .none),
            let address = UInt16(exactly: options.number("client") ?? 1)
        else { return nil }
        let isPlain = options.flag("plain")
        var keys: DLMSServer.Keys?
        switch (options.key("encryption_key"), options.key("authentication_key")) {
        case (let encryption?, let authentication?):
            keys = .init(encryption: encryption, authentication: authentication)
        case (nil, nil): break
        default: return nil
        }
        let password = options.text("password").flatMap(Self.password)
        switch security {
        case .none: break
        case .gmac: guard keys != nil else { return nil }
        case .lls, .md5, .sha1, .sha256: guard password != nil else { return nil }
        }
        return DLMSServer.Client(
            address: address, mechanism: security.mechanism, secret: password ?? Secret([]), keys: keys,
            isCiphered: keys != nil && !isPlain)
    }

    private static func password(_ text: String) -> Secret? {
        guard text.hasPrefix("@") else { return Secret(Array(text.utf8)) }
        let content = try? String(contentsOfFile: String(text.dropFirst()), encoding: .utf8)
        return content.map { Secret(Array($0.trimmingCharacters(in: .newlines).utf8)) }
    }

    private static func link(_ server: UInt16, _ options: inout SimulatorOptions) -> DLMSMeter.LinkConfiguration {
        var link = DLMSMeter.LinkConfiguration()
        link.server = server
        // A frame has at most 2047 bytes between its flags.
        let size = min(2030, max(16, options.number("frame_size") ?? link.maximumTransmit))
        (link.maximumTransmit, link.maximumReceive) = (size, size)
        let window = min(7, max(1, options.number("window") ?? link.transmitWindow))
        (link.transmitWindow, link.receiveWindow) = (window, window)
        return link
    }

    private static func faults(_ options: inout SimulatorOptions) -> DLMSServer.Faults? {
        var faults = DLMSServer.Faults()
        guard let delay = options.duration("slow", default: .zero) else { return nil }
        faults.delay = delay
        faults.silentFromRequest = options.number("silent_from") ?? 0
        faults.refusedAssociations = options.number("refused") ?? 0
        faults.wrongTags = options.number("wrong_tag") ?? 0
        faults.repeatedCounters = options.number("repeated_counter") ?? 0
        faults.wrongInvokeIDs = options.number("wrong_id") ?? 0
        faults.notifications = options.number("notify") ?? 0
        faults.frameRejects = options.number("frmr") ?? 0
        faults.noise = options.number("noise") ?? 0
        faults.abortedBlock = options.number("aborted_block") ?? 0
        faults.lostFrame = options.number("lost_frame") ?? 0
        faults.repeatedFrame = options.number("repeated_frame") ?? 0
        faults.wrongCheckFrame = options.number("wrong_fcs") ?? 0
        faults.closedFrame = options.number("closed_frame") ?? 0
        return faults
    }
}

extension MeterArgument.Place {
    /// Whether meters there speak at a line's speed.
    fileprivate var hasSpeeds: Bool {
        switch self {
        case .pty, .rfc2217: true
        case .tcp, .udp, .askedOverUDP, .call: false
        }
    }
}
