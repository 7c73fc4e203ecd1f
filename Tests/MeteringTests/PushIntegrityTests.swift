import MeterSimulator
import Metering
import OBIS
import Testing

/// A push goes out in blocks that carry no number of their message.
@Suite("Blocks of two pushes")
struct PushIntegrityTests {
    /// What stands between the first block of one push and the second block of the next one.
    static let between: [(name: String, change: @Sendable ([UInt8]) -> [UInt8])] = [
        (
            "a damaged first block",
            { frame in frame.enumerated().map { $0.offset == 40 ? $0.element ^ 1 : $0.element } }
        ),
        (
            "a first block with a damaged header",
            { frame in frame.enumerated().map { $0.offset == 4 ? $0.element ^ 1 : $0.element } }
        ),
        ("a first block whose end is missing", { Array($0.dropLast(20)) }),
    ]

    @Test("are never joined", arguments: between.indices)
    func joined(index: Int) throws {
        let (name, change) = Self.between[index]
        var meter = PushMeter(configuration: PushMeter.Configuration())
        var house = Household(seed: 7)
        let time = MeterTime(localSeconds: 1_768_480_496)
        let first = Self.frames(meter.push(house, time: time))
        house.advance(by: .seconds(5))
        let second = Self.frames(meter.push(house, time: time))
        #expect(first.count > 1 && second.count > 1)
        let bytes = first[0] + change(second[0]) + second[1...].flatMap { $0 }
        let recording = Recording(protocolName: "dlms-push", name: name, settings: .init(), bytes: bytes)
        let findings = try Findings(recording, [bytes])
        #expect(findings.telegrams.isEmpty)
    }

    /// Frames without bytes stuffed: their length stands behind the flag.
    private static func frames(_ push: [UInt8]) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var rest = push[...]
        while rest.count > 3, rest[rest.startIndex] == 0x7E {
            let length = Int(rest[rest.startIndex + 1] & 0x07) << 8 | Int(rest[rest.startIndex + 2])
            frames.append(Array(rest.prefix(length + 2)))
            rest = rest.dropFirst(length + 2)
        }
        return frames
    }
}
