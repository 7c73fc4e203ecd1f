import Testing
import Wire

@Suite("Networks of addresses")
struct AddressRangeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let range: AddressRange?
        let inside: [[UInt8]]
        let outside: [[UInt8]]

        init(_ name: String, _ address: [UInt8], _ prefix: Int, inside: [[UInt8]], outside: [[UInt8]]) {
            (testDescription, self.inside, self.outside) = (name, inside, outside)
            range = AddressRange(address: address, prefix: prefix)
        }
    }

    /// `fd00:…:last`
    private static func six(_ first: [UInt8], _ last: UInt8 = 0) -> [UInt8] {
        first + [UInt8](repeating: 0, count: 15 - first.count) + [last]
    }

    /// An IPv4 address in IPv6.
    private static func mapped(_ four: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + four
    }

    static let cases = [
        Case(
            "192.168.1.0/24", [192, 168, 1, 0], 24,
            inside: [[192, 168, 1, 0], [192, 168, 1, 255], mapped([192, 168, 1, 7])],
            outside: [[192, 168, 2, 0], [192, 168, 0, 255], mapped([192, 168, 2, 7]), six([192, 168, 1])]),
        Case(
            "one address", [10, 0, 0, 7], 32,
            inside: [[10, 0, 0, 7], mapped([10, 0, 0, 7])], outside: [[10, 0, 0, 6], [10, 0, 0, 8]]),
        Case("host bits do not count", [10, 1, 2, 3], 8, inside: [[10, 255, 0, 0]], outside: [[11, 1, 2, 3]]),
        Case(
            "172.16.0.0/12", [172, 16, 0, 0], 12,
            inside: [[172, 16, 0, 0], [172, 31, 255, 255]], outside: [[172, 32, 0, 0], [172, 15, 255, 255]]),
        Case("a prefix of one bit", [128, 0, 0, 0], 1, inside: [[255, 1, 1, 1]], outside: [[127, 1, 1, 1]]),
        Case(
            "a prefix of 31 bits", [10, 0, 0, 6], 31,
            inside: [[10, 0, 0, 6], [10, 0, 0, 7]], outside: [[10, 0, 0, 5], [10, 0, 0, 8]]),
        Case(
            "all of IPv4", [0, 0, 0, 0], 0,
            inside: [[0, 0, 0, 0], [255, 255, 255, 255], mapped([1, 2, 3, 4])], outside: [six([0xFD]), six([], 1)]),
        Case(
            "all of IPv6", six([]), 0,
            inside: [six([]), six([], 1), six([0xFF], 0xFF)], outside: [[1, 2, 3, 4], mapped([1, 2, 3, 4])]),
        Case(
            "fd00::/64", six([0xFD]), 64,
            inside: [six([0xFD], 1), six([0xFD, 0, 0, 0, 0, 0, 0, 0, 9], 1)],
            outside: [six([0xFD, 0, 0, 0, 0, 0, 0, 1], 1), six([0xFE], 1), [0xFD, 0, 0, 0]]),
        Case(
            "fe80::/10", six([0xFE, 0x80]), 10,
            inside: [six([0xFE, 0x80], 1), six([0xFE, 0xBF], 1)], outside: [six([0xFE, 0xC0], 1), six([0xFE, 0x7F])]),
        Case("one address of IPv6", six([0xFD], 1), 128, inside: [six([0xFD], 1)], outside: [six([0xFD], 2)]),
        Case(
            "IPv4 written in IPv6", mapped([192, 168, 1, 0]), 120,
            inside: [[192, 168, 1, 9], mapped([192, 168, 1, 9])], outside: [[192, 168, 2, 9], six([192, 168, 1])]),
        Case(
            "IPv4 written in IPv6 with a short prefix", mapped([0, 0, 0, 0]), 95,
            inside: [], outside: [[192, 168, 1, 9], mapped([192, 168, 1, 9])]),
    ]

    @Test("contain what lies in them, IPv4 as IPv4 however it arrives", arguments: cases)
    func containment(sample: Case) throws {
        let range = try #require(sample.range)
        for address in sample.inside { #expect(range.contains(address), "\(address)") }
        for address in sample.outside { #expect(!range.contains(address), "\(address)") }
        for length in [0, 1, 3, 5, 15, 17] { #expect(!range.contains([UInt8](repeating: 0, count: length))) }
    }

    @Test(
        "what is no address or no prefix is no network",
        arguments: [([], 0), ([1, 2, 3], 8), ([1, 2, 3, 4, 5], 8), ([1, 2, 3, 4], 33), ([1, 2, 3, 4], -1)]
            as [([UInt8], Int)])
    func impossible(address: [UInt8], prefix: Int) {
        #expect(AddressRange(address: address, prefix: prefix) == nil)
        #expect(AddressRange(address: [UInt8](repeating: 0, count: 16), prefix: 129) == nil)
    }

    @Test("networks that are the same are equal, however they were written")
    func equality() {
        #expect(AddressRange(address: [10, 1, 2, 3], prefix: 8) == AddressRange(address: [10, 9, 9, 9], prefix: 8))
        #expect(AddressRange(address: [10, 1, 2, 3], prefix: 8) != AddressRange(address: [10, 1, 2, 3], prefix: 9))
        #expect(
            AddressRange(address: Self.mapped([10, 0, 0, 0]), prefix: 104)
                == AddressRange(address: [10, 0, 0, 0], prefix: 8))
    }
}
