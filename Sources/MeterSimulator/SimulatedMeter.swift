import Foundation
import OBIS
import Synchronization
import Wire

/// One simulated meter of any protocol, run over any line.
public struct SimulatedMeter: Sendable {
    public enum Kind: Sendable {
        /// It talks by itself.
        case talking(any TalkingMeter, interval: Duration)
        /// It is asked through its optical port.
        case optical(OpticalMeter.Configuration, OpticalMeter.Faults)
        /// It is asked by DLMS, behind a sign-on at its optical port that hands over to HDLC (mode E).
        case handedOver(OpticalMeter.Configuration, SimulatedDLMSMeter)
        /// It is one of the slaves of a bus.
        case bus([SimulatedBus.Slave], line: LineSettings, echoes: Bool)
        /// It is asked over DLMS/COSEM.
        case dlms(SimulatedDLMSMeter)
    }

    public let kind: Kind
    private let house: HouseClock
    private let seed: UInt64

    public init(kind: Kind, seed: UInt64) {
        self.kind = kind
        self.seed = seed
        house = HouseClock(seed: seed)
    }

    /// The line that the meter has before anybody changes it.
    public var line: LineSettings {
        switch kind {
        case .talking(let meter, _): meter.line
        case .optical(let configuration, _), .handedOver(let configuration, _): configuration.initialLine
        case .bus(_, let line, _): line
        case .dlms: LineSettings(baud: 9600)
        }
    }

    /// Talks over a line until it ends or the task is cancelled.
    public func run(over line: some MeterLine) async {
        switch kind {
        case .talking(let meter, let interval):
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await talk(meter, every: interval, over: line) }
                // What a reader sends to a pushing meter is nothing; the end of it is the end of the line.
                group.addTask { for await _ in line.inbound {} }
                await group.next()
                group.cancelAll()
            }
        case .optical(let configuration, let faults):
            let house = house
            let meter = OpticalMeter(
                configuration: configuration, faults: faults, time: { MeterTime(localOf: Date()) },
                dataSets: { OpticalMeter.dataSets(of: house.now()) })
            await answer(meter, over: line)
        case .handedOver(let configuration, let behind):
            let house = house
            let meter = OpticalMeter(
                configuration: configuration, time: { MeterTime(localOf: Date()) },
                binary: behind.responder { house.now() }, dataSets: { OpticalMeter.dataSets(of: house.now()) })
            await answer(meter, over: line)
        case .bus(let slaves, _, let echoes):
            await SimulatedBus(slaves: slaves, seed: seed, echoes: echoes).run(over: line)
        case .dlms(let meter):
            let house = house
            await meter.run(over: line) { house.now() }
        }
    }

    // MARK: Talking

    private func talk(_ meter: any TalkingMeter, every interval: Duration, over line: some MeterLine) async {
        var meter = meter
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
    init(localOf date: Date) {
        let zone = TimeZone.current
        let local = MeterTime(
            localSeconds: Int64(date.timeIntervalSince1970) + Int64(zone.secondsFromGMT(for: date)))
        self =
            MeterTime(
                year: local.year, month: local.month, day: local.day, hour: local.hour, minute: local.minute,
                second: local.second, isDaylightSaving: zone.isDaylightSavingTime(for: date)) ?? local
    }
}
