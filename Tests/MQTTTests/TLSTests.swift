import Foundation
import OBIS
import TestSupport
import Testing

@testable import MQTT

@Suite("TLS with a broker", .timeLimit(.minutes(1)))
struct TLSTests {
    @Test(
        "a broker with a certificate of our authority is trusted, by name and by address",
        arguments: ["127.0.0.1", "localhost"])
    func trusted(host: String) async throws {
        guard let authority = try Authority() else { return }
        let broker = try await authority.broker(names: "DNS:localhost,IP:127.0.0.1")
        let client = try startClient(authority.settings(broker, host: host, ca: authority.certificate))
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a", "x")) == ReasonCode.noMatchingSubscribers)
        // Larger than a TLS record, both ways.
        client.subscribe("large")
        try await client.subscribed()
        let large = MQTTMessage("large", String(repeating: "large ", count: 10_000))
        try await client.publish(large)
        #expect(try await client.message().payload == large.payload)
        await client.stop()
    }

    @Test("a broker of another authority is not trusted, and the authority is read again at each connect")
    func wrongAuthority() async throws {
        guard let authority = try Authority(), let other = try Authority() else { return }
        let broker = try await authority.broker(names: "IP:127.0.0.1")
        let log = LogRecord()
        let client = try startClient(
            authority.settings(broker, ca: other.certificate), logger: log.logger)
        try await client.tlsFailure(saying: "not signed by a known authority")
        try FileManager.default.removeItem(atPath: other.certificate)
        try await client.tlsFailure(saying: "broker.tls.ca_file names \(other.certificate), which cannot be read")
        try FileManager.default.copyItem(atPath: authority.certificate, toPath: other.certificate)
        try await client.connected()
        await client.stop()
    }

    @Test("without a file the system's authorities decide, and they do not know ours")
    func systemAuthorities() async throws {
        guard let authority = try Authority() else { return }
        let broker = try await authority.broker(names: "IP:127.0.0.1")
        let client = try startClient(authority.settings(broker, ca: nil))
        try await client.tlsFailure(saying: "broker.tls.ca_file")
        await client.stop()
    }

    @Test("a certificate for another name is not trusted")
    func wrongName() async throws {
        guard let authority = try Authority() else { return }
        let broker = try await authority.broker(names: "DNS:other.example")
        let client = try startClient(authority.settings(broker, ca: authority.certificate))
        try await client.tlsFailure(saying: "not made out to \"127.0.0.1\"")
        await client.stop()
    }

    @Test("a broker that asks for a certificate gets ours, and refuses a client without one")
    func clientCertificate() async throws {
        guard let authority = try Authority() else { return }
        let broker = try await authority.broker(names: "IP:127.0.0.1", settings: ["require_certificate true"])
        var settings = authority.settings(broker, ca: authority.certificate)
        let without = try startClient(settings)
        try await without.tlsFailure(saying: "broker.tls.cert_file")
        await without.stop()

        let (certificate, key) = try authority.issue("client", names: "DNS:client")
        settings.tls = TLSSettings(caFile: authority.certificate, certificateFile: certificate, keyFile: key)
        let with = try startClient(settings)
        try await with.connected()
        await with.stop()
    }

    @Test("a pre-shared key stands for certificates; another key and an unknown name are told")
    func preSharedKey() async throws {
        let key = Secret((1...16).map { UInt8($0) })
        let digits = key.withBytes { Hex.string($0) }
        let broker = try await MosquittoBroker(
            ["psk_hint home", "psk_file FOLDER/psk"], files: ["psk": "cellar:\(digits)\n"])
        func settings(_ identity: String, _ key: Secret) -> BrokerSettings {
            var settings = BrokerSettings.test(broker)
            settings.tls = TLSSettings(preSharedKey: .init(identity: identity, key: key))
            return settings
        }
        let client = try startClient(settings("cellar", key))
        try await client.connected()
        #expect(try await client.publish(MQTTMessage("a", "x")) == ReasonCode.noMatchingSubscribers)
        await client.stop()
        for wrong in [settings("attic", key), settings("cellar", Secret([UInt8](repeating: 0xAA, count: 16)))] {
            let client = try startClient(wrong)
            try await client.tlsFailure(saying: "broker.tls.psk_identity")
            await client.stop()
        }
    }

    @Test("TLS to a port without it, and the other way round, are told apart")
    func wrongPort() async throws {
        guard let authority = try Authority() else { return }
        let plain = try await MosquittoBroker()
        let client = try startClient(authority.settings(plain, ca: authority.certificate))
        _ = try await client.event { event in
            if case .disconnected(let why) = event, why.sentence.contains("TLS") { () } else { nil }
        }
        await client.stop()

        let encrypted = try await authority.broker(names: "IP:127.0.0.1")
        let other = try startClient(.test(encrypted))
        let reason = try await other.disconnected()
        #expect(reason.sentence.contains("a port with TLS needs broker.tls"))
        await other.stop()
    }
}

extension Authority {
    fileprivate func settings(_ broker: MosquittoBroker, host: String = "127.0.0.1", ca: String?) -> BrokerSettings {
        var settings = BrokerSettings.test(broker)
        settings.host = host
        settings.tls = TLSSettings(caFile: ca)
        return settings
    }
}
