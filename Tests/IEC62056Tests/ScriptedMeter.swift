import IEC62056
import OBIS
import Wire

/// A meter that answers messages by a table, on a line on which time passes only where nothing else happens.
struct ScriptedMeter {
    /// What it answers to a message, by the message's text without check characters; nil for silence.
    typealias Answers = (String) -> [UInt8]?

    var answers: Answers
    var echoes = false

    /// What one conversation came to.
    struct Course {
        var sent: [[UInt8]] = []
        var telegrams: [Telegram] = []
        var rejected: [WireError.Code] = []
        var lines: [LineSettings] = []
        var armed: [Duration] = []
        /// Nil while it goes on.
        var end: WireError??
        var noise = 0

        var texts: [String] { sent.map(ScriptedMeter.text) }
        var error: WireError? { end.flatMap { $0 } }
        var isGood: Bool { if case .some(.none) = end { true } else { false } }
    }

    /// Runs until the session has finished, or `steps` events have happened.
    func converse(_ session: inout some Session<Telegram>, _ event: SessionEvent = .poll, steps: Int = 10_000) -> Course
    {
        var course = Course()
        var events = [event]
        var isArmed = false
        for _ in 0..<steps {
            guard !events.isEmpty || isArmed else { break }
            let event = events.isEmpty ? .timer : events.removeFirst()
            if event == .timer { isArmed = false }
            for action in session.handle(event) {
                switch action {
                case .send(let bytes):
                    course.sent.append(bytes)
                    if echoes { events.append(.received(bytes)) }
                    events.append(.drained)
                    if let answer = answers(Self.text(bytes)) { events.append(.received(answer)) }
                case .arm(let duration):
                    course.armed.append(duration)
                    isArmed = true
                case .disarm: isArmed = false
                case .setLine(let line): course.lines.append(line)
                case .emit(let telegram): course.telegrams.append(telegram)
                case .reject(let error): course.rejected.append(error.code)
                case .noise(let count): course.noise += count
                case .keep: continue
                case .finished(let error):
                    course.end = .some(error)
                    isArmed = false
                }
            }
        }
        return course
    }

    /// `R1 1.8.0()` for a command, the characters of anything else.
    static func text(_ message: [UInt8]) -> String {
        let names: [UInt8: String] = [0x06: "ACK ", 0x15: "NAK", 0x02: " "]
        let hidden: Set<UInt8> = [0x01, 0x03, 0x0D, 0x0A]
        let isCommand = message.first == 0x01
        return (isCommand ? message.dropLast() : message[...]).filter { !hidden.contains($0) }
            .map { names[$0] ?? String(Character(Unicode.Scalar($0))) }.joined()
    }

    /// `SOH command STX data ETX BCC`; without STX where there is no data.
    static func command(_ command: String, _ data: String? = nil) -> [UInt8] {
        let checked = Sample.bytes(command) + (data.map { [0x02] + Sample.bytes($0) } ?? []) + [0x03]
        return [0x01] + checked + [checked.reduce(0) { $0 ^ $1 }]
    }
}
