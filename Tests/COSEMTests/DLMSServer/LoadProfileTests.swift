import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("The simulated load profile")
struct LoadProfileTests {
    @Test("is a function of time that never goes back, full at every moment")
    func function() {
        var profile = LoadProfile()
        profile.anchor = .init(localSeconds: 1_768_480_496, imported: 9_000_000, exported: 1_000_000)
        let now: Int64 = 1_768_480_496
        let times = profile.times(at: now)
        #expect(times.count == 960 && times.last == 1_768_480_200)
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 == 900 })
        let entries = times.map(profile.entry)
        #expect(
            zip(entries, entries.dropFirst()).allSatisfy { $0.imported < $1.imported && $0.exported <= $1.exported })
        // An hour later the same times have the same entries.
        let later = profile.times(at: now + 3600)
        #expect(later.prefix(956) == times.suffix(956))
        #expect(profile.entry(at: 1_768_480_496).imported == 9_000_000)
        #expect((entries.last?.imported).map { (8_999_900..<9_000_000).contains($0) } == true)
    }

    // MARK: Reading

    private static let clock: [UInt8] = Asking.hex("020412000809060000010000FF0F02120000")
    private static let export: [UInt8] = Asking.hex("020412000309060100020800FF0F02120000")

    private static func range(_ from: String, _ to: String, columns: [[UInt8]] = []) -> [UInt8] {
        Asking.get(
            7, "0100630100FF", 2,
            selection: [1, 2, 4] + clock + Asking.hex("090C" + from) + Asking.hex("090C" + to)
                + [1, UInt8(columns.count)] + columns.flatMap { $0 })
    }

    private static func entries(_ numbers: [UInt8]) -> [UInt8] {
        Asking.get(
            7, "0100630100FF", 2,
            selection: [2, 2, 4, 6, 0, 0, numbers[0], numbers[1], 6, 0, 0, numbers[2], numbers[3]]
                + [0x12, 0, numbers[4], 0x12, 0, numbers[5]])
    }

    private static func row(_ hour: UInt8, _ minute: UInt8, isNull: Bool = false) -> String {
        let time = MeterTime(
            year: 2026, month: 1, day: 15, hour: Int(hour), minute: Int(minute), second: 0)
        let entry = LoadProfile().entry(at: time?.localSeconds ?? 0)
        func uint32(_ value: Int) -> String { "06" + GeneralHex.uint32(value) }
        let clock = isNull ? "00" : "090C07EA010F04" + GeneralHex.byte(hour) + GeneralHex.byte(minute) + "0000800000"
        return "0204" + clock + "1100" + uint32(entry.imported) + uint32(entry.exported)
    }

    private enum GeneralHex {
        static func byte(_ value: UInt8) -> String { [value].hex }
        static func uint32(_ value: Int) -> String {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }.hex
        }
    }

    @Test("is read by a range of the clock, both ends included")
    func ranges() {
        var server = DLMSServer.open()
        let request = Self.range("07EA010F040B2D0000800000", "07EA010F040C0F0000800000")
        #expect(
            server.ask(request).map(\.hex)
                == ["C401C1000103" + Self.row(11, 45) + Self.row(12, 0) + Self.row(12, 15)])
        // In UTC, with the meter an hour east of it.
        let local = MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 34, second: 56, utcOffset: 60)
        let utc = Self.range("07EA010F040B0F0000000000", "07EA010F040B0F0000000000", columns: [Self.export])
        let value = String(Self.row(12, 15).suffix(10))
        #expect(server.ask(utc, at: local).map(\.hex) == ["C401C1000101" + "0201" + value])
        // Nothing is there yet.
        #expect(
            server.ask(Self.range("07EA010F04100000FF800000", "07EA010F04110000FF800000")).map(\.hex)
                == ["C401C1000100"])
    }

    @Test("leaves out the clock where it can be told")
    func omittedClock() {
        var server = DLMSServer.open { $0.profile.omitsClock = true }
        #expect(
            server.ask(Self.range("07EA010F040C000000800000", "07EA010F040C0F0000800000")).map(\.hex)
                == ["C401C1000102" + Self.row(12, 0) + Self.row(12, 15, isNull: true)])
    }

    @Test("is read by numbers of entries and columns, the oldest first")
    func numbers() {
        var server = DLMSServer.open { $0.profile.entries = 4 }
        let rows = [Self.row(11, 45), Self.row(12, 0), Self.row(12, 15), Self.row(12, 30)]
        #expect(
            server.ask(Self.entries([0, 3, 0, 0, 1, 0])).map(\.hex) == ["C401C1000102" + rows[2] + rows[3]])
        #expect(
            server.ask(Self.entries([0, 2, 0, 2, 4, 4])).map(\.hex)
                == ["C401C1000101" + "0201" + rows[1].suffix(10)])
        #expect(server.ask(Self.entries([0, 5, 0, 0, 1, 0])).map(\.hex) == ["C401C1000100"])
        #expect(
            server.ask(Asking.get(7, "0100630100FF", 2)).map(\.hex) == ["C401C1000104" + rows.joined()])
        #expect(server.ask(Asking.get(7, "0100630100FF", 2, selection: [3, 0])) == [[0xC4, 1, 0xC1, 1, 12]])
    }

    @Test("names its columns")
    func columns() {
        var server = DLMSServer.open()
        #expect(
            server.ask(Asking.get(7, "0100630100FF", 3)).map(\.hex)
                == [
                    "C401C1000104" + Self.clock.hex + "0204120001090600" + "00600A01FF0F02120000"
                        + "020412000309060100010800FF0F02120000" + Self.export.hex
                ])
    }
}
