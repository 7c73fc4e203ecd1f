import Foundation
import OBIS
import Rules

/// The form in which a meter's validation state stands in the journal. What an older version did not store is optional.
private struct StoredState: Codable {
    var epoch: Int?
    var serial: String?
    var devices: [String: String]
    var newcomers: [String: StoredNewcomer]?
    /// By OBIS code.
    var counters: [String: StoredCounter]
    var invocationCounters: [String: ValidatorState.InvocationCounter]
    /// By the number of the field.
    var totals: [String: StoredTotal]?
    /// By OBIS code.
    var registerTotals: [String: StoredTotal]?
}

private struct StoredNewcomer: Codable {
    var id: String
    var count: Int
    /// In ms since 1970; nil where the clock was not synchronised.
    var since: Int64?
}

private struct StoredCounter: Codable {
    var value: String
    /// How often in a row it was contradicted.
    var below: Int
    var contender: String?
    /// In ms since 1970; nil where the clock was not synchronised.
    var seen: Int64?
    var before: Int64?
}

private struct StoredTotal: Codable {
    var counter: String
    var offset: String
    var isExchanged: Bool
}

extension ValidatorState {
    /// - Returns: nil for bytes that are no such state.
    init?(stored bytes: [UInt8]) {
        guard let stored = try? JSONDecoder().decode(StoredState.self, from: Data(bytes)) else { return nil }
        self.init()
        epoch = max(1, stored.epoch ?? 1)
        serial = stored.serial
        devices = stored.devices
        newcomers = (stored.newcomers ?? [:]).mapValues(Newcomer.init)
        invocationCounters = stored.invocationCounters
        for (code, counter) in stored.counters {
            guard let code = ObisCode(code), let counter = Counter(counter) else { continue }
            counters[code] = counter
        }
        for (field, total) in stored.totals ?? [:] {
            guard let field = UInt8(field).flatMap(NamedField.init(rawValue:)), let entry = Totals.Entry(total) else {
                continue
            }
            totals.entries[field] = entry
        }
        for (code, total) in stored.registerTotals ?? [:] {
            guard let code = ObisCode(code), let entry = Totals.Entry(total) else { continue }
            totals.registers[code] = entry
        }
    }

    var stored: [UInt8] {
        let counters = counters.map { ($0.key.description, StoredCounter($0.value)) }
        let fields = totals.entries.map { ("\($0.key.rawValue)", StoredTotal($0.value)) }
        let registers = totals.registers.map { ($0.key.description, StoredTotal($0.value)) }
        let stored = StoredState(
            epoch: epoch, serial: serial, devices: devices, newcomers: newcomers.mapValues(StoredNewcomer.init),
            counters: Dictionary(counters) { first, _ in first }, invocationCounters: invocationCounters,
            totals: Dictionary(fields) { first, _ in first },
            registerTotals: Dictionary(registers) { first, _ in first })
        return (try? JSONEncoder().encode(stored)).map { [UInt8]($0) } ?? []
    }
}

// MARK: - Parts

/// A count that is safe to go on from, whatever was stored.
private func clamped(_ count: Int) -> Int {
    min(max(0, count), 1_000_000)
}

extension StoredNewcomer {
    init(_ newcomer: ValidatorState.Newcomer) {
        self.init(id: newcomer.id, count: newcomer.count, since: newcomer.since.stored)
    }
}

extension ValidatorState.Newcomer {
    fileprivate init(_ stored: StoredNewcomer) {
        self.init(id: stored.id, count: clamped(stored.count), since: Arrival(stored: stored.since))
    }
}

extension StoredCounter {
    init(_ counter: ValidatorState.Counter) {
        self.init(
            value: counter.value.description, below: counter.doubted, contender: counter.contender?.description,
            seen: counter.seen.stored, before: counter.before?.stored)
    }
}

extension ValidatorState.Counter {
    fileprivate init?(_ stored: StoredCounter) {
        guard let value = FixedDecimal(stored.value) else { return nil }
        self.init(
            value: value, seen: Arrival(stored: stored.seen), before: stored.before.map { Arrival(stored: $0) },
            doubted: clamped(stored.below), contender: stored.contender.flatMap { FixedDecimal($0) })
    }
}

extension StoredTotal {
    init(_ entry: Totals.Entry) {
        self.init(
            counter: entry.counter.description, offset: entry.offset.description, isExchanged: entry.isExchanged)
    }
}

extension Totals.Entry {
    fileprivate init?(_ stored: StoredTotal) {
        guard let counter = FixedDecimal(stored.counter), let offset = FixedDecimal(stored.offset) else { return nil }
        self.init(counter: counter, offset: offset, isExchanged: stored.isExchanged)
    }
}

extension Arrival {
    /// What outlasts the process.
    fileprivate var stored: Int64? { wall?.milliseconds }

    fileprivate init(stored: Int64?) {
        self.init(wall: stored.map { Timestamp(milliseconds: $0) })
    }
}
