import Foundation
import OBIS

/// What the daemon said of itself, as far as a view shows it. A daemon of another version may leave things out.
struct StatusSnapshot: Decodable, Sendable, Equatable {
    struct Meter: Decodable, Sendable, Equatable {
        struct Power: Decodable, Sendable, Equatable {
            var value: Decimal
            var unit: String
        }

        struct Anomalies: Decodable, Sendable, Equatable {
            var count: Int
            /// `low`, `medium`, `high` or `critical`.
            var worst: String?
            var types: [String]
        }

        var id: String
        var online: Bool
        var lastReading: Timestamp?
        var power: Power?
        /// 0 to 1.
        var linkQuality: Double?
        var waiting: Int?
        var anomalies: Anomalies?

        enum CodingKeys: String, CodingKey {
            case id, online, power, waiting, anomalies
            case lastReading = "last_reading"
            case linkQuality = "link_quality"
        }
    }

    struct Journal: Decodable, Sendable, Equatable {
        var backlog: Int
        var bytes: Int64
        var error: String?
    }

    struct Broker: Decodable, Sendable, Equatable {
        var connected: Bool
    }

    var version: String
    var node: String
    var startedAt: Timestamp
    var reasons: [String]
    var meters: [Meter]
    var journal: Journal
    var broker: Broker

    enum CodingKeys: String, CodingKey {
        case version, node, reasons, meters, journal, broker
        case startedAt = "started_at"
    }

    /// - Returns: nil for what is none.
    init?(_ bytes: [UInt8]) {
        guard let status = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else { return nil }
        self = status
    }
}

extension StatusSnapshot {
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        version = try values.decode(String.self, forKey: .version)
        node = try values.decode(String.self, forKey: .node)
        startedAt = try values.timestamp(.startedAt) ?? Timestamp(milliseconds: 0)
        reasons = try values.decode([String].self, forKey: .reasons)
        meters = try values.decode([Meter].self, forKey: .meters)
        journal = try values.decode(Journal.self, forKey: .journal)
        broker = try values.decode(Broker.self, forKey: .broker)
    }
}

extension StatusSnapshot.Meter {
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        id = try values.decode(String.self, forKey: .id)
        online = try values.decode(Bool.self, forKey: .online)
        lastReading = try values.timestamp(.lastReading)
        power = try values.decodeIfPresent(Power.self, forKey: .power)
        linkQuality = try values.decodeIfPresent(Double.self, forKey: .linkQuality)
        waiting = try values.decodeIfPresent(Int.self, forKey: .waiting)
        anomalies = try values.decodeIfPresent(Anomalies.self, forKey: .anomalies)
    }
}

extension KeyedDecodingContainer {
    fileprivate func timestamp(_ key: Key) throws -> Timestamp? {
        try decodeIfPresent(String.self, forKey: key).flatMap { Timestamp($0) }
    }
}
