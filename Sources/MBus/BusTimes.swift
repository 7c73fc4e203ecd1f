import Wire

/// The times of a bus, which follow from its speed (EN 13757-2, 5.1 and annex).
struct BusTimes: Sendable, Hashable {
    /// One bit.
    private let bit: Duration
    private let latency: Duration

    init(baud: Int, latency: Duration) {
        bit = .nanoseconds(1_000_000_000 / Int64(max(1, baud)))
        self.latency = latency
    }

    /// A slave begins its answer after 11 to 330 bits and 50 ms.
    var firstByte: Duration { bit * 330 + .milliseconds(50) + latency }

    /// No telegram has a pause of more than 33 bits; adapters and networks hand on bytes in pieces.
    var gap: Duration { bit * 33 + latency / 2 }

    /// The bus is idle for 11 bits before a message; slaves with little power want somewhat more.
    var pause: Duration { bit * 33 }

    /// For the port to send so many characters of 11 bits, and a margin.
    func sending(_ characters: Int) -> Duration { bit * (11 * characters) + .seconds(2) }
}
