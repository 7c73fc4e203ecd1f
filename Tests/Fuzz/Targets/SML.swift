import MeterSimulator
import OBIS
import SML
import Wire

/// SML files, with and without the transport around them.
extension FuzzTarget {
    static let sml: [FuzzTarget] = [
        FuzzTarget("sml.framer", .framer) {
            Sample.sml + [Sample.sml.flatMap { $0 }]
        } run: { bytes in
            FramerCheck.run(bytes) { SMLDecoder() }
        },
        // The transport is right, so that the messages are reached.
        FuzzTarget("sml.file", .framer) {
            Sample.sml.map { Array($0.dropFirst(8).dropLast(8)) }
        } run: { bytes in
            let file = SMLMeter.file(bytes, usesKermit: (bytes.last ?? 0) & 1 == 1)
            FramerCheck.run(file) { SMLDecoder() }
        },
        // Each message gets its check sequence, so that lists are reached.
        FuzzTarget("sml.list", .decoder) {
            Sample.sml.map { messageBodies($0) }
        } run: { bytes in
            _ = FramerCheck.telegrams(of: SMLMeter.file(checkedMessage(bytes), usesKermit: false), SMLDecoder())
        },
        FuzzTarget("sml.survey", .decoder) {
            Sample.sml
        } run: { bytes in
            SurveyCheck.run(bytes, SMLSurvey.survey)
        },
    ]

    /// `76`, the five elements of the input, the check sequence, `00`.
    private static func checkedMessage(_ elements: [UInt8]) -> [UInt8] {
        let message = [0x76] + elements
        let check = Checksum.x25(message.rawSpan)
        return message + [0x63, UInt8(truncatingIfNeeded: check), UInt8(truncatingIfNeeded: check >> 8), 0x00]
    }

    /// The five elements of the message that holds the list: behind its transaction, up to its check sequence.
    private static func messageBodies(_ file: [UInt8]) -> [UInt8] {
        let starts = file.indices.filter { file[$0] == 0x76 && file[$0 + 1] == 0x05 }
        let ends = file.indices.filter { file[$0] == 0x63 && $0 + 3 < file.count && file[$0 + 3] == 0x00 }
        guard starts.count >= 2, let end = ends.first(where: { $0 > starts[1] }) else { return [] }
        return Array(file[(starts[1] + 1)..<end])
    }
}

/// What holds for every survey of recorded bytes.
enum SurveyCheck {
    static func run(_ bytes: [UInt8], _ survey: ([UInt8]) -> FrameSurvey) {
        let found = survey(bytes)
        for place in found.identities.map(\.place) + found.contents + found.readings {
            precondition(place.bytes(in: bytes).count <= place.count, "a place with more bytes than it has")
        }
        var renewed = bytes
        found.renewChecks(of: &renewed)
        precondition(renewed.count == bytes.count, "new checks change the length")
    }
}
