import Foundation
import OBIS
import Synchronization
import Wire

/// One simulated meter of any protocol, run over any line.
public struct SimulatedMeter: Sendable {
    public enum Kind: Sendable {
        case push(PushMeter.Configuration, interval: Duration)
        case optical(OpticalMeter.Configuration, OpticalMeter.Faults)
    }

    public let kind: Kind
    private let house: HouseClock

    public init(kind: Kind, seed: UInt64) {
        self.kind = kind
        house = HouseClock(seed: seed)
    }

    /// The line that the meter has before anybody changes it.
    public var line: LineSettings {
        switch kind {
        case .push: LineSettings(baud: 2400, dataBits: 8, parity: .even)
        case .optical(let configuration, _): configuration.initialLine
        }
    }

    /// Talks over a line until it ends or the task is cancelled.
    public func run(over line: some MeterLine) async {
        switch kind {
        case .push(let configuration, let interval):
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await push(configuration, every: interval, over: line) }
                // What a reader sends to a pushing meter is nothing; the end of it is the end of the line.
                group.addTask { for await _ in line.inbound {} }
                await group.next()
                group.cancelAll()
            }
        case .optical(let configuration, let faults):
            let house = house
            let meter = OpticalMeter(configuration: configuration, faults: faults) { Self.dataSets(of: house.now()) }
            await answer(meter, over: line)
        }
    }

    // MARK: Pushing

    private func push(_ configuration: PushMeter.Configuration, every interval: Duration, over line: some MeterLine)
        async
    {
        // A counter that rises with the clock also rises from one run to the next.
        var meter = PushMeter(
            configuration: configuration, counter: UInt32(truncatingIfNeeded: Int(Date().timeIntervalSince1970)))
        let clock = ContinuousClock()
        var due = clock.now
        while !Task.isCancelled {
            await line.send(meter.push(house.now(), time: MeterTime(localOf: Date())))
            due += interval
            guard (try? await clock.sleep(until: due)) != nil else { return }
        }
    }

    // MARK: Answering

    private enum Event: Sendable {
        case received([UInt8])
        case timer(Int)
        case ended
    }

    private func answer(_ meter: OpticalMeter, over line: some MeterLine) async {
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        let pump = Task {
            for await bytes in line.inbound { sink.yield(.received(bytes)) }
            sink.yield(.ended)
        }
        defer { pump.cancel() }
        var meter = meter
        var timer: Task<Void, Never>?
        var timerNumber = 0
        for await event in events {
            var actions: [OpticalMeter.Action] = []
            switch event {
            case .received(let bytes): actions = meter.receive(bytes)
            case .timer(timerNumber): actions = meter.timer()
            case .timer: break
            case .ended: return
            }
            for action in actions {
                switch action {
                case .send(let bytes): await line.send(bytes)
                case .setLine(let settings): await line.setLine(settings)
                case .arm(let duration):
                    timer?.cancel()
                    timerNumber += 1
                    let number = timerNumber
                    timer = Task {
                        guard (try? await Task.sleep(for: duration)) != nil else { return }
                        sink.yield(.timer(number))
                    }
                case .disarm:
                    timer?.cancel()
                    timerNumber += 1
                }
            }
        }
    }

    private static func dataSets(of house: Household) -> [OpticalMeter.DataSet] {
        func digits(_ value: Int, _ decimals: Int, width: Int) -> String {
            let text = FixedDecimal(Int64(abs(value)), exponent: Int8(-decimals)).description
            let padding = String(repeating: "0", count: max(0, width - text.count))
            return (value < 0 ? "-" : "") + padding + text
        }
        var sets: [OpticalMeter.DataSet] = [
            .init("F.F", "00"), .init("0.0", "        87654321"), .init("C.1.0", "87654321"),
            .init("1.8.0", digits(house.imported, 3, width: 10), unit: "kWh"),
            .init("2.8.0", digits(house.exported, 3, width: 10), unit: "kWh"),
            .init("16.7", digits(house.power, 3, width: 6), unit: "kW"),
        ]
        for (index, phase) in house.phases.enumerated() {
            sets.append(.init("\(32 + 20 * index).7", "\(phase.voltage)", unit: "V"))
            sets.append(.init("\(31 + 20 * index).7", digits(phase.current, 2, width: 6), unit: "A"))
        }
        return sets
    }
}

/// A house that lives in real time, asked by several lines.
private final class HouseClock: Sendable {
    private let state: Mutex<(house: Household, last: ContinuousClock.Instant)>

    init(seed: UInt64) {
        state = Mutex((Household(seed: seed), ContinuousClock().now))
    }

    func now() -> Household {
        let now = ContinuousClock().now
        return state.withLock { state in
            state.house.advance(by: state.last.duration(to: now))
            state.last = now
            return state.house
        }
    }
}

extension MeterTime {
    /// The civil time of this machine.
    fileprivate init(localOf date: Date) {
        self.init(localSeconds: Int64(date.timeIntervalSince1970) + Int64(TimeZone.current.secondsFromGMT(for: date)))
    }
}
