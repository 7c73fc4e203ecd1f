import MBus
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Frames of a master")
struct MasterFrameTests {
    static let calls: [(ShortFrame, String)] = [
        (.reset(1), "1040014116"), (.reset(253), "1040fd3d16"), (.reset(255), "1040ff3f16"),
        (.requestData(1, frameCountBit: false), "105b015c16"), (.requestData(1, frameCountBit: true), "107b017c16"),
        (.requestData(253, frameCountBit: true), "107bfd7816"), (.requestAlarm(1, frameCountBit: true), "107a017b16"),
    ]

    @Test("are those of the standard, and are found again", arguments: calls)
    func short(frame: ShortFrame, hex: String) {
        let bytes = frame.encoded()
        #expect(Hex.string(bytes) == hex)
        #expect(ShortFrameCandidate(at: 0, in: bytes.rawSpan) == .frame(frame))
        for count in 1..<bytes.count {
            #expect(ShortFrameCandidate(at: 0, in: Array(bytes[..<count]).rawSpan) == .incomplete)
        }
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                #expect(ShortFrameCandidate(at: 0, in: damaged.rawSpan) == .none)
            }
        }
    }

    static let selections: [(String, String)] = [
        ("FFFFFFFF", "680b0b6873fd52ffffffffffffffffba16"), ("12345678", "680b0b6873fd5278563412ffffffffd216"),
        ("12345678/LGZ/02/04", "680b0b6873fd5278563412fa3002040616"),
    ]

    @Test("select by a secondary address", arguments: selections)
    func selection(address: String, hex: String) throws {
        let address = try #require(SecondaryAddress(address))
        let bytes = try #require(address.selection.encoded())
        #expect(Hex.string(bytes) == hex)
        #expect(SecondaryAddress(selection: address.selection) == address)
        var other = address.selection
        other.controlInformation = 0x72
        #expect(SecondaryAddress(selection: other) == nil)
        other = address.selection
        other.data.removeLast()
        #expect(SecondaryAddress(selection: other) == nil)
    }

    @Test("select with the most significant byte first (CI 56)")
    func reversed() throws {
        let address = try #require(SecondaryAddress("12345678/LGZ/02/04"))
        let frame = LongFrame(
            control: 0x73, address: 253, controlInformation: 0x56, data: Answer.bytes("12345678 30FA 02 04"))
        #expect(SecondaryAddress(selection: frame) == address)
    }
}

@Suite("Secondary addresses")
struct SecondaryAddressTests {
    static let spellings: [(String, String?)] = [
        ("12345678/LGZ/02/04", "12345678/LGZ/02/04"), ("12345678/lgz/2A/ff", "12345678/LGZ/2A/FF"),
        ("12345678", "12345678/FFFF/FF/FF"), ("12345678/LGZ", "12345678/LGZ/FF/FF"),
        ("/LGZ", "FFFFFFFF/LGZ/FF/FF"), ("///04", "FFFFFFFF/FFFF/FF/04"), ("1234FFFF", "1234FFFF/FFFF/FF/FF"),
        ("12345678/FFFF/02/04", "12345678/FFFF/02/04"), ("12345678/0000", "12345678/0000/FF/FF"),
        ("0500023E", "0500023E/FFFF/FF/FF"),
        ("", nil), ("/", nil), ("1234567", nil), ("123456789", nil), ("1234567G", nil), ("12345678/LG", nil),
        ("12345678/LGZ/2", nil), ("12345678/LGZ/02/04/", nil), ("12345678/LGZ/02/0x", nil), ("+2345678", nil),
        ("12345678 ", nil), ("12345678/ÄÖÜ", nil),
    ]

    @Test("are read and written", arguments: spellings)
    func text(text: String, canonical: String?) {
        let address = SecondaryAddress(text)
        #expect(address?.description == canonical)
        #expect(canonical.flatMap { SecondaryAddress($0) } == address)
    }

    @Test("match digit by digit and field by field")
    func matching() throws {
        let slave = try #require(SecondaryAddress("12345678/LGZ/02/04"))
        for wanted in ["12345678/LGZ/02/04", "FFFFFFFF", "1FFFFFF8", "12345678/FFFF/02", "FFFFFFFF/LGZ", "///04"] {
            #expect(try #require(SecondaryAddress(wanted)).matches(slave), "\(wanted)")
        }
        for wanted in ["12345679", "2FFFFFFF", "FFFFFFFF/LGB", "FFFFFFFF//03", "///02"] {
            #expect(try #require(SecondaryAddress(wanted)).matches(slave) == false, "\(wanted)")
        }
        #expect(SecondaryAddress.any.matches(slave))
    }
}
