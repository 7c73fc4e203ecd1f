public import OBIS
public import Wire

/// How a meter of a protocol is found on a port of which nothing is known.
///
/// Everything that `obisd probe` knows of a protocol stands here, so that a new one needs no change in the probe.
public struct Recognition: Sendable {
    /// Lines on which its meters talk by themselves, the most usual one first; empty for those that only answer.
    public var lines: [LineSettings]
    /// The settings with which a meter that talks by itself is listened to.
    public var listening: @Sendable (ProtocolSettings) -> ProtocolSettings
    /// What the stanza of a meter that was heard has beside protocol, transport and keys.
    public var heard: @Sendable (Telegram) -> [StanzaEntry]
    /// How a meter that does not talk by itself is asked, the most usual way first.
    public var questions: [Question]
    /// What to look at where no meter of this protocol was found: a sentence.
    public var advice: String?

    public init(
        lines: [LineSettings] = [], listening: @escaping @Sendable (ProtocolSettings) -> ProtocolSettings = { $0 },
        heard: @escaping @Sendable (Telegram) -> [StanzaEntry] = { _ in [] }, questions: [Question] = [],
        advice: String? = nil
    ) {
        self.lines = lines
        self.listening = listening
        self.heard = heard
        self.questions = questions
        self.advice = advice
    }
}

/// One way to ask a meter that may be there.
public struct Question: Sendable {
    /// What is done, for a person. Equal names differ in their lines only.
    public var name: String
    public var line: LineSettings
    /// The conversation; one poll of it is the question. The line is nil where the link has none.
    public var makeSession: @Sendable (LineSettings?, ProtocolSettings) -> any Session<Telegram>
    /// What the stanza of a meter that answered has beside protocol, transport and keys.
    public var answered: @Sendable (Telegram) -> [StanzaEntry]
    /// What finds the meters, as words of a command line, where several answer this question at once; nil where they cannot.
    public var search: String?

    public init(
        name: String, line: LineSettings,
        makeSession: @escaping @Sendable (LineSettings?, ProtocolSettings) -> any Session<Telegram>,
        answered: @escaping @Sendable (Telegram) -> [StanzaEntry] = { _ in [] }, search: String? = nil
    ) {
        self.name = name
        self.line = line
        self.makeSession = makeSession
        self.answered = answered
        self.search = search
    }
}

/// A key of a meter's stanza and its value as it stands in YAML.
public struct StanzaEntry: Sendable, Hashable {
    public var key: ProtocolKey
    public var value: String

    public init(_ key: ProtocolKey, _ value: String) {
        self.key = key
        self.value = value
    }
}
