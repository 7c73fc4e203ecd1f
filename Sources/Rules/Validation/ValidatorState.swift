import OBIS

/// What the judgement of a reading depends on beside the reading itself. It is kept with the journal, so
/// that a restart neither forgets a counter nor misses a replayed message.
public struct ValidatorState: Sendable, Hashable {
    /// Counts the physical meters, from 1.
    public var epoch = 1
    /// The serial number that was configured when the meter answered last.
    public var serial: String?
    /// The name that the meter gives itself, by the list that carries it; "" for a telegram that is no list.
    public var devices: [String: String] = [:]
    /// Who answers in the place of one of `devices`, by the same list.
    public var newcomers: [String: Newcomer] = [:]
    /// The last believed value of each counter, in its base unit.
    public var counters: [ObisCode: Counter] = [:]
    /// The message counter of each sender, by its system title in hexadecimal.
    public var invocationCounters: [String: InvocationCounter] = [:]
    public var totals = Totals()

    public init() {}

    public struct Newcomer: Sendable, Hashable {
        public var id: String
        /// How many telegrams in a row it sent.
        public var count: Int
        /// When the first of them came.
        public var since: Arrival

        public init(id: String, count: Int = 1, since: Arrival = .unknown) {
            self.id = id
            self.count = count
            self.since = since
        }
    }

    public struct InvocationCounter: Sendable, Hashable, Codable {
        public var highest: UInt32
        /// Of the newest message.
        public var last: UInt32
        /// How many messages in a row rose, but stayed below the highest.
        public var below: Int

        public init(highest: UInt32, last: UInt32? = nil, below: Int = 0) {
            self.highest = highest
            self.last = last ?? highest
            self.below = below
        }
    }

    public struct Counter: Sendable, Hashable {
        public var value: FixedDecimal
        /// When it was last seen to have this value.
        public var seen: Arrival
        /// When it was last seen to have the value before: it rose to this one later. Nil before it rose once.
        public var before: Arrival?
        /// How many readings in a row contradicted it and agreed among themselves.
        public var doubted: Int
        /// The last of those.
        public var contender: FixedDecimal?

        public init(
            value: FixedDecimal, seen: Arrival = .unknown, before: Arrival? = nil, doubted: Int = 0,
            contender: FixedDecimal? = nil
        ) {
            self.value = value
            self.seen = seen
            self.before = before
            self.doubted = doubted
            self.contender = contender
        }
    }
}
