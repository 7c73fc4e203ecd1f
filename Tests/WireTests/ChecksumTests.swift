import TestSupport
import Testing
import Wire

@Suite("Checksum")
struct ChecksumTests {
    private static let digits = Array("123456789".utf8)

    @Test("the check values of the catalogues")
    func checkValues() {
        #expect(Checksum.x25(Self.digits.rawSpan) == 0x906E)
        #expect(Checksum.kermit(Self.digits.rawSpan) == 0x2189)
        #expect(Checksum.arc(Self.digits.rawSpan) == 0xBB3D)
        #expect(Checksum.bcc(Self.digits.rawSpan) == 0x31)
        #expect(Checksum.sum(Self.digits.rawSpan) == 0xDD)
    }

    @Test("of nothing")
    func empty() {
        let none: [UInt8] = []
        #expect(Checksum.x25(none.rawSpan) == 0)
        #expect(Checksum.kermit(none.rawSpan) == 0)
        #expect(Checksum.arc(none.rawSpan) == 0)
        #expect(Checksum.bcc(none.rawSpan) == 0)
        #expect(Checksum.sum(none.rawSpan) == 0)
    }

    @Test("agree with a division bit by bit")
    func bitByBit() {
        var random = SeededGenerator(seed: 10)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Checksum.x25(bytes.rawSpan) == ~Self.divided(bytes, by: 0x1021, from: 0xFFFF))
            #expect(Checksum.kermit(bytes.rawSpan) == Self.divided(bytes, by: 0x1021, from: 0))
            #expect(Checksum.arc(bytes.rawSpan) == Self.divided(bytes, by: 0x8005, from: 0))
            #expect(Checksum.sum(bytes.rawSpan) == bytes.reduce(0, &+))
        }
    }

    /// The polynomial in its usual order of bits, message and result mirrored as the definition says.
    private static func divided(_ bytes: [UInt8], by polynomial: UInt16, from initial: UInt16) -> UInt16 {
        var crc = initial
        for byte in bytes {
            for bit in 0..<8 {
                let isSet = (crc >> 15 ^ UInt16(byte >> bit & 1)) & 1 == 1
                crc = crc << 1 ^ (isSet ? polynomial : 0)
            }
        }
        return (0..<16).reduce(0) { $0 | (crc >> $1 & 1) << (15 - $1) }
    }

    @Test("a message with its own X-25 behind it always leaves the same residue")
    func residue() {
        var random = SeededGenerator(seed: 11)
        for count in 0..<50 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let check = Checksum.x25(bytes.rawSpan)
            let whole = bytes + [UInt8(check & 0xFF), UInt8(check >> 8)]
            #expect(~Checksum.x25(whole.rawSpan) == 0xF0B8)
        }
    }

    @Test(
        "the header checks of the E450's frames",
        arguments: [(0x84, 0x8B12), (0x8B, 0xE1EE), (0x6D, 0xF190), (0x76, 0x023C), (0x67, 0xBD38)] as [(UInt8, UInt16)]
    )
    func headerChecks(length: UInt8, check: UInt16) {
        let header: [UInt8] = [0xA0, length, 0xCE, 0xFF, 0x03, 0x13]
        #expect(Checksum.x25(header.rawSpan) == check)
    }

    @Test(
        "block check characters of programming mode",
        arguments: [
            ("B0\u{3}", 0x71), ("R1\u{2}F.F()\u{3}", 0x4D), ("R5\u{2}0.0.0()\u{3}", 0x57),
            ("P1\u{2}(00000000)\u{3}", 0x61),
        ] as [(String, UInt8)])
    func blockCheck(text: String, check: UInt8) {
        let bytes = Array(text.utf8)
        #expect(Checksum.bcc(bytes.rawSpan) == check)
    }

    @Test(
        "sums of M-Bus frames",
        arguments: [
            ([0x40, 0x01], 0x41), ([0x5B, 0x01], 0x5C), ([0x7B, 0x01], 0x7C), ([0x40, 0xFD], 0x3D),
            ([0x7B, 0xFD], 0x78),
            ([0x40, 0xFF], 0x3F), ([0x53, 0x01, 0x50], 0xA4), ([0x53, 0x01, 0xBB], 0x0F),
            ([0x73, 0xFD, 0x52, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 0xBA),
            ([0x73, 0xFD, 0x52, 0x78, 0x56, 0x34, 0x12, 0xFF, 0xFF, 0xFF, 0xFF], 0xD2),
        ] as [([UInt8], UInt8)])
    func sums(bytes: [UInt8], check: UInt8) {
        #expect(Checksum.sum(bytes.rawSpan) == check)
    }
}
