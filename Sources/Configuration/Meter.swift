public import Metering
public import OBIS
public import Rules
public import Wire

import struct Foundation.TimeZone

/// One meter and how it is reached and read.
public struct Meter: Sendable, Equatable {
    public var id: String
    /// For people; nil: the id.
    public var name: String?
    public var isEnabled: Bool
    /// One of the registry's names.
    public var protocolName: String
    /// Of its own, or of its bus.
    public var endpoint: Endpoint
    /// The bus that it is on; nil: its endpoint is its own.
    public var bus: String?
    /// With the line of the endpoint, the profile and the keys.
    public var settings: ProtocolSettings
    /// Of the meter's clock; nil: that of this machine.
    public var timeZone: ClockZone?
    /// Whether the meter's clock is published and judged.
    public var usesMeterClock: Bool
    /// The serial number that the meter must report.
    public var serial: String?
    /// How often a polled meter is read, nil where `at` says when. Of a meter that talks by itself, how often
    /// it is expected to; nil: as observed.
    public var interval: Duration?
    /// Whether readings fall on whole multiples of the interval since midnight.
    public var isAligned: Bool
    /// The times of the day at which a polled meter is read, in order; empty where the interval says when.
    public var times: [TimeOfDay]
    /// Of each window of this length only the last reading is journaled; nil: every reading is.
    public var recordsEvery: Duration?
    public var limits: MeterLimits
    /// What is said about the rules that find anomalies.
    public var rules: RuleSettings
    /// What the totals begin with beside the counters, in the units of the fields.
    public var offsets: [NamedField: FixedDecimal]
    /// What values can be at all.
    public var plausibility: PlausibilityBounds
    /// The meter through which all that this one counts has passed.
    public var behind: String?
    /// Devices behind this meter that are meters of their own in topics.
    public var subMeters: [SubMeter]

    /// What its line is called where it is written down: the meters of a bus have one together.
    public var lineName: String { bus ?? id }

    /// Of a polled meter whose stanza names neither an interval nor times.
    public static let defaultInterval = Duration.seconds(15 * 60)

    public init(
        id: String, name: String? = nil, isEnabled: Bool = true, protocolName: String, endpoint: Endpoint,
        bus: String? = nil, settings: ProtocolSettings = ProtocolSettings(), timeZone: ClockZone? = nil,
        usesMeterClock: Bool = true,
        serial: String? = nil, interval: Duration? = nil, isAligned: Bool = false, times: [TimeOfDay] = [],
        recordsEvery: Duration? = nil, limits: MeterLimits = MeterLimits(), rules: RuleSettings = RuleSettings(),
        offsets: [NamedField: FixedDecimal] = [:], plausibility: PlausibilityBounds = PlausibilityBounds(),
        behind: String? = nil, subMeters: [SubMeter] = []
    ) {
        self.id = id
        self.name = name
        self.isEnabled = isEnabled
        self.protocolName = protocolName
        self.endpoint = endpoint
        self.bus = bus
        self.settings = settings
        self.timeZone = timeZone
        self.usesMeterClock = usesMeterClock
        self.serial = serial
        self.interval = interval
        self.isAligned = isAligned
        self.times = times
        self.recordsEvery = recordsEvery
        self.limits = limits
        self.rules = rules
        self.offsets = offsets
        self.plausibility = plausibility
        self.behind = behind
        self.subMeters = subMeters
    }
}

/// One connection whose meters take turns.
public struct Bus: Sendable, Hashable {
    public var id: String
    public var endpoint: Endpoint

    public init(id: String, endpoint: Endpoint) {
        self.id = id
        self.endpoint = endpoint
    }
}

/// A device whose values another meter's telegrams carry: the gas meter behind a P1 port.
public struct SubMeter: Sendable, Hashable {
    /// The number by which the other meter knows it: `n` in `0-n:24.2.1`.
    public var channel: UInt8
    public var id: String
    /// For people; nil: the id.
    public var name: String?
    /// The serial number that the device must report.
    public var serial: String?

    public init(channel: UInt8, id: String, name: String? = nil, serial: String? = nil) {
        self.channel = channel
        self.id = id
        self.name = name
        self.serial = serial
    }

    /// The device as a meter on the line of the one before it.
    public func meter(of main: Meter) -> Meter {
        Meter(
            id: id, name: name, isEnabled: main.isEnabled, protocolName: main.protocolName, endpoint: main.endpoint,
            timeZone: main.timeZone, usesMeterClock: main.usesMeterClock, serial: serial)
    }
}

/// What the installation behind a meter is made for.
public struct MeterLimits: Sendable, Hashable {
    /// A power with its unit: watt or volt-ampere.
    public struct Power: Sendable, Hashable {
        public var value: FixedDecimal
        public var unit: Unit

        public init(_ value: FixedDecimal, _ unit: Unit) {
            self.value = value
            self.unit = unit
        }
    }

    public var contractedPower: Power?
    /// The rating of the main fuse of each phase in ampere.
    public var fuse: FixedDecimal?
    /// 1, 2 or 3.
    public var phases: Int?
    /// Phase to neutral, in volt.
    public var nominalVoltage: FixedDecimal?
    /// Whether something behind the meter can feed power into the grid; nil where nothing is said.
    public var hasGenerator: Bool?

    public init(
        contractedPower: Power? = nil, fuse: FixedDecimal? = nil, phases: Int? = nil,
        nominalVoltage: FixedDecimal? = nil, hasGenerator: Bool? = nil
    ) {
        self.contractedPower = contractedPower
        self.fuse = fuse
        self.phases = phases
        self.nominalVoltage = nominalVoltage
        self.hasGenerator = hasGenerator
    }
}

/// The zone of a clock: by name, with its daylight saving rules, or a fixed offset.
public enum ClockZone: Sendable, Hashable {
    /// A name of the IANA time zone database, `Europe/Zurich`.
    case named(String)
    /// Minutes east of UTC.
    case fixed(Int)

    /// Reads `Europe/Zurich`, `UTC`, `+01:00`, `-03:30`.
    ///
    /// - Returns: nil for a zone that this machine does not know and for an offset beyond 14 hours.
    public init?(_ text: String) {
        if let sign = text.first, sign == "+" || sign == "-" {
            guard let time = TimeOfDay(String(text.dropFirst())), time.minutesSinceMidnight <= 14 * 60 else {
                return nil
            }
            self = .fixed(sign == "-" ? -time.minutesSinceMidnight : time.minutesSinceMidnight)
        } else {
            // The library would also take `GMT+1`, whose sign is read both ways.
            guard !text.hasPrefix("GMT+"), !text.hasPrefix("GMT-"), TimeZone(identifier: text) != nil else {
                return nil
            }
            self = .named(text)
        }
    }
}

extension ClockZone: CustomStringConvertible {
    public var description: String {
        switch self {
        case .named(let name): return name
        case .fixed(let minutes):
            let (hour, minute) = Int(minutes.magnitude).quotientAndRemainder(dividingBy: 60)
            func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
            return "\(minutes < 0 ? "-" : "+")\(twoDigits(hour)):\(twoDigits(minute))"
        }
    }
}
