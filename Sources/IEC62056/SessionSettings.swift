import Wire

extension ReadoutSession {
    /// How to talk to the meter.
    public struct Settings: Sendable, Hashable {
        /// The line at the sign-on; nil where the link has none. Then the rate is never changed.
        public var line: LineSettings?
        /// The fastest rate that is agreed to.
        public var maximumBaud: Int
        /// The device address; empty for whichever meter is there. See `SignOn.isValid(address:)`.
        public var address: String
        /// How often a failed readout is tried again within one poll.
        public var retries: Int
        /// Whether what is sent gets its even parity bit here, for a port that can only do `8N1`.
        /// Received parity bits are always taken away.
        public var addsParity: Bool
        /// Who says how the conversation goes on after the identification.
        public var mode: ModeSelection
        /// What a battery meter needs before each request; nil for meters that listen.
        public var wakeUp: WakeUp?

        /// - Parameter maximumBaud: by default 19200 with a line, 300 without one, since a gateway at the
        ///   sign-on's rate would not follow.
        public init(
            line: LineSettings? = .signOn, maximumBaud: Int? = nil, address: String = "", retries: Int = 2,
            addsParity: Bool = false, mode: ModeSelection = .automatic, wakeUp: WakeUp? = nil
        ) {
            self.line = line
            self.maximumBaud = maximumBaud ?? (line == nil ? 300 : 19200)
            self.address = address
            self.retries = retries
            self.addsParity = addsParity
            self.mode = mode
            self.wakeUp = wakeUp
        }

        /// Why these settings need a link whose speed this program can change, as a clause; nil where they do not.
        ///
        /// Settings for a link without such a line are made with `line: nil`. Whether a meter turns out to be one of
        /// mode B by its identification is not known here.
        public var needsLineChanges: String? {
            let first = line ?? .signOn
            if let own = wakeUp?.line, own != first { return "the wake-up has a line of its own (\(own))" }
            switch mode {
            case .a:
                return nil
            case .b:
                return "mode B changes the speed of the line after the sign-on"
            case .automatic, .c:
                return maximumBaud > first.baud
                    ? "a rate above the sign-on's was asked for (up to \(maximumBaud) baud)" : nil
            }
        }
    }
}

extension LineSettings {
    /// `300 7E1`, where every conversation starts (IEC 62056-21, 5).
    public static let signOn = LineSettings(baud: 300, dataBits: 7, parity: .even)

    /// `2400 7E1`, where a meter of mode D talks by itself (IEC 62056-21, 6.4.4).
    public static let modeD = LineSettings(baud: 2400, dataBits: 7, parity: .even)
}
