import Foundation
import OBIS
import Synchronization
import Wire

/// A bus with slaves on it: all hear what the master sends, and those that answer at once disturb each other.
public struct SimulatedBus: Sendable {
    /// A slave and what it hears.
    public struct Slave: Sendable {
        public var meter: MBusSlave
        /// The only speed that it hears; nil on a line without speeds.
        public var baud: Int?

        public init(_ meter: MBusSlave, baud: Int? = nil) {
            self.meter = meter
            self.baud = baud
        }
    }

    private let slaves: [Slave]
    private let echoes: Bool
    private let seed: UInt64
    /// From the end of a message to the answer.
    private let reaction: Duration

    /// - Parameter echoes: whether the converter gives back what is sent through it.
    public init(slaves: [Slave], seed: UInt64, echoes: Bool = false, reaction: Duration = .milliseconds(5)) {
        self.slaves = slaves
        self.seed = seed
        self.echoes = echoes
        self.reaction = reaction
    }

    /// A building of meters of all kinds with primary addresses from 1 on and serial numbers in a row: some with a fixed
    /// structure, some with several telegrams.
    public static func building(_ count: Int, firstSerial: Int = 10_000_001) -> [Slave] {
        (0..<min(250, max(0, count))).map { index in
            let kinds = MBusSlave.Kind.allCases
            return Slave(
                MBusSlave(
                    configuration: MBusSlave.Configuration(
                        kind: kinds[index % kinds.count], structure: index % 10 == 9 ? .fixed : .variable,
                        address: UInt8(index + 1), serial: "\(firstSerial + index)",
                        telegrams: index % 7 == 6 ? 3 : 1)))
        }
    }

    /// Half of a frame that waited for so long is none.
    private static let silence = Duration.milliseconds(200)

    /// Answers over a line until it ends or the task is cancelled.
    ///
    /// - Parameter baud: the speed at which the master talks now; nil where nobody knows.
    public func run(over line: some MeterLine, baud: @Sendable () -> Int? = { nil }) async {
        var slaves = slaves
        var house = Household(seed: seed)
        var lastHeard = ContinuousClock.now
        for await bytes in line.inbound {
            let now = ContinuousClock.now
            let pause = lastHeard.duration(to: now)
            house.advance(by: pause)
            if pause > Self.silence {
                for index in slaves.indices { slaves[index].meter.lineFellSilent() }
            }
            lastHeard = now
            if echoes { await line.send(bytes) }
            let speed = baud()
            var answers: [[UInt8]] = []
            var isSlow = false
            for index in slaves.indices where slaves[index].baud == nil || speed == nil || slaves[index].baud == speed {
                let answer = slaves[index].meter.receive(bytes, house: house, time: MeterTime(localOf: Date()))
                guard let last = answer.last else { continue }
                answers.append(last)
                isSlow = isSlow || slaves[index].meter.faults.isSlow
            }
            guard !answers.isEmpty else { continue }
            try? await Task.sleep(for: isSlow ? .seconds(2) : reaction)
            await line.send(Self.superimposed(answers))
        }
    }

    /// Slaves draw current for a 0, so that a 0 of one wins against a 1 of another. Equal answers look like one.
    static func superimposed(_ answers: [[UInt8]]) -> [UInt8] {
        let length = answers.map(\.count).max() ?? 0
        return (0..<length).map { index in
            answers.reduce(0xFF) { byte, answer in index < answer.count ? byte & answer[index] : byte }
        }
    }
}
