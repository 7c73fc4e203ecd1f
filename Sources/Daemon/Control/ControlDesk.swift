import Configuration
import MQTT
import OBIS
import Transport

/// Does what commands ask of the running daemon.
struct ControlDesk: Sendable {
    let overseer: Overseer
    let fleet: Fleet
    let traffic: RecentTraffic

    func answer(_ request: ControlRequest) async -> [UInt8] {
        switch request.verb {
        case .status:
            let info = await overseer.info()
            return ControlAnswer.done { json in json.member("status") { info.write(to: &$0) } }
        case .capture:
            guard let found = await found(request) else { return unknown(request) }
            let line = found.reader.intake.main.meter.lineName
            let capture = traffic.capture(of: line)
            return ControlAnswer.done { $0.member("capture", capture) }
        case .replaced:
            guard let found = await found(request) else { return unknown(request) }
            await found.pipeline.replaced()
            return ControlAnswer.done()
        case .ignore, .resolve:
            guard let id = request.id else { return ControlAnswer.refused("no anomaly is named") }
            return await change(id, request)
        }
    }

    private func found(_ request: ControlRequest) async -> (reader: MeterReader, pipeline: MeterPipeline)? {
        guard let meter = request.meter else { return nil }
        return await fleet.reader(of: meter)
    }

    private func unknown(_ request: ControlRequest) -> [UInt8] {
        ControlAnswer.refused("there is no meter \(request.meter ?? "without a name")")
    }

    private func change(_ id: String, _ request: ControlRequest) async -> [UInt8] {
        let until = request.until.map { Timestamp(milliseconds: $0) }
        for pipeline in await fleet.pipelines {
            let isDone =
                request.verb == .ignore
                ? await pipeline.ignore(anomaly: id, reason: request.reason, until: until)
                : await pipeline.resolve(anomaly: id)
            if isDone { return ControlAnswer.done() }
        }
        return ControlAnswer.refused("no anomaly \(id) is open; see `obisd anomalies list`")
    }
}
