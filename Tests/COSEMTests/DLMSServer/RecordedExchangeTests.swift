import COSEM
import MeterSimulator
import OBIS
import TestSupport
import Testing

/// Recorded meters say byte for byte what the simulated one says with their settings.
@Suite("The simulated DLMS meter answers as recorded meters do")
struct RecordedExchangeTests {
    private struct Frame {
        let isRequest: Bool
        let bytes: [UInt8]
    }

    /// - Returns: nil where the recordings are not at hand.
    private func frames(_ name: String) throws -> [Frame]? {
        guard let item = try Corpus("dlms-client")?.cases().first(where: { $0.name == name }) else { return nil }
        return (item.json["frames"] as? [[String: Any]])?.map {
            Frame(
                isRequest: $0["direction"] as? String == "client to server",
                bytes: Corpus.bytes(hex: $0["hex"] as? String ?? ""))
        }
    }

    private func configuration(
        _ conformance: UInt32, _ pduSize: Int, _ client: DLMSServer.Client
    ) -> DLMSServer.Configuration {
        var configuration = DLMSServer.Configuration()
        configuration.conformance = DLMSServer.Conformance(rawValue: conformance)
        configuration.pduSize = pduSize
        configuration.clients = [client]
        return configuration
    }

    /// Every request of a recording, and whether the answer is that of the recording.
    private func replay(_ name: String, _ configuration: DLMSServer.Configuration, at time: MeterTime?) throws {
        guard let frames = try frames(name) else { return }
        var server = DLMSServer(configuration: configuration)
        for index in stride(from: 0, to: frames.count - 1, by: 2) {
            #expect(server.ask(frames[index].bytes, at: time).map(\.hex) == [frames[index + 1].bytes.hex])
        }
    }

    @Test("association without security, one attribute, release")
    func complete() throws {
        let time = MeterTime(year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0, utcOffset: -60)
        try replay(
            "gosem_CompleteCommunication", configuration(0x00101D, 0x80, .init(address: 1)), at: time)
        try replay("gosem_CloseAssociation", DLMSServer.Configuration(), at: time)
    }

    @Test("a wrong password")
    func wrongPassword() throws {
        let client = DLMSServer.Client(address: 1, mechanism: .password, secret: Secret(Array("other".utf8)))
        try replay("gosem_InvalidPassword", configuration(0x001014, 0x80, client), at: nil)
    }

    private var securedClient: DLMSServer.Client {
        let key = Secret(Corpus.bytes(hex: "00112233445566778899AABBCCDDEEFF"))
        return DLMSServer.Client(
            address: 1, mechanism: .password, secret: Secret(Array("JuS66BCZ".utf8)),
            keys: .init(encryption: key, authentication: key), isCiphered: true)
    }

    @Test("a ciphered association with a dedicated key, and its release")
    func dedicatedKey() throws {
        guard let frames = try frames("gosem_LGZ_secure_full") else { return }
        var configuration = configuration(0x00181F, 0xFA, securedClient)
        configuration.systemTitle = Corpus.bytes(hex: "4C475A2022604828")
        configuration.invocationCounter = 90
        var server = DLMSServer(configuration: configuration)
        let time = MeterTime(year: 2023, month: 2, day: 15, hour: 17, minute: 55, second: 21)
        // The third answer of the recording is a repeated message, which a meter does not send.
        for index in [0, 2, 6] {
            #expect(server.ask(frames[index].bytes, at: time).map(\.hex) == [frames[index + 1].bytes.hex])
        }
        #expect(server.memory.writesAttempted == 0)
    }

    @Test("an invocation counter that was used before, as some meters refuse it")
    func usedCounter() throws {
        var configuration = configuration(0x00181F, 0xFA, securedClient)
        configuration.clientCounters = [1: 0x59]
        configuration.cipheringRefusal = .response
        try replay("gosem_AssociationWithInvocationCounter", configuration, at: nil)
    }

    @Test("the invocation counter as an attribute")
    func counter() throws {
        guard let frames = try frames("u9n_get_normal_and_errors") else { return }
        var configuration = configuration(0xFFFFFF, 1024, .init(address: 1, isCiphered: true))
        configuration.clientCounters = [1: 5009]
        var server = DLMSServer(configuration: configuration)
        _ = server.ask(Asking.associate(), from: 16)
        #expect(server.ask(frames[0].bytes, from: 16).map(\.hex) == [frames[1].bytes.hex])
    }

    @Test("the association responses of the Green Book")
    func responses() throws {
        let plain = configuration(0x00501F, 500, .init(address: 1))
        var high = configuration(0x00501F, 500, .init(address: 1, mechanism: .gmac, keys: Asking.keys))
        high.challenge = Array("P6wRJ21F".utf8)
        let cases: [(String, DLMSServer.Configuration, [UInt8])] = [
            ("u9n_AARE_no_ciphering_no_security_ok_association", plain, Asking.associate()),
            (
                "u9n_AARE_no_ciphering_no_security_app_context_name_wrong", plain,
                Asking.associate(context: 3)
            ),
            (
                "u9n_AARE_no_cipher_no_security_incorrect_dlms_version", plain,
                Asking.associate(user: Asking.initiate(version: 5))
            ),
            (
                "u9n_AARE_no_ciher_hls_ok", high,
                try frames("u9n_AARQ_no_ciphering_high_security")?.first?.bytes ?? []
            ),
        ]
        for (name, configuration, request) in cases {
            guard let frames = try frames(name) else { continue }
            var server = DLMSServer(configuration: configuration)
            #expect(server.ask(request).map(\.hex) == [frames[0].bytes.hex], "\(name)")
        }
    }

    @Test("HDLC: connection, association, one attribute")
    func link() throws {
        guard let frames = try frames("gosem_hdlc_SendAndReceive") else { return }
        let client = DLMSServer.Client(address: 2, mechanism: .password, secret: Secret(Array("00000001".utf8)))
        var link = DLMSMeter.LinkConfiguration()
        (link.maximumTransmit, link.maximumReceive) = (248, 240)
        var meter = DLMSMeter(
            server: DLMSServer(configuration: configuration(0x001014, 0xF0, client)), framing: .hdlc, link: link)
        for index in [0, 2, 4] {
            #expect(meter.sent(frames[index].bytes).map(\.hex) == [frames[index + 1].bytes.hex])
        }
    }

    @Test("HDLC: what a UA announces, to addresses of every length")
    func announcements() throws {
        func link(
            _ server: UInt16, _ transmit: Int, _ receive: Int, isLong: Bool = false
        ) -> DLMSMeter.LinkConfiguration {
            var link = DLMSMeter.LinkConfiguration()
            link.server = server
            (link.maximumTransmit, link.maximumReceive) = (transmit, receive)
            link.hasLongParameters = isLong
            return link
        }
        let cases = [
            ("u9n_UA_4byte_address", link(1, 128, 128, isLong: true), "00020023", ["03", "21"]),
            ("jdlms_UA_1", link(1, 128, 62), "03", ["61"]),
            ("jdlms_UA_3", link(1, 126, 126), "0223", ["C9"]),
            ("gurux_issue1_UA", link(1, 256, 256), "0221", ["05"]),
            ("u9n_issue95_UA_MEM600", link(1, 242, 242, isLong: true), "00022C29", ["03"]),
        ]
        for (name, link, server, clients) in cases {
            guard let frames = try frames(name) else { continue }
            var meter = DLMSMeter(server: DLMSServer(), framing: .hdlc, link: link)
            for (client, frame) in zip(clients, frames) {
                let connect = HDLCFrame(
                    destination: Corpus.bytes(hex: server), source: Corpus.bytes(hex: client), control: 0x93,
                    information: [])
                #expect(meter.sent(connect.encoded() ?? []).map(\.hex) == [frame.bytes.hex], "\(name)")
            }
        }
    }
}

extension DLMSMeter {
    /// What comes back over the line, piece by piece.
    mutating func sent(_ bytes: [UInt8]) -> [[UInt8]] {
        receive(bytes, house: Household(seed: 1), time: Asking.time ?? MeterTime(localSeconds: 0)).compactMap {
            if case .send(let bytes) = $0 { bytes } else { nil }
        }
    }
}
