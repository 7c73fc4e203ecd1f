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
        makeSession: { _ in PushSession(silence: .seconds(2)) { SMLDecoder() } },
        recognition: Recognition(
            lines: [
                LineSettings(baud: 9600), LineSettings(baud: 115_200), LineSettings(baud: 57600),
                LineSettings(baud: 38400), LineSettings(baud: 19200),
            ],
            advice: "an infrared head must sit straight on the diode of the meter, its cable downwards"),
        survey: SMLSurvey.survey)
}
