import Foundation
import OBIS
import Rules

/// The form in which a meter's validation state stands in the journal.
private struct StoredState: Codable {
    var devices: [String: String]
    /// Counter and how often in a row it was below, by OBIS code.
    var counters: [String: StoredCounter]
    var invocationCounters: [String: ValidatorState.InvocationCounter]

    struct StoredCounter: Codable {
        var value: String
        var below: Int
    }
}

extension ValidatorState {
    /// - Returns: nil for bytes that are no such state.
    init?(stored bytes: [UInt8]) {
        guard let stored = try? JSONDecoder().decode(StoredState.self, from: Data(bytes)) else { return nil }
        self.init()
        devices = stored.devices
        invocationCounters = stored.invocationCounters
        for (code, counter) in stored.counters {
            guard let code = ObisCode(code), let value = FixedDecimal(counter.value) else { continue }
            counters[code] = Counter(value: value, below: counter.below)
        }
    }

    var stored: [UInt8] {
        let counters = counters.map { code, counter in
            (code.description, StoredState.StoredCounter(value: counter.value.description, below: counter.below))
        }
        let stored = StoredState(
            devices: devices, counters: Dictionary(counters) { first, _ in first },
            invocationCounters: invocationCounters
        )
        return (try? JSONEncoder().encode(stored)).map { [UInt8]($0) } ?? []
    }
}
