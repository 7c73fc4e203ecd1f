import Foundation
import IEC62056
import MBus
import MeterSimulator
import OBIS
import Wire

/// What our own simulators say, and what they are told: seeds of the targets.
enum Sample {
    static let noon = MeterTime(localSeconds: 1_768_003_200)
    static let house = Household(seed: 7)
    static let encryptionKey = Secret(Array(0...15))
    static let authenticationKey = Secret(Array(16...31))
    static let password = Secret(Array("12345678".utf8))

    static func push(
        _ list: PushMeter.List = .objects, _ carrier: PushMeter.Carrier = .hdlc, encryption: Bool = false,
        authentication: Bool = false, blockSize: Int = 0x70
    ) -> [UInt8] {
        var meter = PushMeter(
            configuration: PushMeter.Configuration(
                list: list, carrier: carrier, encryptionKey: encryption ? encryptionKey : nil,
                authenticationKey: authentication ? authenticationKey : nil, blockSize: blockSize))
        return meter.push(house, time: noon)
    }

    static let sml: [[UInt8]] = [("EMH", false), ("HLY", true), ("ISK", false)].map { maker, usesKermit in
        var meter = SMLMeter(configuration: SMLMeter.Configuration(manufacturer: maker, usesKermit: usesKermit))
        return meter.push(house, time: noon)
    }

    static func p1(_ version: P1Meter.Version, encryption: Bool = false, authentication: Bool = false) -> [UInt8] {
        var meter = P1Meter(
            configuration: P1Meter.Configuration(
                version: version, encryptionKey: encryption ? encryptionKey : nil,
                authenticationKey: authentication ? authenticationKey : nil))
        return meter.push(house, time: noon)
    }

    /// A readout of mode D, and one with a block check.
    static let readouts: [[UInt8]] = [false, true].map { hasBlockCheck in
        var meter = ReadoutMeter(configuration: OpticalMeter.Configuration(mode: .d, hasBlockCheck: hasBlockCheck))
        return meter.push(house, time: noon)
    }

    /// The long frames that a slave of each kind and structure answers with.
    static let mbus: [[UInt8]] = MBusSlave.Kind.allCases.flatMap { kind in
        MBusSlave.Structure.allCases.flatMap { structure in
            var slave = MBusSlave(
                configuration: MBusSlave.Configuration(kind: kind, structure: structure, telegrams: 2))
            return slave.receive(ShortFrame.requestData(1, frameCountBit: true).encoded(), house: house, time: noon)
        }
    }

    /// The files of a folder of this checkout, where it is at hand.
    static func files(_ folder: String, suffix: String) -> [[UInt8]] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasSuffix(suffix) }.sorted().compactMap {
            (try? Data(contentsOf: root.appendingPathComponent($0))).map { [UInt8]($0) }
        }
    }

    static func texts(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }
}
