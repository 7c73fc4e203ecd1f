import IEC62056
import OBIS
import Wire

/// How the meter of `iec62056-21` talks (IEC 62056-21, 6.4).
public enum ReadoutMode: String, Sendable, Hashable, CaseIterable {
    /// As its identification says: A, B or C.
    case auto
    case a, b, c
    /// It is not asked; it sends its readout by itself.
    case d
    /// It is asked for single registers.
    case programming

    fileprivate var selection: ModeSelection {
        switch self {
        case .auto, .d, .programming: .automatic
        case .a: .a
        case .b: .b
        case .c: .c
        }
    }
}

extension MeterProtocol {
    /// `iec62056-21`: text over the optical port and the current loop.
    static let readout = MeterProtocol(
        name: "iec62056-21",
        summary: "the optical port and the current loop: sign-on, baud change, data readout (modes A, B, C and D), and "
            + "single registers and load profiles in programming mode",
        keys: [.address, .mode, .baud, .wakeUp, .password, .registers, .request, .loadProfile],
        isPolled: { $0.mode != .d },
        defaultLine: { $0.mode == .d ? .modeD : .signOn },
        // Without a line, nothing of the settings may ask for another speed.
        needsLine: { $0.mode == .d ? nil : ReadoutSession.Settings($0, line: nil).needsLineChanges },
        // A meter that talks by itself is heard from a line, and nothing of it may be missing.
        makeDecoder: { ReadoutDecoder(source: $0.mode == .d ? .line : .recording) },
        makeSession: { settings in
            switch settings.mode {
            case .d: listener(silence: .seconds(1))
            case .programming: ProgrammingSession(settings: ProgrammingSession.Settings(settings))
            case .auto, .a, .b, .c: ReadoutSession(settings: ReadoutSession.Settings(settings, line: settings.line))
            }
        },
        // A meter that is asked takes up to two seconds between its identification and its readout.
        makeListener: { settings in listener(silence: .seconds(settings.mode == .d ? 1 : 3)) },
        hasLoadProfile: { $0.mode == .programming && $0.loadProfile != .off },
        recognition: Recognition(
            lines: [
                .modeD, .signOn, LineSettings(baud: 9600, dataBits: 7, parity: .even),
                LineSettings(baud: 1200, dataBits: 7, parity: .even),
                LineSettings(baud: 4800, dataBits: 7, parity: .even),
            ],
            listening: {
                var settings = $0
                settings.mode = .d
                return settings
            },
            heard: { _ in [StanzaEntry(.mode, "d")] },
            questions: [
                Question(name: "sign-on", line: .signOn) { line, _ in
                    ReadoutSession(settings: .probing(line, retries: 1))
                },
                Question(
                    name: "sign-on after a wake-up", line: .signOn,
                    makeSession: { line, _ in
                        ReadoutSession(settings: .probing(line, retries: 0, wakeUp: WakeUp()))
                    },
                    answered: { _ in [StanzaEntry(.wakeUp, "true")] }),
            ],
            advice: "most meters with an optical port talk only when they are asked"),
        survey: TextSurvey.readout)

    @Sendable private static func listener(silence: Duration) -> PushSession<ReadoutDecoder> {
        PushSession(silence: silence) { ReadoutDecoder(source: .line) }
    }
}

extension ProgrammingSession.Settings {
    fileprivate init(_ settings: ProtocolSettings) {
        let profile: String? =
            switch settings.loadProfile {
            case .off: nil
            case .standard: Self.usualProfile
            case .named(let code): code
            }
        self.init(
            signOn: ReadoutSession.Settings(settings, line: settings.line), password: settings.password,
            registers: settings.registers.map(\.code), request: settings.request, profile: profile)
    }
}

extension ReadoutSession.Settings {
    /// For a meter that may not be there: few repetitions.
    fileprivate static func probing(_ line: LineSettings?, retries: Int, wakeUp: WakeUp? = nil) -> Self {
        var settings = Self(ProtocolSettings(), line: line)
        settings.retries = retries
        settings.wakeUp = wakeUp
        return settings
    }

    init(_ settings: ProtocolSettings, line: LineSettings?) {
        self.init(
            line: line, maximumBaud: settings.maximumBaud, address: settings.address ?? "",
            // A port at 8N1 carries 7E1 as well, when the parity bit is made here.
            addsParity: line.map { $0.dataBits == 8 && $0.parity == .none } ?? false,
            mode: settings.mode.selection, wakeUp: settings.wakeUp)
    }
}
