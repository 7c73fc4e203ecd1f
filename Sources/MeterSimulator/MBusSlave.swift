import MBus
import OBIS
import Wire

/// A meter on a wired M-Bus, without input or output of its own: what a master sends goes in, answers come out.
///
/// It is called by its primary address or selected by its secondary one, repeats its last answer when the frame count
/// bit stays the same, and gives its values in as many telegrams as it is told to.
public struct MBusSlave: Sendable {
    /// What it measures.
    public enum Kind: String, Sendable, CaseIterable {
        case electricity, gas, water, heat

        /// The device type of the header (EN 13757-3).
        var deviceType: UInt8 {
            switch self {
            case .electricity: 0x02
            case .gas: 0x03
            case .heat: 0x04
            case .water: 0x07
            }
        }
    }

    /// How its answers are built.
    public enum Structure: String, Sendable, CaseIterable {
        /// Records with names (CI 72).
        case variable
        /// Two counters (CI 73), as old meters have it.
        case fixed
    }

    public struct Configuration: Sendable, Hashable {
        public var kind: Kind
        public var structure: Structure
        /// The primary address, 0 to 250.
        public var address: UInt8
        /// The eight digits on the meter.
        public var serial: String
        /// Three letters.
        public var manufacturer: String
        public var version: UInt8
        /// Telegrams of one answer, at least 1; each but the last says that more follow.
        public var telegrams: Int

        public init(
            kind: Kind = .electricity, structure: Structure = .variable, address: UInt8 = 1,
            serial: String = "12345678", manufacturer: String = "OBI", version: UInt8 = 1, telegrams: Int = 1
        ) {
            self.kind = kind
            self.structure = structure
            self.address = address
            self.serial = serial
            self.manufacturer = manufacturer
            self.version = version
            self.telegrams = telegrams
        }

        /// Eight digits of which one is none make 0.
        public var secondaryAddress: SecondaryAddress {
            let padded = String(repeating: "0", count: max(0, 8 - serial.utf8.count)) + serial
            return SecondaryAddress(
                identification: SecondaryAddress(padded)?.identification ?? 0,
                manufacturer: SecondaryAddress("/\(manufacturer)")?.manufacturer ?? 0, version: version,
                medium: kind.deviceType)
        }
    }

    /// What goes wrong.
    public struct Faults: Sendable, Hashable {
        /// It hears and says nothing.
        public var isMute: Bool
        /// So many of the next answers have a wrong checksum.
        public var wrongChecksums: Int
        /// It answers later than the standard allows: a matter of the line that it is run over.
        public var isSlow: Bool

        public init(isMute: Bool = false, wrongChecksums: Int = 0, isSlow: Bool = false) {
            self.isMute = isMute
            self.wrongChecksums = wrongChecksums
            self.isSlow = isSlow
        }
    }

    public let configuration: Configuration
    public var faults: Faults
    /// Whether a master selected it by its secondary address.
    public private(set) var isSelected = false

    private var waiting = LinkBuffer()
    private var accessNumber: UInt8 = 0
    private var lastFrameCountBit: Bool?
    private var lastAnswer: [UInt8]?
    /// Record data of the telegrams that are still to be asked for.
    private var pending: [[UInt8]] = []

    public init(configuration: Configuration = Configuration(), faults: Faults = Faults()) {
        self.configuration = configuration
        self.faults = faults
    }

    /// Takes what came over the line.
    ///
    /// - Parameters:
    ///   - house: where the values come from.
    ///   - time: what the meter's clock shows; nil for a meter without one.
    /// - Returns: what it answers, one element for each frame that asked for something.
    public mutating func receive(_ bytes: [UInt8], house: Household, time: MeterTime? = nil) -> [[UInt8]] {
        waiting.append(bytes)
        var answers: [[UInt8]] = []
        while !waiting.isEmpty {
            if case .frame(let frame) = ShortFrameCandidate(at: 0, in: waiting.bytes) {
                waiting.consume(ShortFrame.length)
                answers += answer(frame, house, time).map { [$0] } ?? []
            } else if case .frame(let frame, let length) = LongFrameCandidate(at: 0, in: waiting.bytes) {
                waiting.consume(length)
                answers += answer(frame).map { [$0] } ?? []
            } else if mayBecomeFrame {
                break
            } else {
                waiting.consume(1)
            }
        }
        return faults.isMute ? [] : answers
    }

    /// The line fell silent: half a frame that waits is none.
    public mutating func lineFellSilent() {
        waiting = LinkBuffer()
    }

    private var mayBecomeFrame: Bool {
        if ShortFrameCandidate(at: 0, in: waiting.bytes) == .incomplete { return true }
        if case .incomplete = LongFrameCandidate(at: 0, in: waiting.bytes) { return true }
        return false
    }

    // MARK: Answering

    private func isCalled(_ address: UInt8) -> Bool {
        switch address {
        case configuration.address, LinkAddress.allAnswer, LinkAddress.broadcast: true
        case LinkAddress.selected: isSelected
        default: false
        }
    }

    private mutating func answer(_ frame: ShortFrame, _ house: Household, _ time: MeterTime?) -> [UInt8]? {
        guard isCalled(frame.address) else { return nil }
        let answer: [UInt8]
        switch frame.control & ~Control.frameCountBit {
        case Control.reset:
            forget()
            if frame.address == LinkAddress.selected { isSelected = false }
            answer = [Control.acknowledge]
        case Control.requestData: answer = data(frame.frameCountBit, house, time)
        // There are no alarms.
        case Control.requestAlarm: answer = [Control.acknowledge]
        default: return nil
        }
        return frame.address == LinkAddress.broadcast ? nil : answer
    }

    private mutating func answer(_ frame: LongFrame) -> [UInt8]? {
        if let wanted = SecondaryAddress(selection: frame) {
            isSelected = wanted.matches(configuration.secondaryAddress)
            guard isSelected else { return nil }
            forget()
            return [Control.acknowledge]
        }
        guard isCalled(frame.address), frame.control & ~Control.frameCountBit == Control.sendData,
            frame.controlInformation == ControlInformation.applicationReset.rawValue
        else { return nil }
        forget()
        return frame.address == LinkAddress.broadcast ? nil : [Control.acknowledge]
    }

    private mutating func forget() {
        lastFrameCountBit = nil
        lastAnswer = nil
        pending = []
    }

    private mutating func data(_ frameCountBit: Bool, _ house: Household, _ time: MeterTime?) -> [UInt8] {
        // The same bit again: the master did not get the last answer.
        if frameCountBit == lastFrameCountBit, let lastAnswer { return damaged(lastAnswer) }
        lastFrameCountBit = frameCountBit
        if pending.isEmpty { pending = contents(house, time) }
        accessNumber &+= 1
        let isFixed = configuration.structure == .fixed
        let frame = LongFrame(
            control: Control.response, address: configuration.address,
            controlInformation: (isFixed ? ControlInformation.fixedStructure : .longHeader).rawValue,
            data: header + pending.removeFirst())
        let answer = frame.encoded() ?? []
        lastAnswer = answer
        return damaged(answer)
    }

    private mutating func damaged(_ answer: [UInt8]) -> [UInt8] {
        guard faults.wrongChecksums > 0, answer.count > 2 else { return answer }
        faults.wrongChecksums -= 1
        var answer = answer
        answer[answer.count - 2] ^= 0x01
        return answer
    }

    // MARK: Contents

    private var header: [UInt8] {
        let address = configuration.secondaryAddress.selection.data
        // A fixed structure has only the identification; its counters are binary.
        return configuration.structure == .fixed
            ? address[..<4] + [accessNumber, 0x01] : address + [accessNumber, 0x00, 0x00, 0x00]
    }

    private func contents(_ house: Household, _ time: MeterTime?) -> [[UInt8]] {
        guard configuration.structure == .variable else { return [fixedCounters(house)] }
        let records = RecordWriter.records(of: configuration, house, time)
        let size = max(1, (records.count + configuration.telegrams - 1) / max(1, configuration.telegrams))
        let starts = Array(stride(from: 0, to: records.count, by: size))
        return starts.map { start in
            let part = records[start..<min(start + size, records.count)].flatMap { $0 }
            return start == starts.last ? part : part + [0x1F]
        }
    }

    private func fixedCounters(_ house: Household) -> [UInt8] {
        /// Medium and unit of both counters, and the counters.
        let (units, first, second): ([UInt8], Int, Int) =
            switch configuration.kind {
            case .electricity: ([0x82, 0x02], house.imported, house.exported)
            case .gas: ([0xE9, 0x3E], house.litres, house.litres / 2)
            case .water: ([0xE9, 0x7E], house.litres, house.litres / 2)
            case .heat: ([0x05, 0x69], house.imported / 1000, house.litres)
            }
        return units + RecordWriter.integer(first, 4) + RecordWriter.integer(second, 4)
    }
}

extension Household {
    /// A volume that rises with the energy of the house.
    fileprivate var litres: Int { imported / 10 }
}

/// Records as bytes (EN 13757-3).
private enum RecordWriter {
    static func records(of configuration: MBusSlave.Configuration, _ house: Household, _ time: MeterTime?) -> [[UInt8]]
    {
        let serial = [0x0C, 0x78] + configuration.secondaryAddress.selection.data[..<4]
        let clock = time.map { [[0x04, 0x6D] + dateTime($0)] } ?? []
        let values =
            switch configuration.kind {
            case .electricity: electricity(house)
            case .gas, .water: [[0x04, 0x13] + integer(house.litres, 4), [0x02, 0x3B] + integer(house.power / 10, 2)]
            case .heat: heat(house)
            }
        return [serial] + clock + values + stored(configuration, house, time)
    }

    private static func electricity(_ house: Household) -> [[UInt8]] {
        var records: [[UInt8]] = [
            [0x04, 0x83, 0x3B] + integer(house.imported, 4), [0x04, 0x83, 0x3C] + integer(house.exported, 4),
            [0x04, 0x2B] + integer(house.power, 4),
        ]
        for (phase, values) in zip(UInt8(1)..., house.phases) {
            records.append([0x02, 0xFD, 0xC8, 0xFC, phase] + integer(values.voltage * 10, 2))
            records.append([0x02, 0xFD, 0xDA, 0xFC, phase] + integer(values.current, 2))
            records.append([0x04, 0xAB, 0xFC, phase] + integer(values.power, 4))
        }
        return records
    }

    private static func heat(_ house: Household) -> [[UInt8]] {
        let (flow, back) = (700 + abs(house.power) % 100, 400 + abs(house.power) % 50)
        return [
            [0x0C, 0x06] + digits(house.imported / 1000, 4), [0x0C, 0x13] + digits(house.litres, 4),
            [0x0B, 0x2B] + digits(abs(house.power), 3), [0x02, 0x3B] + integer(abs(house.power) / 10, 2),
            [0x0A, 0x5A] + digits(flow, 2), [0x0A, 0x5E] + digits(back, 2), [0x02, 0x62] + integer(flow - back, 2),
        ]
    }

    /// What stood on the meter at the beginning of the month.
    private static func stored(
        _ configuration: MBusSlave.Configuration, _ house: Household, _ time: MeterTime?
    ) -> [[UInt8]] {
        guard let time,
            let first = MeterTime(
                year: time.year, month: time.month, day: 1, hour: 0, minute: 0, second: 0)
        else { return [] }
        let date = [0x42, 0x6C] + Self.date(first)
        return switch configuration.kind {
        case .electricity: [date, [0x44, 0x83, 0x3B] + integer(house.imported / 100_000 * 100_000, 4)]
        case .gas, .water: [date, [0x44, 0x13] + integer(house.litres / 10_000 * 10_000, 4)]
        case .heat: [date, [0x4C, 0x06] + digits(house.imported / 100_000 * 100, 4)]
        }
    }

    /// The least significant byte first.
    static func integer(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func digits(_ value: Int, _ count: Int) -> [UInt8] {
        var rest = value
        return (0..<count).map { _ in
            defer { rest /= 100 }
            return UInt8(rest / 10 % 10) << 4 | UInt8(rest % 10)
        }
    }

    /// Type G.
    private static func date(_ time: MeterTime) -> [UInt8] {
        let year = UInt8(time.year % 100)
        return [year << 5 | UInt8(time.day), (year >> 3) << 4 | UInt8(time.month)]
    }

    /// Type F.
    private static func dateTime(_ time: MeterTime) -> [UInt8] {
        let summer: UInt8 = time.isDaylightSaving == true ? 0x80 : 0
        return [UInt8(time.minute), UInt8(time.hour) | summer] + date(time)
    }
}
