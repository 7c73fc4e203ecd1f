import OBIS
import Wire

/// A meter that talks by itself, without input or output of its own: asked for its next message, it gives bytes.
public protocol TalkingMeter: Sendable {
    /// The line that it talks on.
    var line: LineSettings { get }

    /// The bytes of the next message.
    ///
    /// - Parameter time: what the meter's clock shows.
    mutating func push(_ house: Household, time: MeterTime) -> [UInt8]
}

extension PushMeter: TalkingMeter {
    public var line: LineSettings { LineSettings(baud: 2400, dataBits: 8, parity: .even) }
}

extension SMLMeter: TalkingMeter {
    public var line: LineSettings { LineSettings(baud: 9600) }
}

extension P1Meter: TalkingMeter {
    public var line: LineSettings {
        configuration.version == .v22
            ? LineSettings(baud: 9600, dataBits: 7, parity: .even) : LineSettings(baud: 115_200)
    }

    public mutating func push(_ house: Household, time: MeterTime) -> [UInt8] {
        telegram(house, time: time, isSummer: time.isDaylightSaving ?? false)
    }
}

/// A meter of mode D.
public struct ReadoutMeter: TalkingMeter {
    public var configuration: OpticalMeter.Configuration

    public init(configuration: OpticalMeter.Configuration) {
        self.configuration = configuration
        self.configuration.mode = .d
    }

    public var line: LineSettings { configuration.initialLine }

    public mutating func push(_ house: Household, time: MeterTime) -> [UInt8] {
        var meter = OpticalMeter(configuration: configuration) { OpticalMeter.dataSets(of: house) }
        return meter.push()
    }
}

extension OpticalMeter {
    /// What a meter of this house prints.
    static func dataSets(of house: Household) -> [DataSet] {
        func digits(_ value: Int, _ decimals: Int, width: Int) -> String {
            let text = FixedDecimal(Int64(abs(value)), exponent: Int8(-decimals)).description
            let padding = String(repeating: "0", count: max(0, width - text.count))
            return (value < 0 ? "-" : "") + padding + text
        }
        var sets: [DataSet] = [
            .init("F.F", "00"), .init("0.0", "        87654321"), .init("C.1.0", "87654321"),
            .init("1.8.0", digits(house.imported, 3, width: 10), unit: "kWh"),
            .init("2.8.0", digits(house.exported, 3, width: 10), unit: "kWh"),
            .init("16.7", digits(house.power, 3, width: 6), unit: "kW"),
        ]
        for (index, phase) in house.phases.enumerated() {
            sets.append(.init("\(32 + 20 * index).7", "\(phase.voltage)", unit: "V"))
            sets.append(.init("\(31 + 20 * index).7", digits(phase.current, 2, width: 6), unit: "A"))
        }
        return sets
    }
}
