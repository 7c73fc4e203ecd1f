@testable import COSEM
import TestSupport
import Testing
import Wire

@Suite("HDLC frames")
struct HDLCFrameTests {
    private static let parameters = Sample.hex("81 80 14 05 02 00 80 06 02 00 80 07 04 00 00 00 01 08 04 00 00 00 01")

    /// Destination, source, control and information of frames whose bytes are known.
    private static let checked: [(name: String, frame: HDLCFrame, bytes: String)] = [
        ("SNRM", HDLCFrame(destination: [3], source: [0x21], control: 0x93, information: []), "7EA007032193 0F01 7E"),
        ("DISC", HDLCFrame(destination: [3], source: [0x21], control: 0x53, information: []), "7EA007032153 03C7 7E"),
        ("UA", HDLCFrame(destination: [0x21], source: [3], control: 0x73, information: []), "7EA007210373 0140 7E"),
        ("RR", HDLCFrame(destination: [3], source: [0x21], control: 0x31, information: []), "7EA007032131 1787 7E"),
        (
            "SNRM to four bytes",
            HDLCFrame(destination: [0, 2, 0, 0x23], source: [0x21], control: 0x93, information: []),
            "7EA00A000200232193 1871 7E"
        ),
    ]

    /// The whole frame at the beginning of the bytes.
    private static func read(_ bytes: [UInt8]) -> HDLCFrame? {
        guard case .frame(let layout, _) = HDLCCandidate(at: 0, in: bytes.rawSpan) else { return nil }
        return HDLCFrame(layout, in: bytes.rawSpan)
    }

    @Test("the known frames are built and read", arguments: checked.indices)
    func known(row: Int) {
        let (name, frame, text) = Self.checked[row]
        let bytes = Sample.hex(text)
        #expect(frame.encoded() == bytes, "\(name)")
        #expect(Self.read(bytes) == frame, "\(name)")
        #expect(FramerVerifier.deviations({ PushFramer() }, input: bytes, expected: [frame.unit]) == [], "\(name)")
    }

    @Test("a connection request with its parameters ends as it should")
    func connectionParameters() throws {
        let frame = HDLCFrame(destination: [3], source: [0x21], control: 0x93, information: Self.parameters)
        let bytes = try #require(frame.encoded())
        #expect(bytes.suffix(3) == [0xCE, 0x6A, 0x7E])
    }

    @Test(
        "the header checks of the E450 stand behind the control byte",
        arguments: [
            (0x84, [0x12, 0x8B]), (0x8B, [0xEE, 0xE1]), (0x6D, [0x90, 0xF1]), (0x76, [0x3C, 0x02]),
            (0x67, [0x38, 0xBD]),
        ] as [(Int, [UInt8])])
    func headerChecks(length: Int, check: [UInt8]) {
        let bytes = Sample.frame(Array(repeating: 0x7E, count: length - 10))
        #expect(Array(bytes[1...8]) == [0xA0, UInt8(length), 0xCE, 0xFF, 0x03, 0x13] + check)
    }

    @Test("frames of every address length and size survive the line, in any pieces")
    func roundTrip() throws {
        let addresses: [[UInt8]] = [[0x21], [0xCE, 0xFF], [0x00, 0x02, 0x04, 0x23]]
        var random = SeededGenerator(seed: 20)
        for destination in addresses {
            for source in addresses {
                for count in [0, 1, 2, 3, 10, 126, 200] {
                    let information = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    let frame = HDLCFrame(
                        destination: destination, source: source, control: 0x13, isSegmented: count == 10,
                        information: information)
                    let bytes = try #require(frame.encoded())
                    #expect(Self.read(bytes) == frame, "\(destination) \(source) \(count)")
                    let deviations = FramerVerifier.deviations({ PushFramer() }, input: bytes, expected: [frame.unit])
                    #expect(deviations == [], "\(destination) \(source) \(count)")
                }
            }
        }
    }

    @Test("the longest frame is read, a longer one is not built")
    func longest() throws {
        let longest = Limits.hdlcFrame - 10
        let frame = HDLCFrame(
            destination: [0xCE, 0xFF], source: [3], control: 0x13, information: Array(repeating: 0x7E, count: longest))
        let bytes = try #require(frame.encoded())
        #expect(FramerVerifier.frames(PushFramer(), chunks: [bytes]) == [frame.unit])
        var longer = frame
        longer.information.append(0)
        #expect(longer.encoded() == nil)
    }

    @Test("a right header check with one byte behind it is no frame")
    func overlappingChecks() {
        for control in UInt8(0)...255 {
            let header: [UInt8] = [0xA0, 0x08, 0x03, 0x21, control]
            let headerCheck = Checksum.x25(header.rawSpan)
            let covered = header + [UInt8(headerCheck & 0xFF), UInt8(headerCheck >> 8)]
            for last: UInt8 in [0x00, 0x7E, control] {
                let input = [0x7E] + covered + [last, 0x7E] + Sample.bareValues
                #expect(Sample.decode(input).telegrams.count == 1)
                #expect(Sample.decode(input.map { [$0] }).telegrams.count == 1)
            }
        }
    }

    @Test("lengths that hold no frame are passed over", arguments: 0...16)
    func shortLengths(length: UInt8) {
        let fillings: [[UInt8]] = [
            [3, 0x21, 0x93], [0, 2, 0, 0x23, 0x21, 0x93], [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1],
        ]
        for filling in fillings {
            let result = Sample.decode([0x7E, 0xA0, length] + filling + Sample.bareValues)
            #expect(result.telegrams.count == 1)
        }
    }
}

extension HDLCFrame {
    /// What a push decoder gets of it.
    fileprivate var unit: PushUnit { .hdlc(HDLCPiece(information: information, isSegmented: isSegmented)) }
}
