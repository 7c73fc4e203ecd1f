import Journal
import OBIS
import Synchronization

/// What meters have that the journal did not take. It outlives the readers that brought it: one whose stanza changes while
/// the disk is full loses nothing.
final class WaitingRoom: Sendable {
    private struct Place: Hashable {
        let meter: String
        let key: String
    }

    private let journal: Journal
    private let events = Mutex<[Place: WaitingEvents]>([:])
    private let gaps = Mutex<[String: WaitingGap]>([:])

    init(_ journal: Journal) { self.journal = journal }

    /// - Parameter stateKey: under which the state of whoever finds the events is kept with them.
    func events(of meter: String, stateKey: String) -> WaitingEvents {
        events.withLock { events in
            let place = Place(meter: meter, key: stateKey)
            let found = events[place] ?? WaitingEvents(meter: meter, stateKey: stateKey, journal: journal)
            events[place] = found
            return found
        }
    }

    func gap(of meter: String) -> WaitingGap {
        gaps.withLock { gaps in
            let found = gaps[meter] ?? WaitingGap(journal)
            gaps[meter] = found
            return found
        }
    }
}

/// Readings of one meter that could not be journaled, which are told of by time range and count before the next one that
/// can.
final class WaitingGap: Sendable {
    private let journal: Journal
    private let gap = Mutex<GapDraft?>(nil)

    init(_ journal: Journal) { self.journal = journal }

    func extend(by more: GapDraft) {
        gap.withLock { gap in
            guard var longer = gap else {
                gap = more
                return
            }
            longer.fromTime = min(longer.fromTime, more.fromTime)
            longer.toTime = max(longer.toTime, more.toTime)
            longer.count += more.count
            gap = longer
        }
    }

    /// - Parameter isLast: whether nothing comes any more, so that the room that is kept free for a full disk is for this.
    func record(isLast: Bool = false) {
        let waiting = gap.withLock { gap in
            defer { gap = nil }
            return gap
        }
        guard let waiting else { return }
        journal.record(waiting, isLast: isLast) { [self] result in
            // Where it still cannot be written, the gap goes on.
            if case .failure = result { extend(by: waiting) }
        }
    }
}
