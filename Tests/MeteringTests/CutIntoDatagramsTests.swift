import Metering
import OBIS
import TestSupport
import Testing
import Wire

/// What a gateway between a serial line and a network does: it cuts where it likes.
@Suite("Messages cut into datagrams")
struct CutIntoDatagramsTests {
    /// Those whose end is in their bytes, and that need no header at the start of a datagram.
    private static let recordings = Recordings.all.filter { recording in
        !recording.endsWithSilence && !recording.name.contains("wrapper")
    }

    private static func telegrams(_ recording: Recording, _ events: [SessionEvent]) throws -> [Telegram] {
        let meterProtocol = try #require(ProtocolRegistry.named(recording.protocolName))
        // Of a meter that is asked the session cuts the bytes itself.
        var session = meterProtocol.makeListener(recording.settings)
        return events.flatMap { session.handle($0) }.compactMap { action in
            if case .emit(let telegram) = action { telegram } else { nil }
        }
    }

    @Test("are read as if they came in one piece", arguments: recordings)
    func cut(recording: Recording) throws {
        let bytes = recording.bytes
        let whole = try Self.telegrams(recording, [.opened, .received(bytes), .boundary, .timer])
        #expect(whole.count == 1)
        for split in stride(from: 1, to: bytes.count, by: 7) {
            let got = try Self.telegrams(
                recording,
                [
                    .opened, .received(Array(bytes[..<split])), .boundary, .received(Array(bytes[split...])), .boundary,
                    .timer,
                ])
            #expect(got == whole, "cut at \(split)")
        }
    }

    @Test("whose second half is lost cost themselves only", arguments: recordings)
    func lost(recording: Recording) throws {
        let bytes = recording.bytes
        let whole = try Self.telegrams(recording, [.opened, .received(bytes), .boundary, .timer])
        for split in stride(from: 1, to: bytes.count, by: 7) {
            let got = try Self.telegrams(
                recording, [.opened, .received(Array(bytes[..<split])), .boundary, .received(bytes), .boundary, .timer])
            #expect(got.last == whole.last, "cut at \(split)")
        }
    }
}
