import MBus
import TestSupport
import Testing
import Wire

@Suite("Long frames")
struct LongFrameTests {
    private static func candidate(_ bytes: [UInt8], at offset: Int = 0) -> LongFrameCandidate {
        LongFrameCandidate(at: offset, in: bytes.rawSpan)
    }

    private static func frame(contentLength: Int) -> LongFrame {
        LongFrame(
            control: 0x53, address: 0xFF, controlInformation: 0x00,
            data: (3..<contentLength).map { UInt8(truncatingIfNeeded: $0) })
    }

    @Test("have the bytes that the standard's examples have")
    func examples() {
        // Application reset, and the change to 2400 baud (EN 13757-2).
        for (text, frame) in [
            ("68 03 03 68 53 01 50 A4 16", LongFrame(control: 0x53, address: 1, controlInformation: 0x50, data: [])),
            ("68 03 03 68 53 01 BB 0F 16", LongFrame(control: 0x53, address: 1, controlInformation: 0xBB, data: [])),
            (
                "68 0B 0B 68 73 FD 52 78 56 34 12 FF FF FF FF D2 16",
                LongFrame(
                    control: 0x73, address: 0xFD, controlInformation: 0x52,
                    data: [0x78, 0x56, 0x34, 0x12, 0xFF, 0xFF, 0xFF, 0xFF])
            ),
        ] {
            let bytes = Corpus.bytes(hex: text)
            #expect(frame.encoded() == bytes)
            guard case .frame(let read, let length) = Self.candidate(bytes) else {
                Issue.record("\(text) is no frame")
                continue
            }
            #expect(read == frame && length == bytes.count)
        }
    }

    @Test("of every length are read back, also where the length field overflows", arguments: 3...258)
    func lengths(contentLength: Int) throws {
        let frame = Self.frame(contentLength: contentLength)
        let bytes = try #require(frame.encoded())
        #expect(bytes.count == contentLength + 6 && Int(bytes[1]) == contentLength % 256)
        guard case .frame(let read, let length) = Self.candidate([0xAA] + bytes + [0xAA], at: 1) else {
            Issue.record("no frame")
            return
        }
        #expect(read == frame && length == bytes.count)
    }

    @Test("longer than that cannot be written")
    func tooLong() {
        #expect(Self.frame(contentLength: 259).encoded() == nil)
    }

    @Test("cut anywhere are incomplete, and the header is known from its fourth byte on")
    func cut() throws {
        let bytes = try #require(Self.frame(contentLength: 20).encoded())
        for count in 1..<bytes.count {
            guard case .incomplete(let isHeader) = Self.candidate(Array(bytes[..<count])) else {
                Issue.record("\(count) bytes are not incomplete")
                continue
            }
            #expect(isHeader == (count >= 4))
        }
        guard case .none = Self.candidate([]) else {
            Issue.record("nothing is something")
            return
        }
    }

    @Test("with any bit flipped are no frame")
    func flipped() throws {
        let bytes = try #require(Self.frame(contentLength: 20).encoded())
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                if case .frame = Self.candidate(damaged) { Issue.record("byte \(index), bit \(bit)") }
            }
        }
    }

    @Test("say what is wrong with them")
    func reasons() throws {
        var bytes = try #require(Self.frame(contentLength: 20).encoded())
        bytes[bytes.count - 1] = 0x17
        guard case .damaged(let stop, let length) = Self.candidate(bytes) else {
            Issue.record("not damaged")
            return
        }
        #expect(stop.code == .framing && length == bytes.count)
        bytes[bytes.count - 1] = 0x16
        bytes[8] ^= 1
        guard case .damaged(let sum, _) = Self.candidate(bytes) else {
            Issue.record("not damaged")
            return
        }
        #expect(sum.code == .checksum)
    }
}

@Suite("DLMS in long frames")
struct DLMSCarrierTests {
    private static let carrier = DLMSCarrier()

    @Test("pieces are numbered from 0 and the last is marked", arguments: [1, 7, 100, 200])
    func pieces(pieceLength: Int) throws {
        let message = (0..<(pieceLength * 3 - pieceLength / 2)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let frames = DLMSCarrier.frames(of: message, pieceLength: pieceLength)
        var joined: [UInt8] = []
        for (index, bytes) in frames.enumerated() {
            guard case .frame(let frame, let length) = Self.carrier.candidate(at: 0, in: bytes.rawSpan) else {
                Issue.record("frame \(index) is none")
                continue
            }
            #expect(length == bytes.count && frame.sequence == index && frame.isLast == (index == frames.count - 1))
            joined += frame.payload
        }
        #expect(joined == message && frames.count == (message.count + pieceLength - 1) / pieceLength)
    }

    @Test("a message of more pieces than can be numbered is none")
    func tooMany() {
        #expect(DLMSCarrier.frames(of: [UInt8](repeating: 1, count: 17), pieceLength: 1) == [])
        #expect(DLMSCarrier.frames(of: [UInt8](repeating: 1, count: 16), pieceLength: 1).count == 16)
        #expect(DLMSCarrier.frames(of: [UInt8](repeating: 1, count: 300), pieceLength: 300) == [])
    }

    @Test("frames of other applications are told as such", arguments: [(0x72, 12), (0x7A, 4), (0x00, 2), (0x11, 0)])
    func foreign(information: Int, count: Int) throws {
        let frame = LongFrame(
            control: 0x08, address: 5, controlInformation: UInt8(information),
            data: [UInt8](repeating: 0, count: count))
        let bytes = try #require(frame.encoded())
        guard case .foreign(let error, let length) = Self.carrier.candidate(at: 0, in: bytes.rawSpan) else {
            Issue.record("taken for DLMS")
            return
        }
        #expect(length == bytes.count && error.code == (information >= 0x20 ? .unsupported : .malformed))
    }
}
