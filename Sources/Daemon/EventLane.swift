import Journal
import MQTT
import OBIS

/// The way of anomalies to the broker: in their order, one at a time, ahead of every backlog. One that is refused does not
/// hold up the others; it is sent again later, before the newer ones of its meter.
struct EventLane {
    private static let key = "events mqtt"
    /// More than so many that are refused are not remembered; the journal has them.
    private static let limit = 256

    var isConnected = false
    /// Everything up to here was sent.
    private var taken: Int64
    private var recorded: Int64
    private var underWay: JournalEvent?
    private var waiting: [JournalEvent] = []
    /// In their order.
    private var refused: [JournalEvent] = []
    /// Meters whose events are not tried before the next `retry()`.
    private var resting: Set<String> = []

    /// - Returns: nil where the journal cannot say how far the broker is.
    init?(_ journal: Journal) async {
        do {
            let stored = try await journal.value(forKey: Self.key, meter: "")
            // Behind a journal that lost its newest events to damage, numbers begin anew.
            let known = stored.flatMap { Int64(String(decoding: $0, as: UTF8.self)) } ?? 0
            taken = min(known, try await journal.newestEvent())
            recorded = taken
        } catch {
            return nil
        }
    }

    /// False where `next` would give nothing, which is almost always.
    func mayHaveNext(newest: Int64) -> Bool {
        isConnected && underWay == nil && (newest > taken || !waiting.isEmpty || !refused.isEmpty)
    }

    /// The next to send; nil where there is none, and while one is under way.
    mutating func next(newest: Int64, _ journal: Journal) async -> JournalEvent? {
        guard isConnected, underWay == nil else { return nil }
        if let index = refused.firstIndex(where: { !resting.contains($0.meter) }) {
            underWay = refused.remove(at: index)
            return underWay
        }
        if waiting.isEmpty, newest > taken {
            waiting = (try? await journal.events(AnomalyTeller.eventKind, after: taken, limit: 50)) ?? []
            if waiting.isEmpty {
                // What is there is of other kinds.
                taken = newest
                return nil
            }
        }
        while let event = waiting.first {
            waiting.removeFirst()
            taken = event.number
            // Its meter's turn has not come.
            guard refused.contains(where: { $0.meter == event.meter }), refused.count < Self.limit else {
                underWay = event
                return event
            }
            refused.append(event)
        }
        return nil
    }

    /// - Returns: why it was refused, for the first of its meter.
    mutating func concluded(_ event: JournalEvent, _ result: Result<UInt8, PublishError>) -> PublishError? {
        guard underWay == event else { return nil }
        underWay = nil
        switch result {
        case .success: return nil
        case .failure(.tooLarge), .failure(.invalid): return nil
        case .failure(let error):
            let isNew = !refused.contains { $0.meter == event.meter }
            refused.insert(event, at: refused.firstIndex { $0.number > event.number } ?? refused.count)
            if error == .notConnected || error == .connectionLost { return nil }
            resting.insert(event.meter)
            return isNew ? error : nil
        }
    }

    mutating func retry() { resting = [] }

    /// Keeps how far the broker is, without waiting for the disk.
    mutating func record(_ journal: Journal) {
        guard taken > recorded else { return }
        let first = ([underWay] + refused + waiting).compactMap { $0?.number }.min()
        let done = first.map { $0 - 1 } ?? taken
        guard done > recorded else { return }
        recorded = done
        // Where it fails, some are sent once more after the next start.
        journal.set(Array("\(done)".utf8), forKey: Self.key, meter: "") { _ in }
    }
}
