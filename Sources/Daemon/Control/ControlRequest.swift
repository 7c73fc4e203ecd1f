import Foundation
import OBIS

/// What a command asks of the running daemon.
public struct ControlRequest: Codable, Sendable, Hashable {
    public enum Verb: String, Codable, Sendable, Hashable, CaseIterable {
        /// What the daemon knows of itself.
        case status
    }

    public var verb: Verb

    public init(_ verb: Verb) {
        self.verb = verb
    }

    /// As it goes over the socket.
    public var bytes: [UInt8] {
        // A structure of plain members can always be encoded.
        (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? []
    }

    init?(_ line: some Sequence<UInt8>) {
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
