import Foundation
import MeterSimulator
import OBIS
import Wire
import TestSupport

/// A meter that pushes when it is told to, on a line that can be unplugged.
final class PushLine {
    let line: SimulatedLine
    private(set) var house: Household
    private var meter: PushMeter
    private var seconds: Int64 = 1_768_480_496

    init(path: String, configuration: PushMeter.Configuration, seed: UInt64 = 7) async throws {
        line = try await SimulatedLine(
            path: path, line: LineSettings(baud: 2400, dataBits: 8, parity: .even))
        meter = PushMeter(configuration: configuration, counter: 100)
        house = Household(seed: seed)
    }

    /// Five seconds later in the house, one push.
    func push() async {
        house.advance(by: .seconds(5))
        seconds += 5
        await line.send(meter.push(house, time: MeterTime(localSeconds: seconds)))
    }

    /// One push whose bytes are changed on the way.
    func push(_ change: ([UInt8]) -> [UInt8]) async {
        house.advance(by: .seconds(5))
        seconds += 5
        await line.send(change(meter.push(house, time: MeterTime(localSeconds: seconds))))
    }

    /// Waits until the reader has opened the line.
    func waitForReader() async throws {
        guard await line.waitForReader(baud: 2400, within: .seconds(90)) else {
            throw NotInTime(description: "nobody opens \(line.path)")
        }
    }

    /// Pushes until a push of these has arrived as a reading. (What comes while a port opens may be lost.)
    func pushUntilRead(_ meter: String, _ subscriber: Subscriber) async throws {
        try await waitForReader()
        for _ in 0..<30 {
            await push()
            do {
                return try await subscriber.wait(for: "a reading of \(meter)", within: .seconds(3)) {
                    subscriber in
                    let energy = subscriber.readings(meter).last?.json["registers"]?["1-1:1.8.0*255"]?[
                        "value"]
                    return energy?.int == house.imported
                }
            } catch is NotInTime { continue }
        }
        throw NotInTime(description: "no reading of \(meter) in thirty pushes")
    }
}

extension Secret {
    /// A key of 16 equal bytes.
    static func sample(_ byte: UInt8) -> Secret { Secret([UInt8](repeating: byte, count: 16)) }
}

extension UInt8 {
    /// The key as it stands in a file.
    var keyFile: String { Hex.string([UInt8](repeating: self, count: 16)) + "\n" }
}
