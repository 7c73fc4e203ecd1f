import OBIS

/// A load profile that follows from the time alone: whoever knows the interval knows its values.
public struct SimulatedProfile: Sendable, Hashable {
    /// One column, `1.5` in `kW`.
    public struct Channel: Sendable, Hashable {
        public var code: String
        public var unit: String

        public init(_ code: String, unit: String) {
            self.code = code
            self.unit = unit
        }
    }

    public var code: String
    public var channels: [Channel]
    /// Minutes.
    public var period: Int
    /// How far back it reaches.
    public var days: Int

    public init(
        code: String = "P.01", channels: [Channel] = [Channel("1.5", unit: "kW"), Channel("2.5", unit: "kW")],
        period: Int = 15, days: Int = 10
    ) {
        self.code = code
        self.channels = channels
        self.period = period
        self.days = days
    }

    /// What the interval that ends then has in a channel, with three decimals.
    ///
    /// - Parameter end: civil seconds since 1970.
    public static func value(end: Int64, channel: Int) -> FixedDecimal {
        var random = SplitMix64(seed: UInt64(bitPattern: end) &+ UInt64(channel))
        return FixedDecimal(Int64(random.next(below: 5000)), exponent: -3)
    }

    /// The ends of the intervals that the meter has in a time, in order.
    ///
    /// - Parameters:
    ///   - start: civil seconds since 1970; it belongs to the time, as the end does.
    public func ends(from start: Int64, through end: Int64, now: MeterTime) -> [Int64] {
        let seconds = Int64(max(1, period)) * 60
        let last = min(end, now.localSeconds)
        let first = max(start, now.localSeconds - Int64(days) * 86_400)
        let begin = (first + seconds - 1) / seconds * seconds
        return begin <= last ? Array(stride(from: begin, through: last, by: Int(seconds))) : []
    }

    /// - Parameter argument: `yymmddhhmm;yymmddhhmm`, each of the two may be missing.
    func answer(to argument: String, now: MeterTime) -> String {
        let limits = argument.split(separator: ";", omittingEmptySubsequences: false).map(Self.seconds)
        let start = limits.first.flatMap { $0 } ?? .min / 2
        let end = limits.dropFirst().first.flatMap { $0 } ?? now.localSeconds
        let ends = ends(from: start, through: end, now: now)
        guard !ends.isEmpty else { return "\(code)()" }
        var text = ""
        var day: Int64?
        for end in ends {
            // A new header each day, as after a change of the status.
            if day != end / 86_400 { text += header(end) }
            day = end / 86_400
            text += channels.indices.map { "(\(Self.value(end: end, channel: $0)))" }.joined() + "\r\n"
        }
        return text
    }

    private func header(_ end: Int64) -> String {
        let names = channels.map { "(\($0.code))(\($0.unit))" }.joined()
        return "\(code)(0\(Self.digits(end))00)(00000000)(\(period))()(\(channels.count))\(names)\r\n"
    }

    /// `yymmddhhmm`.
    private static func digits(_ seconds: Int64) -> String {
        let time = MeterTime(localSeconds: seconds)
        return [time.year % 100, time.month, time.day, time.hour, time.minute].map { $0 < 10 ? "0\($0)" : "\($0)" }
            .joined()
    }

    private static func seconds(_ digits: Substring) -> Int64? {
        let pairs = stride(from: 0, to: digits.count - 1, by: 2).compactMap { Int(digits.dropFirst($0).prefix(2)) }
        guard digits.count == 10, pairs.count == 5 else { return nil }
        return MeterTime(
            year: 2000 + pairs[0], month: pairs[1], day: pairs[2], hour: pairs[3], minute: pairs[4], second: 0)?
            .localSeconds
    }
}
