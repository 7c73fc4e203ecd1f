import Glibc

/// Why there is no connection, as a kind to act on and a sentence to show.
public struct Disconnection: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// The broker's name has no address.
        case unresolvable
        /// Nobody answers at the address.
        case unreachable
        /// TLS failed: a certificate, a host name, a file.
        case tls
        case badCredentials
        case notAuthorized
        /// The broker refused for another reason (MQTT 5, 3.2.2.2).
        case refused(reason: UInt8)
        /// The broker ended the connection and said why (MQTT 5, 3.14.2.1).
        case closedByBroker(reason: UInt8)
        /// It ended without a word.
        case lost
        /// The other side fell silent.
        case silent
        /// The settings cannot work.
        case settings
        /// `stop` was called.
        case stopped
        /// `change` was called: the next connection follows at once.
        case changed
    }

    public var kind: Kind
    /// What happened and what to do.
    public var sentence: String

    public var description: String { sentence }

    init(_ kind: Kind, _ sentence: String) {
        self.kind = kind
        self.sentence = sentence
    }

    /// The broker was reached and will say the same again until a person acts.
    var isRefusal: Bool {
        switch kind {
        case .tls, .badCredentials, .notAuthorized, .refused, .settings: true
        case .closedByBroker(let reason): reason != ReasonCode.serverShuttingDown
        case .unresolvable, .unreachable, .lost, .silent, .stopped, .changed: false
        }
    }
}

extension Disconnection {
    static let stopped = Disconnection(.stopped, "The connection to the broker was closed because the client stops.")

    static let changed = Disconnection(
        .changed, "The connection to the broker was closed because its settings have changed.")

    static func unresolvable(_ settings: BrokerSettings, why: String) -> Disconnection {
        Disconnection(
            .unresolvable,
            "The broker's name \"\(settings.host)\" has no address (\(why)): check broker.host and the name service.")
    }

    static func unreachable(_ settings: BrokerSettings, why: String) -> Disconnection {
        Disconnection(
            .unreachable,
            "The broker at \(settings.place) cannot be reached (\(why)):"
                + " check that it runs, broker.host, broker.port and the network.")
    }

    /// A connection that is reset was made, and ended before we looked.
    static func connectFailed(_ settings: BrokerSettings, errno code: Int32) -> Disconnection {
        code == ECONNRESET || code == EPIPE
            ? .closedBeforeAnswer(settings) : .unreachable(settings, why: systemError(code))
    }

    static func noAnswer(_ settings: BrokerSettings, after: Duration) -> Disconnection {
        Disconnection(
            .unreachable,
            "The broker at \(settings.place) did not answer within \(after.components.seconds) s:"
                + " check that an MQTT broker listens there\(settings.tls == nil ? "" : " with TLS").")
    }

    static func closedBeforeAnswer(_ settings: BrokerSettings) -> Disconnection {
        Disconnection(
            .lost,
            "The broker at \(settings.place) closed the connection before it answered: check that it speaks MQTT there"
                + (settings.tls == nil ? ", without TLS (a port with TLS needs broker.tls)." : " with TLS."))
    }

    static func lost(_ settings: BrokerSettings, why: String?) -> Disconnection {
        Disconnection(
            .lost, "The connection to the broker at \(settings.place) was lost" + (why.map { " (\($0))." } ?? "."))
    }

    static func silent(_ settings: BrokerSettings) -> Disconnection {
        Disconnection(
            .silent, "The broker at \(settings.place) fell silent: it answered neither messages nor pings in time.")
    }

    static func malformed(_ settings: BrokerSettings) -> Disconnection {
        let (spoken, other) = settings.version == .v5 ? ("5", "3.1.1") : ("3.1.1", "5")
        return Disconnection(
            .lost,
            "The broker at \(settings.place) sent what is not MQTT \(spoken): check that an MQTT broker listens there,"
                + " or set broker.protocol: \(other).")
    }

    static func oversized(_ settings: BrokerSettings, limit: Int64) -> Disconnection {
        Disconnection(
            .lost, "The broker at \(settings.place) sent more than \(limit >> 20) MiB without a whole message in it.")
    }

    /// A CONNACK with a reason of 128 or more.
    static func refused(_ settings: BrokerSettings, reason: UInt8) -> Disconnection {
        let start = "The broker at \(settings.place) refused the connection: \(ReasonCode.name(reason))"
        switch reason {
        case ReasonCode.badCredentials:
            return Disconnection(.badCredentials, "\(start). Check broker.username and the password.")
        case ReasonCode.notAuthorized, ReasonCode.banned:
            let remedy =
                settings.username == nil
                ? "It wants a user name: set broker.username and broker.password_file."
                : "Check the password, and what the broker allows to the user \"\(settings.username ?? "")\"."
            return Disconnection(.notAuthorized, "\(start). \(remedy)")
        case ReasonCode.unsupportedVersion:
            let other = settings.version == .v5 ? "3.1.1" : "5"
            return Disconnection(.refused(reason: reason), "\(start). Set broker.protocol: \(other).")
        case ReasonCode.clientIDNotValid:
            return Disconnection(
                .refused(reason: reason), "\(start). Set another broker.client_id than \"\(settings.clientID)\".")
        default:
            return Disconnection(.refused(reason: reason), "\(start) (\(reason)).")
        }
    }

    /// A DISCONNECT that the broker sent.
    static func closed(_ settings: BrokerSettings, reason: UInt8) -> Disconnection {
        let start = "The broker at \(settings.place) closed the connection: \(ReasonCode.name(reason))"
        let remedy =
            reason == ReasonCode.sessionTakenOver
            ? ". Another client uses the name \"\(settings.clientID)\": give each its own broker.client_id." : "."
        return Disconnection(.closedByBroker(reason: reason), start + remedy)
    }

    /// - Parameter log: what the library and OpenSSL said.
    static func tls(_ settings: BrokerSettings, log: [String]) -> Disconnection {
        func says(_ text: String) -> Bool { log.contains { $0.contains(text) } }
        let start = "TLS with the broker at \(settings.place) failed: "
        let text =
            if says("host name verification failed") {
                "its certificate is not made out to \"\(settings.host)\". Set broker.host to the certificate's name."
            } else if says("certificate verify failed") {
                "its certificate is not signed by a known authority, or is not valid now."
                    + " Set broker.tls.ca_file to the authority's certificate and check both clocks."
            } else if says("wrong version number") || says("packet length too long") || says("record layer failure") {
                "the port does not speak TLS. Set broker.port to the one with TLS (usually 8883), or remove broker.tls."
            } else if let shared = settings.tls?.preSharedKey, says("alert") || log.isEmpty {
                "the broker does not take the pre-shared key (\(opensslReason(log)))."
                    + " Check that it has broker.tls.psk_identity \"\(shared.identity)\" with the same key."
            } else if says("alert") {
                "the broker does not accept our side (\(opensslReason(log)))."
                    + " Check broker.tls.cert_file and key_file against what it asks for."
            } else if says("Unable to load") {
                "a file cannot be used (\(log.last ?? "")). Check that it is a PEM file, and that certificate and key belong together."
            } else if log.isEmpty {
                "one side does not accept the other. Check broker.tls.ca_file against the broker's certificate,"
                    + " and broker.tls.cert_file and key_file against what it asks for."
            } else {
                "\(opensslReason(log))."
            }
        return Disconnection(.tls, start + text)
    }

    /// The last part of `error:0A000086:SSL routines::certificate verify failed`.
    private static func opensslReason(_ log: [String]) -> String {
        guard let line = log.last(where: { $0.contains("OpenSSL Error") }) else { return log.last ?? "no reason given" }
        return line.split(separator: ":").last.map(String.init) ?? line
    }
}

extension BrokerSettings {
    /// `host:port`, an IPv6 address in brackets.
    var place: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
