import OBIS
import Testing

@testable import Journal

@Suite("What the journal keeps in memory")
struct MemoryTests {
    private static func entry(_ position: Int64, bytes: Int = 10) -> JournalEntry {
        .reading(
            JournaledReading(
                position: position, meter: "m", seq: position, capturedAt: Timestamp(milliseconds: 0),
                payload: [UInt8](repeating: 1, count: bytes)))
    }

    private static func positions(_ entries: [JournalEntry]?) -> [Int64]? { entries?.map(\.position) }

    @Test("the newest entries are answered from memory, those in front of them and the end are not")
    func recent() {
        var recent = RecentEntries()
        #expect(recent.after(0, limit: 10) == nil)
        recent.append((5...7).map { Self.entry($0) })
        recent.append([Self.entry(8)])
        #expect(Self.positions(recent.after(4, limit: 10)) == [5, 6, 7, 8])
        #expect(Self.positions(recent.after(6, limit: 1)) == [7])
        #expect(recent.after(3, limit: 10) == nil)
        // Nothing is behind it: the file has the last word.
        #expect(recent.after(8, limit: 10) == nil)
        #expect(recent.after(.max, limit: 10) == nil)
        #expect(recent.after(.min + 1, limit: 10) == nil)
    }

    @Test("a hole in the queue is in the file only")
    func hole() {
        var recent = RecentEntries()
        recent.append([Self.entry(1), Self.entry(2)])
        recent.append([Self.entry(4)])
        #expect(recent.after(1, limit: 10) == nil)
        #expect(Self.positions(recent.after(3, limit: 10)) == [4])
        recent.forget()
        #expect(recent.after(3, limit: 10) == nil)
    }

    @Test("what is kept is bounded in number and in bytes")
    func bounds() {
        var recent = RecentEntries()
        for position in 1...Int64(2000) { recent.append([Self.entry(position)]) }
        #expect(recent.after(1743, limit: 1000) == nil)
        #expect(Self.positions(recent.after(1744, limit: 1000))?.count == 256)
        for position in Int64(2001)...2020 { recent.append([Self.entry(position, bytes: 100_000)]) }
        #expect(recent.after(2014, limit: 1000) == nil)
        #expect(Self.positions(recent.after(2015, limit: 1000)) == [2016, 2017, 2018, 2019, 2020])
    }

    @Test("the checksum of rows is CRC-32 of IEEE 802.3, however its bytes are given")
    func checksum() {
        var whole = CRC32()
        whole.update(Array("123456789".utf8))
        #expect(whole.value == 0xCBF4_3926)
        let bytes = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for length in 0...bytes.count {
            var together = CRC32()
            together.update(Array(bytes.prefix(length)))
            var single = CRC32()
            for byte in bytes.prefix(length) { single.update(byte) }
            #expect(together.value == single.value, "\(length) bytes")
        }
        var number = CRC32()
        number.update(Int64(0x0102_0304_0506_0708))
        var octets = CRC32()
        octets.update([8, 7, 6, 5, 4, 3, 2, 1])
        #expect(number.value == octets.value)
    }
}
