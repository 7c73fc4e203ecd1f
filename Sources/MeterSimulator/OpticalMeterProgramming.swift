import IEC62056
import OBIS

// Programming mode: the meter's side of IEC 62056-21, 6.5. It answers commands that read, and refuses all others.

extension OpticalMeter {
    /// What the reader may do in this conversation, and what the meter still has to send.
    struct Access: Sendable {
        var hasPassword = false
        /// The last answer, for a reader that asks for it again.
        var last: [UInt8] = []
        /// Data that the reader has not acknowledged yet.
        var rest: [UInt8] = []
    }

    /// `SOH P0 STX (operand) ETX BCC`.
    static let operand: [UInt8] = {
        let checked = Array("P0\u{2}(00000000)\u{3}".utf8)
        return [0x01] + checked + [checked.reduce(0) { $0 ^ $1 }]
    }()

    /// - Parameter message: a command, ACK or NAK.
    mutating func obey(_ message: [UInt8]) -> [Action] {
        guard let programming = configuration.programming else { return [] }
        switch message.last {
        case 0x06 where message.count == 1: return access.rest.isEmpty ? [] : sendRest(programming)
        case 0x15 where message.count == 1: return access.last.isEmpty ? [] : reply(lastAgain())
        default: break
        }
        guard let command = Command(message) else { return reply([0x15]) }
        if command.name == "P1" { return takePassword(command, programming) }
        guard let request = ReadCommand(rawValue: command.name.lowercased()) else { return answer("(ER03)") }
        if faults.naks > 0 {
            faults.naks -= 1
            return reply([0x15])
        }
        guard programming.requests.contains(request) else { return reply([0x15]) }
        guard programming.password == nil || access.hasPassword else { return answer("(ER01)") }
        access.rest = Array(data(command, programming).utf8)
        guard request == .r6 else {
            defer { access.rest = [] }
            return reply(block(access.rest, end: 0x03))
        }
        return sendRest(programming)
    }

    private mutating func takePassword(_ command: Command, _ programming: Programming) -> [Action] {
        access.hasPassword = programming.password == nil || command.data == "(\(programming.password ?? ""))"
        return access.hasPassword ? reply([0x06]) : answer("(ER02)")
    }

    // MARK: Sending

    private mutating func answer(_ text: String) -> [Action] {
        reply(block(Array(text.utf8), end: 0x03))
    }

    private mutating func reply(_ message: [UInt8]) -> [Action] {
        access.last = message
        state = .answering(message)
        return [.arm(configuration.reaction)]
    }

    /// The next partial block, or the last one.
    private mutating func sendRest(_ programming: Programming) -> [Action] {
        let size = max(1, programming.partialBlock)
        let piece = Array(access.rest.prefix(size))
        access.rest = Array(access.rest.dropFirst(size))
        return reply(block(piece, end: access.rest.isEmpty ? 0x03 : 0x04))
    }

    /// With the check character that it should have had.
    private mutating func lastAgain() -> [UInt8] {
        guard access.last.count > 2, let end = access.last.dropLast().last else { return access.last }
        return block(Array(access.last.dropFirst().dropLast(2)), end: end)
    }

    // MARK: Data

    private func data(_ command: Command, _ programming: Programming) -> String {
        if let profile = programming.profile, command.code == profile.code {
            return profile.answer(to: command.argument, now: time())
        }
        let known = dataSets() + clock
        guard let found = known.first(where: { Self.isSame($0.code, command.code) }) else { return "(ERROR)" }
        let line = String(found.line.dropLast())
        return programming.leavesOutCode ? String(line.dropFirst(found.code.count)) : line
    }

    private var clock: [DataSet] {
        let now = time()
        func digits(_ numbers: Int...) -> String { numbers.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined() }
        return [
            DataSet("0.9.1", digits(now.hour, now.minute, now.second)),
            DataSet("0.9.2", digits(now.year % 100, now.month, now.day)),
        ]
    }

    private static func isSame(_ one: String, _ other: String) -> Bool {
        if one == other { return true }
        guard let one = ObisCode(one), let other = ObisCode(other) else { return false }
        return one == other
    }
}

/// `SOH name STX data ETX BCC`.
private struct Command {
    let name: String
    let data: String

    /// - Returns: nil for a message that is damaged or none.
    init?(_ message: [UInt8]) {
        guard let start = message.firstIndex(of: 0x01) else { return nil }
        let checked = message[(start + 1)...].dropLast()
        guard checked.reduce(0, { $0 ^ $1 }) == message.last, let text = checked.firstIndex(of: 0x02),
            checked.last == 0x03
        else { return nil }
        name = String(decoding: checked[..<text], as: UTF8.self)
        data = String(decoding: checked[(text + 1)...].dropLast(), as: UTF8.self)
    }

    var code: String { String(data.prefix { $0 != "(" }) }
    var argument: String { String(data.drop { $0 != "(" }.dropFirst().dropLast()) }
}
