import OBIS
import SML
import Wire

extension MeterProtocol {
    /// `sml`: Smart Message Language, what German meters send through their optical interface.
    static let sml = MeterProtocol(
        name: "sml",
        summary: "SML files that a meter sends by itself through its optical interface, as in Germany",
        keys: [],
        isPolled: { _ in false },
        defaultLine: { _ in LineSettings(baud: 9600) },
        makeDecoder: { _ in SMLDecoder() },
        makeSession: { _ in PushSession(silence: .seconds(2)) { SMLDecoder() } })
}
