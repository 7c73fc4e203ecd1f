import Foundation
import OBIS
import Synchronization
import Wire

/// A meter that is asked over DLMS/COSEM, by one connection after another or by several at once. What it has to remember
/// is the same for all of them.
public final class SimulatedDLMSMeter: Sendable {
    public let framing: DLMSMeter.Framing
    private let link: DLMSMeter.LinkConfiguration
    private let configuration: DLMSServer.Configuration
    private let state: Mutex<DLMSServer.Memory>

    public init(
        configuration: DLMSServer.Configuration = DLMSServer.Configuration(), framing: DLMSMeter.Framing,
        link: DLMSMeter.LinkConfiguration = DLMSMeter.LinkConfiguration(),
        faults: DLMSServer.Faults = DLMSServer.Faults()
    ) {
        self.framing = framing
        self.link = link
        self.configuration = configuration
        state = Mutex(DLMSServer(configuration: configuration, faults: faults).memory)
    }

    /// What was asked of the meter until now, and what is left of its faults. Set, it holds from the next message on.
    public var memory: DLMSServer.Memory {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// Answers over a line until it ends or the task is cancelled.
    ///
    /// - Parameter house: what is measured now. At the first call it tells where the load profile has to arrive.
    func run(over line: some MeterLine, house: @Sendable () -> Household) async {
        var meter = DLMSMeter(
            server: DLMSServer(configuration: anchored(at: house())), framing: framing, link: link)
        var lastHeard = ContinuousClock.now
        for await bytes in line.inbound {
            let now = ContinuousClock.now
            if lastHeard.duration(to: now) > DLMSMeter.silence { meter.lineFellSilent() }
            lastHeard = now
            let house = house()
            let actions = state.withLock { memory in
                meter.server.memory = memory
                defer { memory = meter.server.memory }
                return meter.receive(bytes, house: house, time: MeterTime(localWithOffsetOf: Date()))
            }
            for action in actions {
                switch action {
                case .wait(let duration): try? await Task.sleep(for: duration)
                case .send(let bytes): await line.send(bytes)
                case .close:
                    await line.close()
                    return
                }
            }
        }
    }

    /// Answers at once what an optical port hands over.
    ///
    /// - Parameter house: what is measured now.
    func responder(house: @escaping @Sendable () -> Household) -> OpticalMeter.Binary {
        let meter = Mutex(
            DLMSMeter(server: DLMSServer(configuration: anchored(at: house())), framing: framing, link: link))
        return { bytes in
            let house = house()
            let actions = meter.withLock { $0.receive(bytes, house: house, time: MeterTime(localWithOffsetOf: Date())) }
            return actions.compactMap { if case .send(let frame) = $0 { frame } else { nil } }
        }
    }

    private let anchor = Mutex<LoadProfile.Anchor?>(nil)

    /// A profile that has no place yet is led to what the registers show.
    private func anchored(at house: Household) -> DLMSServer.Configuration {
        guard configuration.profile.anchor == nil else { return configuration }
        var anchored = configuration
        anchored.profile.anchor = anchor.withLock { anchor in
            let place =
                anchor
                ?? LoadProfile.Anchor(
                    localSeconds: MeterTime(localWithOffsetOf: Date()).localSeconds, imported: house.imported,
                    exported: house.exported)
            anchor = place
            return place
        }
        return anchored
    }
}

extension MeterTime {
    /// The civil time of this machine, with its distance to UTC.
    fileprivate init(localWithOffsetOf date: Date) {
        self = MeterTime(localOf: date).at(utcOffset: TimeZone.current.secondsFromGMT(for: date) / 60)
    }
}
