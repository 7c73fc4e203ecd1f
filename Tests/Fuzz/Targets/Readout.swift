import IEC62056
import MeterSimulator
import OBIS
import Wire

/// The text protocols of the optical port: readouts, sign-on, programming mode, load profiles.
extension FuzzTarget {
    static let readout: [FuzzTarget] = [
        FuzzTarget("readout.framer", .framer) {
            Sample.readouts + [Sample.readouts.flatMap { $0 }]
        } run: { bytes in
            FramerCheck.run(bytes) { ReadoutDecoder() }
        },
        FuzzTarget("readout.line", .framer) {
            Sample.readouts
        } run: { bytes in
            FramerCheck.run(bytes) { ReadoutDecoder(source: .line) }
        },
        // The input is what stands between STX and ETX, and its check is right.
        FuzzTarget("readout.content", .decoder) {
            Sample.readouts.map { $0.filter { $0 >= 0x20 || $0 == 0x0D || $0 == 0x0A } }
        } run: { bytes in
            let checked = bytes + [0x03]
            let message = Array("/OBI5SIM-1\r\n".utf8) + [0x02] + checked + [checked.reduce(0, ^) & 0x7F]
            _ = FramerCheck.telegrams(of: message, ReadoutDecoder(source: .line, requiresBlockCheck: true))
        },
        // One line, so that the input is all about its code, value and unit.
        FuzzTarget("readout.set", .decoder, maximumLength: 256) {
            Sample.texts([
                "1-0:1.8.0*255(001234.567*kWh)", "0.9.1(113456)", "C.1.0(12345678)(1)", "1.6.1(2.1*kW)(260115)",
            ])
        } run: { bytes in
            let line = Array("/OBI5SIM-1\r\n\r\n".utf8) + bytes + Array("\r\n!\r\n".utf8)
            _ = FramerCheck.telegrams(of: line, ReadoutDecoder())
        },
        FuzzTarget("readout.survey", .decoder) {
            Sample.readouts
        } run: { bytes in
            SurveyCheck.run(bytes, TextSurvey.readout)
        },
        FuzzTarget("readout.listener", .session) {
            Sample.readouts + conversations()
        } run: { bytes in
            let session = PushSession(silence: .seconds(1)) { ReadoutDecoder(source: .line) }
            Conversation.run(bytes, session, TalkingPeer(Sample.readouts), isPolled: false)
        },
        session("readout.mode-c", OpticalMeter.Configuration(), ReadoutSession.Settings()),
        session("readout.mode-b", OpticalMeter.Configuration(mode: .b), ReadoutSession.Settings()),
        session("readout.mode-a", OpticalMeter.Configuration(mode: .a), ReadoutSession.Settings(mode: .a)),
        session(
            "readout.wake-up", OpticalMeter.Configuration(wakeUp: .init()),
            ReadoutSession.Settings(retries: 1, addsParity: true, wakeUp: WakeUp())),
        FuzzTarget("readout.programming", .session, seeds: conversations) { bytes in
            var choices = Choices(bytes)
            let request = choices.element(of: ReadCommand.allCases)
            let settings = ProgrammingSession.Settings(
                signOn: .init(retries: 1), password: Sample.password, registers: ["0.0.0", "1.8.0"], request: request)
            let meter = OpticalMeter.Configuration(
                programming: .init(password: "12345678", partialBlock: 8 + choices.number(below: 64)))
            Conversation.run(
                choices.rest(), ProgrammingSession(settings: settings), OpticalPeer(meter), hasLoadProfile: true)
        },
    ]

    private static func session(
        _ name: String, _ meter: OpticalMeter.Configuration, _ settings: ReadoutSession.Settings
    ) -> FuzzTarget {
        FuzzTarget(name, .session, seeds: conversations) { bytes in
            Conversation.run(bytes, ReadoutSession(settings: settings), OpticalPeer(meter))
        }
    }
}
