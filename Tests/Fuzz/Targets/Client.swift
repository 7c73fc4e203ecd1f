import COSEM
import IEC62056
import MeterSimulator
import Metering
import OBIS
import Synchronization
import Wire

/// Meters that are asked by DLMS/COSEM, and recordings of such conversations.
extension FuzzTarget {
    static let client: [FuzzTarget] =
        [
            session("client.wrapper", .wrapper),
            session("client.hdlc", .hdlc),
            session("client.password", .wrapper, .lls),
            session("client.challenge", .wrapper, .hlsSHA256),
            session("client.ciphered", .wrapper, .hlsGMAC, .both),
            session("client.dedicated-key", .hdlc, .hlsGMAC, .both, usesDedicatedKey: true),
            session("client.authenticated", .wrapper, .none, .authentication),
            session("client.listing", .wrapper, registers: []),
        ] + [
            FuzzTarget("client.handover", .session, seeds: conversations) { bytes in
                let meter = OpticalPeer(OpticalMeter.Configuration(), binary: binary())
                Conversation.run(bytes, handover(), meter, hasLoadProfile: true)
            },
            FuzzTarget("client.exchange", .framer) {
                recordings
            } run: { bytes in
                FramerCheck.run(bytes, isEqual: false) { ExchangeDecoder() }
            },
            // The input is an answer to a request that was heard.
            FuzzTarget("client.answer", .decoder) {
                [[0xC4, 0x01, 0x81, 0x00, 0x06, 0, 0, 1, 2], [0xC4, 0x03, 0x81, 0x01, 0x00, 0x09, 0x02, 1, 2]]
            } run: { bytes in
                let request: [UInt8] = [0xC0, 0x01, 0x81, 0x00, 0x03, 1, 0, 1, 8, 0, 255, 2, 0]
                let exchange = wrapper(request) + wrapper(bytes)
                _ = FramerCheck.telegrams(of: exchange, ExchangeDecoder())
            },
        ]

    /// One without faults, one for the load profile, one in pieces.
    @Sendable static func conversations() -> [[UInt8]] {
        [
            [UInt8](repeating: 0, count: 64),
            [0x0B, 0x00, 0x08] + [UInt8](repeating: 0, count: 64),
            [0x0A] + (0..<64).flatMap { _ in [0x05, 0x07] as [UInt8] },
            [0x00, 0x00, 0x06, 0x00, 0x09, 0x01] + [UInt8](repeating: 0, count: 48),
            [0x00, 0x00, 0x0E, 0x01, 0x00] + [UInt8](repeating: 0, count: 48),
        ]
    }

    private static func session(
        _ name: String, _ framing: ClientSettings.Framing, _ mechanism: AuthenticationMechanism = .none,
        _ ciphering: MessageCiphering = .none, usesDedicatedKey: Bool = false, registers: [WantedRegister] = wanted
    ) -> FuzzTarget {
        FuzzTarget(name, .session, seeds: conversations) { bytes in
            let random = Mutex<UInt8>(0)
            var settings = ClientSettings(
                framing: framing, client: 1, mechanism: mechanism, password: Sample.password, ciphering: ciphering,
                keys: CipheringKeys(encryption: Sample.encryptionKey, authentication: Sample.authenticationKey),
                usesDedicatedKey: usesDedicatedKey, registers: registers,
                line: framing == .hdlc ? LineSettings(baud: 9600) : nil)
            // The same ones in each execution.
            settings.random = { count in
                (0..<count).map { _ in
                    random.withLock { number in
                        number = number &* 5 &+ 77
                        return number
                    }
                }
            }
            let peer = DLMSPeer(meter: meter(framing, mechanism, ciphering), framing: framing)
            Conversation.run(bytes, DLMSClient(settings: settings), peer, hasLoadProfile: true)
        }
    }

    private static let wanted = [
        WantedRegister(ObisCode(1, 0, 1, 8, 0)), WantedRegister(ObisCode(1, 0, 16, 7, 0)),
        WantedRegister(ObisCode(1, 0, 1, 6, 0)),
    ]

    private static func meter(
        _ framing: ClientSettings.Framing, _ mechanism: AuthenticationMechanism, _ ciphering: MessageCiphering
    ) -> DLMSMeter {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [
            DLMSServer.Client(
                address: 1, mechanism: DLMSServer.Mechanism(rawValue: mechanism.rawValue) ?? .none,
                secret: Sample.password,
                keys: DLMSServer.Keys(encryption: Sample.encryptionKey, authentication: Sample.authenticationKey),
                isCiphered: ciphering != .none)
        ]
        configuration.securityControl = ciphering == .authentication ? 0x10 : 0x30
        configuration.profile.entries = 16
        return DLMSMeter(server: DLMSServer(configuration: configuration), framing: framing == .hdlc ? .hdlc : .wrapper)
    }

    // MARK: Behind a sign-on

    private static func handover() -> HandoverSession {
        let settings = ClientSettings(
            framing: .hdlc, client: 1, registers: wanted, random: { [UInt8](repeating: 7, count: $0) })
        return HandoverSession(
            settings: BinaryHandover.Settings(signOn: ReadoutSession.Settings(), asksAnyway: true),
            inner: DLMSClient(settings: settings))
    }

    private static func binary() -> OpticalMeter.Binary {
        let peer = Mutex(DLMSPeer(meter: meter(.hdlc, .none, .none), framing: .hdlc))
        return { bytes in peer.withLock { $0.hear(bytes) } }
    }

    // MARK: Recordings

    /// What a client without security and its meter say, over each link.
    private static let recordings: [[UInt8]] = [ClientSettings.Framing.wrapper, .hdlc].map { framing in
        var client = DLMSClient(
            settings: ClientSettings(
                framing: framing, client: 1, registers: wanted, random: { [UInt8](repeating: 7, count: $0) }))
        var peer = DLMSPeer(meter: meter(framing, .none, .none), framing: framing)
        var recording: [UInt8] = []
        var events: [SessionEvent] = [.opened, .poll]
        for _ in 0..<200 where !events.isEmpty {
            for action in client.handle(events.removeFirst()) {
                guard case .send(let bytes) = action else { continue }
                let answers = peer.hear(bytes)
                recording += bytes + answers.flatMap { $0 }
                events += [.drained] + answers.map { .received($0) }
            }
        }
        return recording
    }
}
