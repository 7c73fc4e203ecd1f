import OBIS
import Wire

/// The load profile of a meter as it prints it, with or without an empty group before the number of channels:
///
///     P.01(time)(status)(period)()(n)(code)(unit)…
///     (value)…(value)
///     (value)…(value)
///
/// * `time` is `[s]yymmddhhmm[ss]`: the end of the first interval below. `s` is the season: 0 normal time, 1 daylight saving
///   time, 2 UTC.
/// * `status` is a word of flags of the maker, in hexadecimal digits; it holds for all intervals below.
/// * `period` is in minutes, `n` the number of channels.
///
/// Each line of values is one interval. The first may have been cut short, by a power failure or a change of the clock: then
/// its end is no multiple of the period, and those behind it end at multiples again. Another header begins wherever the status
/// or the clock changed.
///
/// Source: VDEW-Lastenheft "Elektronische Lastgangzähler" 2.1, as handbooks cite it. That the time is the end of the first
/// interval is assumed; recordings agree with it.
enum LoadProfile {
    /// What stands between the parentheses of the request: `yymmddhhmm;yymmddhhmm`, as meters of Landis+Gyr take it.
    static func request(_ span: ProfileSpan) -> String {
        // A minute that has begun is asked for; what lies outside of the span is left out afterwards.
        let (end, isLast) = span.end.addingReportingOverflow(59)
        return "\(minute(span.start));\(minute(isLast ? span.end : end))"
    }

    /// - Parameters:
    ///   - content: of the answer, without the control characters around it.
    ///   - code: of the profile that was asked for.
    ///   - span: entries outside are left out.
    ///   - meter: whose entries they are.
    /// - Returns: one telegram for each interval, in the order of the meter.
    /// - Throws: `unsupported` where the meter has no such profile, `malformed`, `limit`.
    static func entries(
        _ content: [UInt8], code: String, span: ProfileSpan, meter: MeterIdentity
    ) throws(WireError) -> [Telegram] {
        let sets = DataSets(content, maximumValues: Limits.profileValues)
        if let limit = sets.limitError { throw limit }
        guard sets.isWellFormed else { throw WireError(.malformed, "a line of the load profile is no data set") }
        if sets.valueCount == 1, let text = sets.values.first.map({ sets[$0].trimmed.text }),
            Readout.isErrorMessage(text)
        {
            throw WireError(
                .unsupported, "the meter has no load profile \(code): it answered with the error message (\(text))")
        }
        var entries: [Telegram] = []
        for set in sets.sets {
            let (address, values) = (sets[set.address], sets.values(of: set))
            // `P.01()`: nothing in this time.
            guard !values.allSatisfy({ $0.trimmed.isEmpty }) else { continue }
            guard address.isEmpty || RegisterAnswer.isSame(Array(address), code) else {
                throw WireError(.malformed, "the meter answered with another load profile, \(address.text)")
            }
            entries += try Segment(values).telegrams(meter).filter { $0.intervalEnd.map(span.contains) == true }
        }
        return entries
    }

    private static func minute(_ localSeconds: Int64) -> String {
        let time = MeterTime(localSeconds: localSeconds)
        return [time.year % 100, time.month, time.day, time.hour, time.minute]
            .map { $0 < 10 ? "0\($0)" : "\($0)" }.joined()
    }
}

extension ProfileSpan {
    fileprivate func contains(_ time: MeterTime) -> Bool { time.localSeconds > start && time.localSeconds <= end }
}

/// A header and the intervals below it.
private struct Segment {
    /// Of the first interval.
    let end: MeterTime
    let status: [UInt8]
    /// Minutes; nil where it is not said.
    let period: Int64?
    let channels: [(code: [UInt8], unit: [UInt8])]
    /// One value for each channel.
    let rows: [ArraySlice<[UInt8]>]

    /// - Parameter groups: of the header and of the lines below it.
    init(_ groups: [[UInt8]]) throws(WireError) {
        guard groups.count >= 4 else {
            throw WireError(.malformed, "the header of the load profile has \(groups.count) of at least 4 groups")
        }
        guard let end = Self.time(groups[0]) else {
            throw WireError(.malformed, "the header of the load profile begins with no time that is known here")
        }
        self.end = end
        status = Array(groups[1].trimmed)
        period = Self.number(groups[2])
        let countPlace = groups[3].trimmed.isEmpty ? 4 : 3
        guard groups.indices.contains(countPlace), let count = Self.number(groups[countPlace]).map(Int.init) else {
            throw WireError(.malformed, "the header of the load profile does not say how many channels there are")
        }
        let first = countPlace + 1
        guard groups.count - first >= 2 * count else {
            throw WireError(.malformed, "the header of the load profile names fewer than its \(count) channels")
        }
        channels = (0..<count).map { (Array(groups[first + 2 * $0].trimmed), groups[first + 2 * $0 + 1]) }
        rows = try Self.rows(groups.dropFirst(first + 2 * count), of: count)
        guard rows.count < 2 || (period ?? 0) > 0 else {
            throw WireError(.malformed, "the header of the load profile does not say how long an interval is")
        }
    }

    private static func rows(_ values: ArraySlice<[UInt8]>, of count: Int) throws(WireError) -> [ArraySlice<[UInt8]>] {
        guard count > 0 || values.isEmpty, count == 0 || values.count.isMultiple(of: count) else {
            throw WireError(.malformed, "an interval of the load profile has not \(count) values")
        }
        guard count > 0 else { return [] }
        return stride(from: values.startIndex, to: values.endIndex, by: count).map { values[$0..<$0 + count] }
    }

    // MARK: Entries

    func telegrams(_ meter: MeterIdentity) -> [Telegram] {
        var meter = meter
        meter.medium = meter.medium ?? .electricity
        return rows.enumerated().compactMap { index, values in
            self.end(ofInterval: index).map { end in
                let registers = zip(channels, values).map { channel, value in
                    Self.register(channel.code, channel.unit, value)
                }
                return Telegram(meter: meter, registers: registers + statusRegisters, intervalEnd: end)
            }
        }
    }

    private var statusRegisters: [Register] {
        guard !status.isEmpty else { return [] }
        return [Register(obis: ObisCode(0, 0, 96, 10, 1), value: .text(status.text), text: status.text)]
    }

    private static func register(_ code: [UInt8], _ unit: [UInt8], _ value: [UInt8]) -> Register {
        var register = Register(address: code.span, printed: value.span, index: nil)
        if value.trimmed.isEmpty { register.value = .unavailable }
        if register.unit == nil { register.unit = Unit(printed: unit.text) }
        return register
    }

    /// The first ends where the header says, the others at full multiples of the period.
    private func end(ofInterval index: Int) -> MeterTime? {
        guard index > 0, let period else { return end }
        let seconds = period * 60
        let begin = end.localSeconds - end.localSeconds % seconds
        let time = MeterTime(localSeconds: begin + Int64(index) * seconds)
        return MeterTime(
            year: time.year, month: time.month, day: time.day, hour: time.hour, minute: time.minute,
            second: time.second,
            utcOffset: end.utcOffset, isDaylightSaving: end.isDaylightSaving)
    }

    // MARK: Header

    /// `[s]yymmddhhmm[ss]`.
    private static func time(_ group: [UInt8]) -> MeterTime? {
        var digits = group.trimmed
        guard (10...13).contains(digits.count), digits.allSatisfy(\.isDigit) else { return nil }
        var season: UInt8?
        if !digits.count.isMultiple(of: 2) { season = digits.removeFirst() - UInt8(ascii: "0") }
        guard season.map({ $0 <= 2 }) ?? true else { return nil }
        let pairs = stride(from: digits.startIndex, to: digits.endIndex, by: 2).compactMap {
            number(Array(digits[$0..<$0 + 2])).map(Int.init)
        }
        guard pairs.count >= 5 else { return nil }
        return MeterTime(
            year: 2000 + pairs[0], month: pairs[1], day: pairs[2], hour: pairs[3], minute: pairs[4],
            second: pairs.count > 5 ? pairs[5] : 0, utcOffset: season == 2 ? 0 : nil,
            isDaylightSaving: season == 2 ? nil : season.map { $0 == 1 })
    }

    /// Of at most four digits.
    private static func number(_ group: [UInt8]) -> Int64? {
        let digits = group.trimmed
        guard (1...4).contains(digits.count), digits.allSatisfy(\.isDigit) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    }
}
