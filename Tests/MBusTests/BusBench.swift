import MBus
import OBIS
import Wire

/// Runs a session without a clock: what it sends is answered, and when nothing more comes its timer is due.
struct BusBench {
    /// How an answer arrives.
    struct Reply: Sendable {
        var chunks: [[UInt8]]
        /// Whether it comes before the port told that the message has left it.
        var isEarly = false

        static let nothing = Reply(chunks: [])
        static let acknowledge = Reply(chunks: [[0xE5]])

        static func bytes(_ bytes: [UInt8]) -> Reply { Reply(chunks: [bytes]) }
    }

    private(set) var sent: [[UInt8]] = []
    private(set) var lines: [LineSettings] = []
    private(set) var telegrams: [Telegram] = []
    private(set) var rejected: [WireError] = []
    private(set) var noise = 0
    /// One for each poll that ended.
    private(set) var ends: [WireError?] = []
    /// Events until the end.
    private(set) var events = 0

    private static let mostEvents = 20_000

    /// One poll from its beginning to its end, or to a bound that no conversation needs.
    static func poll(_ session: inout MasterSession, answer: (_ message: [UInt8]) -> Reply) -> BusBench {
        var bench = BusBench()
        var pending: [SessionEvent] = [.poll]
        while bench.ends.isEmpty, bench.events < mostEvents {
            bench.events += 1
            let event = pending.isEmpty ? .timer : pending.removeFirst()
            for action in session.handle(event) {
                switch action {
                case .send(let message):
                    bench.sent.append(message)
                    let reply = answer(message)
                    let received = reply.chunks.map { SessionEvent.received($0) }
                    pending += reply.isEarly ? received + [.drained] : [.drained] + received
                case .setLine(let line): bench.lines.append(line)
                case .arm, .disarm, .keep: break
                case .emit(let telegram): bench.telegrams.append(telegram)
                case .reject(let error): bench.rejected.append(error)
                case .noise(let count): bench.noise += count
                case .finished(let error): bench.ends.append(error)
                }
            }
        }
        return bench
    }

    /// The same with one answer for each message; none for those behind the last.
    static func poll(_ session: inout MasterSession, replies: [Reply]) -> BusBench {
        var rest = replies[...]
        return poll(&session) { _ in rest.popFirst() ?? .nothing }
    }

    var end: WireError? { ends.first ?? nil }
    var hex: [String] { sent.map { Hex.string($0).uppercased() } }
}
