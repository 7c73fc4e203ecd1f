import OBIS

/// The energies of a house at every multiple of a period, for as long back as the meter keeps them.
///
/// An entry is a function of its time: who asks twice gets the same, and later entries are never lower. Its clock
/// is that of the meter now, without jumps for summer time.
public struct LoadProfile: Sendable, Hashable {
    /// Seconds.
    public var period = 900
    /// What the meter keeps; it is always full.
    public var entries = 960
    /// Whether the clock of an entry is left out (null) where it is one period after the one before.
    public var omitsClock = false
    /// Where the energies were at a time that is known; nil: they count from 2024 on.
    public var anchor: Anchor?

    public struct Anchor: Sendable, Hashable {
        /// Seconds since 1970 on the meter's clock.
        public var localSeconds: Int64
        /// Wh.
        public var imported: Int
        public var exported: Int

        public init(localSeconds: Int64, imported: Int, exported: Int) {
            self.localSeconds = localSeconds
            self.imported = imported
            self.exported = exported
        }
    }

    public struct Entry: Sendable, Hashable {
        /// Seconds since 1970 on the meter's clock.
        public let localSeconds: Int64
        public let status: UInt8
        /// Wh.
        public let imported: Int
        public let exported: Int
    }

    public init() {}

    /// The entries that the meter has at a time, oldest first.
    public func times(at localSeconds: Int64) -> [Int64] {
        let period = Int64(max(1, period))
        let newest = localSeconds / period * period
        return (0..<Int64(max(1, entries))).reversed().map { newest - $0 * period }
    }

    public func entry(at localSeconds: Int64) -> Entry {
        let curve = Self.curve(at: localSeconds)
        guard let anchor else {
            return Entry(localSeconds: localSeconds, status: 0, imported: curve.imported, exported: curve.exported)
        }
        let known = Self.curve(at: anchor.localSeconds)
        return Entry(
            localSeconds: localSeconds, status: 0, imported: max(0, anchor.imported + curve.imported - known.imported),
            exported: max(0, anchor.exported + curve.exported - known.exported))
    }

    /// The mean power of the period that ended at a time, W.
    func demand(at localSeconds: Int64) -> Int {
        let period = Int64(max(1, period))
        let energy = entry(at: localSeconds).imported - entry(at: localSeconds - period).imported
        return energy * 3600 / Int(period)
    }

    // MARK: A day

    /// Mean power of each hour, W.
    private static let load = [
        180, 160, 150, 150, 160, 240, 520, 680, 420, 360, 380, 560, 640, 420, 360, 380, 520, 900, 1180, 1020, 760, 540,
        360, 240,
    ]
    private static let sun = [
        0, 0, 0, 0, 0, 0, 0, 60, 240, 520, 860, 1140, 1260, 1220, 980, 640, 300, 80, 0, 0, 0, 0, 0, 0,
    ]
    /// 2024-01-01.
    private static let start: Int64 = 1_704_067_200

    private static func curve(at localSeconds: Int64) -> (imported: Int, exported: Int) {
        let seconds = Int(max(0, localSeconds - start))
        func energy(_ powers: [Int]) -> Int {
            let (day, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
            let (hour, rest) = second.quotientAndRemainder(dividingBy: 3600)
            return day * powers.reduce(0, +) + powers.prefix(hour).reduce(0, +) + powers[hour] * rest / 3600
        }
        return (energy(load), energy(sun))
    }
}

// MARK: - As an attribute

/// The buffer of a load profile as a client asks for it (class 7, attribute 2; IEC 62056-6-2, 4.3.6).
struct ProfileBuffer {
    /// The columns: class, code, attribute.
    static let columns: [(classID: Int, code: ObisCode, attribute: Int8)] = [
        (8, .clock, 2), (1, .profileStatus, 2), (3, .activeImport, 2), (3, .activeExport, 2),
    ]

    let profile: LoadProfile
    let time: MeterTime

    /// An array of structures.
    ///
    /// - Parameter selection: nil for everything.
    func encoded(
        _ selection: DLMSServer.AttributeDescriptor.Selection?
    ) -> Result<[UInt8], DLMSServer.AccessResult> {
        let times = profile.times(at: time.localSeconds)
        let columns = Array(Self.columns.indices)
        switch selection?.selector {
        case nil: return .success(encoded(times[...], columns))
        case 1: return range(selection?.parameters, times)
        case 2: return entries(selection?.parameters, times)
        default: return .failure(.typeUnmatched)
        }
    }

    /// Selector 1: structure of column to look at, from, to, columns to send. Both ends belong to it.
    private func range(_ parameters: DLMSData?, _ times: [Int64]) -> Result<[UInt8], DLMSServer.AccessResult> {
        guard let list = parameters?.list, list.count == 4, Self.column(list[0]) == 0,
            let from = list[1].octets, let to = list[2].octets, let wanted = list[3].list
        else { return .failure(.typeUnmatched) }
        let columns = wanted.compactMap(Self.column)
        guard columns.count == wanted.count else { return .failure(.typeUnmatched) }
        let first = time.localSeconds(of: from) ?? .min
        let last = time.localSeconds(of: to) ?? .max
        let selected = times.filter { $0 >= first && $0 <= last }
        return .success(encoded(selected[...], columns.isEmpty ? Array(Self.columns.indices) : columns))
    }

    /// Selector 2: structure of first and last entry and first and last column, from 1 on; a last of 0 is the end.
    private func entries(_ parameters: DLMSData?, _ times: [Int64]) -> Result<[UInt8], DLMSServer.AccessResult> {
        guard let numbers = parameters?.list?.compactMap(\.number), numbers.count == 4, numbers[0] > 0, numbers[2] > 0
        else { return .failure(.typeUnmatched) }
        let lastEntry = min(times.count, numbers[1] == 0 ? times.count : numbers[1])
        let lastColumn = min(Self.columns.count, numbers[3] == 0 ? Self.columns.count : numbers[3])
        let rows = numbers[0] <= lastEntry ? times[(numbers[0] - 1)..<lastEntry] : []
        guard numbers[2] <= lastColumn else { return .failure(.typeUnmatched) }
        return .success(encoded(rows, Array((numbers[2] - 1)..<lastColumn)))
    }

    /// The index of a column that is named as a structure of class, code, attribute and index.
    private static func column(_ data: DLMSData) -> Int? {
        guard let list = data.list, list.count == 4 else { return nil }
        return columns.firstIndex {
            list[0].number == $0.classID && list[1].octets == $0.code.octets && list[2].number == Int($0.attribute)
        }
    }

    private func encoded(_ times: ArraySlice<Int64>, _ columns: [Int]) -> [UInt8] {
        var writer = AxdrWriter()
        writer.array(times.count)
        for (row, seconds) in times.enumerated() {
            let entry = profile.entry(at: seconds)
            writer.structure(columns.count)
            for column in columns { write(entry, column, isFirst: row == 0, &writer) }
        }
        return writer.bytes
    }

    private func write(_ entry: LoadProfile.Entry, _ column: Int, isFirst: Bool, _ writer: inout AxdrWriter) {
        switch column {
        case 0 where profile.omitsClock && !isFirst: writer.null()
        case 0: writer.octets(time.moved(to: entry.localSeconds).clockOctets)
        case 1: writer.uint8(entry.status)
        case 2: writer.uint32(entry.imported)
        default: writer.uint32(entry.exported)
        }
    }
}

extension MeterTime {
    /// Another reading of the same clock.
    func moved(to localSeconds: Int64) -> MeterTime {
        let other = MeterTime(localSeconds: localSeconds)
        return MeterTime(
            year: other.year, month: other.month, day: other.day, hour: other.hour, minute: other.minute,
            second: other.second, utcOffset: utcOffset, isDaylightSaving: isDaylightSaving) ?? other
    }
}
