import Wire

/// What wakes a battery meter: NUL characters for 2.1 to 2.3 s, then a pause of 1.5 to 1.7 s before the request
/// (IEC 62056-21, annex B).
///
///     00 00 00 00 … 00   pause   /?address! CR LF
public struct WakeUp: Sendable, Hashable {
    /// The line for the NUL characters, where it is another than the sign-on's: some heat meters want `2400 8N1`.
    public var line: LineSettings?
    /// How long the NUL characters last; no more than `longest`.
    public var duration: Duration
    /// From the last of them to the request.
    public var pause: Duration

    public init(
        line: LineSettings? = nil, duration: Duration = .milliseconds(2200), pause: Duration = .milliseconds(1600)
    ) {
        self.line = line
        self.duration = duration
        self.pause = pause
    }

    /// No meter needs more.
    public static let longest = Duration.seconds(10)

    /// As many as fit, without pauses between them.
    func characters(on line: LineSettings) -> [UInt8] {
        let one = line.duration(ofCharacters: 1)
        let all = min(max(.zero, duration), Self.longest)
        let count = one > .zero ? Self.nanoseconds(all) / Self.nanoseconds(one) : 0
        return Array(repeating: Control.nul, count: count)
    }

    /// Of no less than zero and at most `longest`.
    private static func nanoseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}
