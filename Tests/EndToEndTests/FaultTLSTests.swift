import Foundation
import TestSupport
import Testing

/// Brokers with which there is no trust: nothing but TLS records leaves the daemon, it says what is wrong, and goes on
/// by itself when that is put right.
@Suite("Fault matrix: TLS", .timeLimit(.minutes(5)))
struct FaultTLSTests {
    private static let matrix = FaultMatrix("TLS", cells: 6, atOnce: 6)
    /// A refusal is tried again after up to 60 s.
    private static let limit = Duration.seconds(90)

    @Test("a certificate that has expired")
    func expired() async throws {
        try await Self.cell("certificate expired", says: "is not valid now") { authority, _ in
            try await .broker(authority.broker(names: "IP:127.0.0.1", hasExpired: true))
        }
    }

    @Test("a certificate for another host")
    func wrongHost() async throws {
        try await Self.cell("wrong host", says: "not made out to \"127.0.0.1\"") { authority, _ in
            try await .broker(authority.broker(names: "DNS:other.example"))
        }
    }

    @Test("a certificate of another authority")
    func wrongAuthority() async throws {
        try await Self.cell("wrong CA", says: "not signed by a known authority") { _, other in
            try await .broker(other.broker(names: "IP:127.0.0.1"))
        }
    }

    @Test("a client certificate that the broker does not accept")
    func clientCertificate() async throws {
        try await Self.cell("client certificate refused", says: "does not accept our side") { authority, other in
            // It trusts the clients of another authority only.
            let (certificate, key) = try authority.issue("strict", names: "IP:127.0.0.1")
            return try await .broker(
                MosquittoBroker([
                    "cafile \(other.certificate)", "certfile \(certificate)", "keyfile \(key)",
                    "require_certificate true",
                ]))
        }
    }

    @Test("a server that has TLS 1.1 at most")
    func oldVersion() async throws {
        // Whatever the system's own settings forbid.
        try await Self.cell("TLS up to 1.1", says: "TLS with the broker", environment: ["OPENSSL_CONF=/dev/null"]) {
            authority, _ in
            let (certificate, key) = try authority.issue("old", names: "IP:127.0.0.1")
            let port = try FreePort.tcp()
            let server = try ChildProcess(
                "/usr/bin/env",
                [
                    "openssl", "s_server", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-accept", "127.0.0.1:\(port)",
                    "-cert", certificate, "-key", key, "-quiet",
                ])
            return .other(server, port: port)
        }
    }

    @Test("a port without TLS: no fall-back to it")
    func plain() async throws {
        try await Self.cell("port without TLS", says: "TLS") { _, _ in
            try await .broker(MosquittoBroker())
        }
    }

    // MARK: Support

    private enum Bad {
        case broker(MosquittoBroker)
        case other(ChildProcess, port: Int)

        var port: Int {
            switch self {
            case .broker(let broker): broker.port
            case .other(_, let port): port
            }
        }
    }

    /// The daemon meets the bad one first, and after some attempts a good one at the same address.
    ///
    /// - Parameter makeBad: given the authority that the daemon and the good broker trust, and another one.
    private static func cell(
        _ name: String, says text: String, environment: [String] = [],
        _ makeBad: (Authority, Authority) async throws -> Bad
    ) async throws {
        try await matrix.cell {
            guard let authority = try Authority(), let other = try Authority() else { throw FaultMatrix.NotTested() }
            let bad = try await makeBad(authority, other)
            let plainPort = try FreePort.tcp()
            let good = try await authority.broker(
                names: "IP:127.0.0.1",
                settings: ["require_certificate true", "listener \(plainPort) 127.0.0.1"] + FaultHouse.persistent)
            let relay = try Relay(to: bad.port, records: true)
            defer { relay.cut() }
            let (certificate, key) = try authority.issue("client", names: "DNS:client")
            try await withFolder { folder in
                let house = try await FaultHouse(
                    in: folder, port: relay.port, subscriberPort: plainPort,
                    broker: "client_id: canary-client, username: canary-user, password_file: secret, "
                        + "tls: {ca_file: \(authority.certificate), cert_file: \(certificate), key_file: \(key)}")
                try house.daemon.write("canary-password\n", to: "secret")
                try house.startDaemon(environment: environment)
                try await house.daemon.waitForLog(text)
                try await waitFor("a third attempt") { relay.connections >= 3 }
                try await house.readings.waitForAccepted(5)
                try #require(try house.readings.newest("main") == 0)
                relay.turn(to: good.port)
                try await house.readings.recovery(of: name, within: limit)
                try await house.requireNothingLost()
                try house.daemon.requireLines([text: 1...6, "WARNING": 1...6, "canary-password": 0...0])
            }
            for bytes in relay.heard { try requireRecords(bytes) }
        }
    }

    /// Nothing but records of TLS (RFC 8446, 5.1), the last one perhaps cut off, and no word of MQTT among them.
    private static func requireRecords(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while rest.count >= 5 {
            let head = Array(rest.prefix(5))
            try #require((0x14...0x17).contains(head[0]) && head[1] == 3, "no TLS: \(rest.prefix(40))")
            rest = rest.dropFirst(5 + Int(head[3]) << 8 + Int(head[4]))
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for word in ["MQTT", "canary", "obisd/"] { try #require(!text.contains(word)) }
    }
}
