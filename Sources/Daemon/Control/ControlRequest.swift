import Foundation
import OBIS

/// What a command asks of the running daemon.
public struct ControlRequest: Codable, Sendable, Hashable {
    public enum Verb: String, Codable, Sendable, Hashable, CaseIterable {
        /// What the daemon knows of itself.
        case status
        /// What passed on a meter's line lately.
        case capture
        /// A meter was exchanged.
        case replaced
        /// An anomaly is known and shall not be told of, or is over.
        case ignore, resolve
    }

    public var verb: Verb
    public var meter: String?
    /// Of the anomaly.
    public var id: String?
    public var reason: String?
    /// Milliseconds since 1970.
    public var until: Int64?

    public init(
        _ verb: Verb, meter: String? = nil, id: String? = nil, reason: String? = nil, until: Int64? = nil
    ) {
        self.verb = verb
        self.meter = meter
        self.id = id
        self.reason = reason
        self.until = until
    }

    /// As it goes over the socket.
    public var bytes: [UInt8] {
        // A structure of plain members can always be encoded.
        (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? []
    }

    package init?(_ line: some Sequence<UInt8>) {
        guard let request = try? JSONDecoder().decode(Self.self, from: Data(line)) else { return nil }
        self = request
    }
}

/// What the daemon answers: one object, with `ok` and `error` in any case.
enum ControlAnswer {
    static func done(_ body: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("ok", true)
            json.member("error", nil as String?)
            body(&json)
        }
        return json.bytes
    }

    static func refused(_ reason: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("ok", false)
            json.member("error", reason)
        }
        return json.bytes
    }
}
