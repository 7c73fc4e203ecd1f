import Configuration
import MQTT
import OBIS

/// Does what commands ask of the running daemon.
struct ControlDesk: Sendable {
    let overseer: Overseer
    let fleet: Fleet

    func answer(_ request: ControlRequest) async -> [UInt8] {
        switch request.verb {
        case .status:
            let info = await overseer.info()
            return ControlAnswer.done { json in json.member("status") { info.write(to: &$0) } }
        case .replaced:
            guard let meter = request.meter, let pipeline = await fleet.reader(of: meter)?.pipeline else {
                return ControlAnswer.refused("there is no meter \(request.meter ?? "without a name")")
            }
            await pipeline.replaced()
            return ControlAnswer.done()
        case .ignore, .resolve:
            guard let id = request.id else { return ControlAnswer.refused("no anomaly is named") }
            return await change(id, request)
        }
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
