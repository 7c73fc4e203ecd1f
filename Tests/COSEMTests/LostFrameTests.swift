import COSEM
import MBus
import OBIS
import TestSupport
import Testing
import Wire

/// Frames whose headers are damaged are noise, and noise between two pieces may be the rest of one message and the
/// beginning of the next.
@Suite("Pieces of two messages with lost frames between them")
struct LostFrameTests {
    private static func message(_ energy: String) -> [UInt8] {
        Sample.notification(
            "02 04 09 06 01 00 01 08 00 FF 06 00 12 \(energy) 09 06 01 00 02 08 00 FF 06 00 01 \(energy)")
    }

    private static func telegrams(_ frames: [[UInt8]]) -> [Telegram] {
        FramerVerifier.frames(PushDecoder(carriers: [DLMSCarrier()]), chunks: [frames.flatMap { $0 }])
    }

    /// Without the byte that it begins with, no frame is one.
    private static func headless(_ frame: [UInt8]) -> [UInt8] { [0x55] + frame.dropFirst() }

    @Test("are not joined in frames of M-Bus")
    func carrier() {
        let first = DLMSCarrier.frames(of: Self.message("D6 87"), pieceLength: 30)
        let second = DLMSCarrier.frames(of: Self.message("D6 99"), pieceLength: 30)
        #expect(first.count == 2 && Self.telegrams(first + second).count == 2)
        #expect(Self.telegrams([first[0], Self.headless(first[1]), Self.headless(second[0]), second[1]]) == [])
        // The next one is whole again.
        #expect(
            Self.telegrams([first[0], Self.headless(first[1]), Self.headless(second[0]), second[1]] + first)
                == Self.telegrams(first))
    }

    @Test("are not joined in blocks, nor in segments")
    func hdlc() {
        func segments(_ message: [UInt8]) -> [[UInt8]] {
            [
                Sample.frame(Sample.header + message.prefix(20), isSegmented: true),
                Sample.frame(Array(message.dropFirst(20))),
            ]
        }
        for cut in [{ Sample.blocks($0, count: 2) }, segments] {
            let (first, second) = (cut(Self.message("D6 87")), cut(Self.message("D6 99")))
            #expect(Self.telegrams(first + second).count == 2)
            let joined = Self.telegrams([first[0], Self.headless(first[1]), Self.headless(second[0]), second[1]])
            #expect(joined == [])
        }
    }

    @Test("a byte or two between the frames of one message are no harm")
    func tolerated() {
        let frames = DLMSCarrier.frames(of: Self.message("D6 87"), pieceLength: 30)
        #expect(Self.telegrams([frames[0], [0x00, 0xFF], frames[1]]) == Self.telegrams(frames))
    }
}
