import OBIS
import Wire

/// Reads single registers and load profiles of one meter in programming mode (IEC 62056-21, 6.5):
///
///     reader                               meter
///     /?address! CR LF        300  →
///                             300  ←       /MMMZ… CR LF
///     06 0 Z 1 CR LF          300  →
///                             at Z ←       SOH P0 STX (operand) ETX BCC
///     SOH P1 STX (password)…  at Z →                                       where one is configured
///                             at Z ←       ACK
///     SOH R1 STX 1.8.0() …    at Z →                                       R1, R2, R5 or R6, for each register
///                             at Z ←       STX 1.8.0(000123.4*kWh) ETX BCC     EOT instead of ETX: more after an ACK
///     SOH B0 ETX BCC          at Z →                                       always, also after an error
///
/// Nothing else is ever sent: nothing is written to the meter, and nothing executed in it.
public struct ProgrammingSession: Session {
    /// What to read, and how to get at it.
    public struct Settings: Sendable, Hashable {
        /// Its `mode` must be `automatic`.
        public var signOn: ReadoutSession.Settings
        /// Nil for a meter that lets itself be read without one. See `ProgrammingPassword.isValid`.
        public var password: Secret?
        /// Codes as the meter names its registers. See `ReadCommand.isValid(code:)`.
        public var registers: [String]
        /// Nil: by the maker, see `ReadCommand`.
        public var request: ReadCommand?
        /// The code of the load profile; nil for none.
        public var profile: String?

        public init(
            signOn: ReadoutSession.Settings, password: Secret? = nil, registers: [String], request: ReadCommand? = nil,
            profile: String? = Self.usualProfile
        ) {
            self.signOn = signOn
            self.password = password
            self.registers = registers
            self.request = request
            self.profile = profile
        }

        /// Where meters have their first load profile.
        public static let usualProfile = "P.01"
    }

    /// What the conversation is for.
    enum Purpose: Equatable {
        case registers
        case profile(ProfileSpan)
    }

    /// The answer that the conversation has come to.
    enum Exchange: Equatable {
        case operand
        case password
        case register(Int)
        case profile
    }

    /// What the reader is to send when its turn comes.
    enum Sending: Equatable {
        /// What the exchange asks.
        case request
        /// Go on with the next partial block.
        case acknowledgement
        /// Say it again.
        case repetition
        /// The conversation is over.
        case parting
    }

    /// Whose turn it is to speak.
    enum Turn: Equatable {
        case meter
        /// The meter gets time to turn to receiving.
        case pause(Sending)
        case sending
    }

    let settings: Settings
    var signOn: SignOnState
    var purpose = Purpose.registers
    var exchange = Exchange.operand
    var turn = Turn.meter
    var scanner = AnswerScanner()
    /// Of the partial blocks of this exchange so far.
    var content: [UInt8] = []
    var partialBlocks = 0
    /// How often this exchange was repeated, by either side.
    var repeats = 0
    var findings = Findings()
    /// How often in a row the meter refused the password. Outlives polls and links.
    var refusals = 0

    /// What was read so far.
    struct Findings: Equatable {
        /// Lines of data sets under the codes that were asked for.
        var lines: [UInt8] = []
        var warnings: [String] = []
    }

    /// Of one message, before its exchange is given up.
    static let maximumRepeats = 2
    /// Meters lock themselves after a few wrong passwords; then not even their owner gets in.
    static let maximumRefusals = 2

    public init(settings: Settings) {
        self.settings = settings
        signOn = SignOnState(settings.signOn)
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        signOn.actions = []
        switch event {
        case .poll: begin(.registers)
        case .readProfile(let span): begin(.profile(span))
        default: take(event)
        }
        return signOn.actions
    }

    private mutating func begin(_ purpose: Purpose) {
        guard signOn.phase == .idle else { return }
        if let obstacle = obstacle(to: purpose) {
            signOn.actions.append(.finished(obstacle))
        } else {
            self.purpose = purpose
            start()
        }
    }

    /// Why the meter is not even called.
    private func obstacle(to purpose: Purpose) -> WireError? {
        if purpose != .registers, settings.profile == nil {
            return WireError(.unsupported, "no load profile of this meter is read: its stanza says `load_profile: off`")
        }
        if refusals >= Self.maximumRefusals {
            return WireError(
                .meterError,
                "programming mode: the meter refused the password \(refusals) times and is not asked again, since meters "
                    + "lock themselves after wrong passwords; write the right one into the file that `password_file` "
                    + "names and restart obisd")
        }
        if let password = settings.password, !ProgrammingPassword.isValid(password) {
            return WireError(
                .unsupported,
                "programming mode: no meter can have this password; write 1 to 32 characters without ( ) / ! * into the "
                    + "file that `password_file` names")
        }
        return nil
    }
}
