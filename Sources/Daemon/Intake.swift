import Configuration
import Crypto
import Metering
import OBIS

/// Where the telegrams of one line go: to the meter's own pipeline, and to those of the devices behind it that are
/// configured as meters of their own.
struct Intake: Sendable {
    let main: MeterPipeline
    /// By channel.
    let subMeters: [UInt8: MeterPipeline]
    let split: @Sendable (Telegram) -> [SubMeterTelegram]

    /// - Parameter makePipeline: for the meter itself and for each device behind it.
    init(meter: Meter, makePipeline: @Sendable (Meter, NamedMapping) async -> MeterPipeline) async {
        let meterProtocol = ProtocolRegistry.named(meter.protocolName)
        let mapping = meterProtocol?.mapping ?? NamedMapping()
        main = await makePipeline(meter, mapping)
        var subMeters: [UInt8: MeterPipeline] = [:]
        for subMeter in meter.subMeters {
            subMeters[subMeter.channel] = await makePipeline(subMeter.meter(of: meter), mapping)
        }
        self.subMeters = subMeters
        if let meterProtocol { split = meterProtocol.subMeters } else { split = { _ in [] } }
    }

    /// Returns when the readings are in the journal, or when it is known that they cannot be.
    func accept(_ telegram: Telegram, capturedAt: Timestamp) async {
        if let end = telegram.intervalEnd {
            return await main.acceptEntry(telegram.withoutPrintedTimes, endingAt: end, capturedAt: capturedAt)
        }
        // Behind another meter than the configured one are the devices of somebody else.
        let isOurs = await main.accept(telegram.withoutPrintedTimes, capturedAt: capturedAt)
        guard isOurs, !subMeters.isEmpty else { return }
        for part in split(telegram) {
            await subMeters[part.channel]?.acceptChange(part.telegram.withoutPrintedTimes, capturedAt: capturedAt)
        }
    }

    var pipelines: [MeterPipeline] { [main] + subMeters.sorted { $0.key < $1.key }.map(\.value) }
}

extension Telegram {
    /// What a reading keeps: a time that is printed in front of a value stands in the value already.
    fileprivate var withoutPrintedTimes: Telegram {
        // Only where times are printed has a value with a name a position.
        guard registers.contains(where: { $0.isTimeOfNext || ($0.index != nil && $0.code != nil) }) else {
            return self
        }
        var telegram = self
        telegram.registers.removeAll { $0.isTimeOfNext }
        // A value that stands alone now needs no position.
        let counts = Dictionary(telegram.registers.map { ($0.code, 1) }, uniquingKeysWith: +)
        for index in telegram.registers.indices {
            let code = telegram.registers[index].code
            if code != nil, counts[code] == 1 { telegram.registers[index].index = nil }
        }
        return telegram
    }

    /// The digest of everything that a device says: equal as long as nothing changes. It is kept in the journal, so
    /// that a restart is no change.
    var fingerprint: [UInt8] {
        var text = "\(meter.id ?? "")|\(meterTime?.description ?? "")"
        for register in registers {
            text += "|\(register.code ?? "")=\(register.value) \(register.time?.description ?? "")"
        }
        return Array(SHA256.hash(data: Array(text.utf8)))
    }
}
