import IEC62056
import OBIS
import Wire

/// A meter with a P1 port, without input or output of its own: asked for the next telegram, it gives bytes.
public struct P1Meter: Sendable {
    /// Whose telegram it is.
    public enum Version: String, Sendable, CaseIterable {
        /// DSMR 2.2: 9600 7E1, no check, gas in a profile of its own.
        case v22
        /// DSMR 4.2 and ESMR 5.0.
        case v42, v50
        /// eMUCs in Belgium: peak power and its times.
        case be
        /// The Swedish recommendation: neither version nor serial number, reactive energy.
        case se
    }

    public struct Configuration: Sendable {
        public var version: Version
        /// The number on the meter.
        public var serial: String
        /// Whether a gas meter is on channel 1.
        public var hasGasMeter: Bool
        /// `auto` is what the version has.
        public var checksum: P1Checksum
        /// Nil: not encrypted.
        public var encryptionKey: Secret?
        /// Nil with an encryption key: encrypted without a tag.
        public var authenticationKey: Secret?
        /// What goes wrong.
        public var faults: Faults

        public init(
            version: Version = .v50, serial: String = "E0012345678901234", hasGasMeter: Bool = true,
            checksum: P1Checksum = .auto, encryptionKey: Secret? = nil, authenticationKey: Secret? = nil,
            faults: Faults = Faults()
        ) {
            self.version = version
            self.serial = serial
            self.hasGasMeter = hasGasMeter
            self.checksum = checksum
            self.encryptionKey = encryptionKey
            self.authenticationKey = authenticationKey
            self.faults = faults
        }
    }

    /// Every n-th telegram is damaged in this way; 0 for never.
    public struct Faults: Sendable {
        public var noiseEvery = 0
        public var flippedBitEvery = 0

        public init() {}
    }

    public let configuration: Configuration
    private var telegrams = 0

    private var counter: UInt32

    /// - Parameter counter: the first invocation counter.
    public init(configuration: Configuration, counter: UInt32 = 1) {
        self.configuration = configuration
        self.counter = counter
    }

    /// The bytes of the next telegram.
    ///
    /// - Parameters:
    ///   - time: what the meter's clock shows.
    ///   - isSummer: whether that is daylight saving time.
    public mutating func telegram(_ house: Household, time: MeterTime, isSummer: Bool) -> [UInt8] {
        telegrams += 1
        let clock = Clock(time: time, isSummer: isSummer)
        let lines = lines(house, clock) + (configuration.hasGasMeter ? gasLines(clock) : [])
        let text = ([identification, ""] + lines).map { $0 + "\r\n" }.joined() + "!"
        var bytes = Array(text.utf8)
        bytes += Array((check(bytes) + "\r\n").utf8)
        if let encryptionKey = configuration.encryptionKey {
            bytes = GeneralGloCiphering(
                manufacturer: Array(identification.utf8.dropFirst().prefix(3)).map { $0 & 0xDF },
                serial: configuration.serial, encryptionKey: encryptionKey,
                authenticationKey: configuration.authenticationKey
            ).encrypt(bytes, counter: counter)
            counter &+= 1
        }
        damage(&bytes)
        return bytes
    }

    // MARK: Lines

    private var identification: String {
        switch configuration.version {
        case .v22: "/ISk5\\2MT382-1003"
        case .v42: "/XMX5LGBBFG1012345678"
        case .v50: "/ISK5\\2M550T-1012"
        case .be: "/FLU5\\253769484_A"
        case .se: "/LGF5E360"
        }
    }

    private func lines(_ house: Household, _ clock: Clock) -> [String] {
        switch configuration.version {
        case .v22: [serialLine] + energies(house, digits: 5) + powers(house, digits: 4, decimals: 2)
        case .v42, .v50:
            [
                "1-3:0.2.8(\(configuration.version == .v42 ? 42 : 50))", "0-0:1.0.0(\(clock.text))", serialLine,
            ] + energies(house, digits: 6) + powers(house, digits: 2, decimals: 3)
                + ["1-0:99.97.0(1)(0-0:96.7.19)(180417201458S)(0000000236*s)", "0-0:96.13.0()"]
                + phases(house, currentDecimals: 0)
        case .be:
            ["0-0:96.1.4(50217)", serialLine, "0-0:1.0.0(\(clock.text))"] + energies(house, digits: 6)
                + ["1-0:1.6.0(\(clock.floored(toMinutes: 15).text))(02.589*kW)"]
                + powers(house, digits: 2, decimals: 3) + phases(house, currentDecimals: 2)
        case .se:
            ["0-0:1.0.0(\(clock.text))"] + totals(house) + powers(house, digits: 4, decimals: 3)
                + phases(house, currentDecimals: 1)
        }
    }

    private var serialLine: String { "0-0:96.1.1(\(Self.hex(configuration.serial)))" }

    /// Two tariffs: a third of everything runs under the first.
    private func energies(_ house: Household, digits: Int) -> [String] {
        let values = [("1", house.imported), ("2", house.exported)]
        return values.flatMap { direction, energy in
            [(1, energy / 3), (2, energy - energy / 3)].map { tariff, part in
                "1-0:\(direction).8.\(tariff)(\(Self.number(part, decimals: 3, digits: digits))*kWh)"
            }
        } + ["0-0:96.14.0(0002)"]
    }

    private func totals(_ house: Household) -> [String] {
        let values = [(house.imported, "kWh"), (house.exported, "kWh"), (0, "kVArh"), (0, "kVArh")]
        return values.enumerated().map { index, value in
            "1-0:\(index + 1).8.0(\(Self.number(value.0, decimals: 3, digits: 8))*\(value.1))"
        }
    }

    /// - Parameter decimals: 3 for W, 2 for the 10 W of old meters.
    private func powers(_ house: Household, digits: Int, decimals: Int) -> [String] {
        [max(0, house.power), max(0, -house.power)].enumerated().map { index, power in
            let value = decimals == 2 ? power / 10 : power
            return "1-0:\(index + 1).7.0(\(Self.number(value, decimals: decimals, digits: digits))*kW)"
        }
    }

    private func phases(_ house: Household, currentDecimals: Int) -> [String] {
        let phases = house.phases.enumerated()
        let voltages = phases.map { index, phase in
            "1-0:\(32 + 20 * index).7.0(\(Self.number(phase.voltage * 10, decimals: 1, digits: 3))*V)"
        }
        let divisor = [100, 10, 1][currentDecimals]
        let currents = phases.map { index, phase in
            let value = Self.number(phase.current / divisor, decimals: currentDecimals, digits: 3)
            return "1-0:\(31 + 20 * index).7.0(\(value)*A)"
        }
        return voltages + currents
    }

    // MARK: Gas

    private static let gasSerial = "G0012345678901234"

    /// Gas is told of every hour, in newer meters every five minutes.
    private func gasLines(_ clock: Clock) -> [String] {
        let isModern = configuration.version == .v50 || configuration.version == .be
        let told = clock.floored(toMinutes: isModern ? 5 : 60)
        // A thousandth of a cubic metre in each minute of the year.
        let volume = Self.number(Int((told.time.localSeconds / 60) % 525_600), decimals: 3, digits: 5)
        let id = Self.hex(Self.gasSerial)
        return switch configuration.version {
        case .v22:
            [
                "0-1:24.1.0(3)", "0-1:96.1.0(\(id))",
                "0-1:24.3.0(\(told.text.dropLast()))(00)(60)(1)(0-1:24.2.1)(m3)", "(\(volume))", "0-1:24.4.0(1)",
            ]
        case .be:
            [
                "0-1:24.1.0(003)", "0-1:96.1.1(\(id))", "0-1:24.4.0(1)",
                "0-1:24.2.3(\(told.text))(\(volume)*m3)",
            ]
        case .v42, .v50, .se:
            ["0-1:24.1.0(003)", "0-1:96.1.0(\(id))", "0-1:24.2.1(\(told.text))(\(volume)*m3)"]
        }
    }

    // MARK: Check and faults

    private func check(_ bytes: [UInt8]) -> String {
        let value: UInt16
        switch configuration.checksum {
        case .none: return ""
        case .auto where configuration.version == .v22: return ""
        case .auto, .arc: value = Checksum.arc(bytes.rawSpan)
        case .x25: value = Checksum.x25(bytes.rawSpan)
        }
        return Hex.string([UInt8(value >> 8), UInt8(value & 0xFF)]).uppercased()
    }

    private func damage(_ bytes: inout [UInt8]) {
        func isDue(_ every: Int) -> Bool { every > 0 && telegrams % every == 0 }
        let faults = configuration.faults
        if isDue(faults.flippedBitEvery) { bytes[bytes.count / 2] ^= 0x10 }
        if isDue(faults.noiseEvery) { bytes = Array("\u{0}/\u{7F}!0000(".utf8) + bytes }
    }

    // MARK: Text

    private static func hex(_ text: String) -> String { Hex.string(text.utf8).uppercased() }

    /// `000123.450`: so many digits before the point and behind it.
    private static func number(_ value: Int, decimals: Int, digits: Int) -> String {
        let text = String(value)
        let padded = String(repeating: "0", count: max(0, digits + decimals - text.count)) + text
        return decimals == 0 ? padded : padded.dropLast(decimals) + "." + padded.suffix(decimals)
    }

    private struct Clock {
        let time: MeterTime
        let isSummer: Bool

        /// `YYMMDDhhmmssX`.
        var text: String {
            let parts = [time.year % 100, time.month, time.day, time.hour, time.minute, time.second]
            return parts.map { P1Meter.number($0, decimals: 0, digits: 2) }.joined() + (isSummer ? "S" : "W")
        }

        func floored(toMinutes minutes: Int64) -> Clock {
            let seconds = time.localSeconds
            return Clock(time: MeterTime(localSeconds: seconds - seconds % (60 * minutes)), isSummer: isSummer)
        }
    }
}
