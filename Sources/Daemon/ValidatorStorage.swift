import Foundation
import OBIS
import Rules

/// The form in which a meter's validation state stands in the journal. What an older version did not store is optional.
private struct StoredState: Decodable {
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

private struct StoredNewcomer: Decodable {
    var id: String
    var count: Int
    /// In ms since 1970; nil where the clock was not synchronised.
    var since: Int64?
}

private struct StoredCounter: Decodable {
    var value: String
    /// How often in a row it was contradicted.
    var below: Int
    var contender: String?
    /// In ms since 1970; nil where the clock was not synchronised.
    var seen: Int64?
    var before: Int64?
}

private struct StoredTotal: Decodable {
    var counter: String
    var offset: String
    var isExchanged: Bool
}

extension ValidatorState {
    /// - Returns: nil for bytes that are no such state.
    package init?(stored bytes: [UInt8]) {
        guard let stored = try? JSONDecoder().decode(StoredState.self, from: Data(bytes)) else { return nil }
        self.init()
        epoch = max(1, clamped(stored.epoch ?? 1))
        serial = stored.serial
        devices = stored.devices
        newcomers = (stored.newcomers ?? [:]).mapValues(Newcomer.init)
        invocationCounters = stored.invocationCounters.mapValues {
            InvocationCounter(highest: $0.highest, last: $0.last, below: clamped($0.below))
        }
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

    /// Written with every reading, and so without an encoder's detours.
    package var stored: [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("epoch", epoch)
            if let serial { json.member("serial", serial) }
            json.member("devices") { json in
                for (list, id) in devices { json.member(named: list, id) }
            }
            json.member("newcomers") { json in
                for (list, newcomer) in newcomers { json.member(named: list) { json in newcomer.write(to: &json) } }
            }
            json.member("counters") { json in
                for (code, counter) in counters {
                    json.member(named: code.description) { json in counter.write(to: &json) }
                }
            }
            json.member("invocationCounters") { json in
                for (title, counter) in invocationCounters {
                    json.member(named: title) { json in counter.write(to: &json) }
                }
            }
            json.member("totals") { json in
                for (field, entry) in totals.entries {
                    json.member(named: "\(field.rawValue)") { json in entry.write(to: &json) }
                }
            }
            json.member("registerTotals") { json in
                for (code, entry) in totals.registers {
                    json.member(named: code.description) { json in entry.write(to: &json) }
                }
            }
        }
        return json.bytes
    }
}

// MARK: - Parts

/// A count that is safe to go on from, whatever was stored.
func clamped(_ count: Int) -> Int {
    min(max(0, count), 1_000_000)
}

extension ValidatorState.Newcomer {
    fileprivate init(_ stored: StoredNewcomer) {
        self.init(id: stored.id, count: clamped(stored.count), since: Arrival(stored: stored.since))
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.member("id", id)
        json.member("count", count)
        if let stored = since.stored { json.member("since", stored) }
    }
}

extension ValidatorState.InvocationCounter {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("highest", highest)
        json.member("last", last)
        json.member("below", below)
    }
}

extension ValidatorState.Counter {
    fileprivate init?(_ stored: StoredCounter) {
        guard let value = FixedDecimal(stored.value) else { return nil }
        self.init(
            value: value, seen: Arrival(stored: stored.seen), before: stored.before.map { Arrival(stored: $0) },
            doubted: clamped(stored.below), contender: stored.contender.flatMap { FixedDecimal($0) })
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.member("value", digits: value)
        json.member("below", doubted)
        if let contender { json.member("contender", digits: contender) }
        if let stored = seen.stored { json.member("seen", stored) }
        if let stored = before?.stored { json.member("before", stored) }
    }
}

extension Totals.Entry {
    fileprivate init?(_ stored: StoredTotal) {
        guard let counter = FixedDecimal(stored.counter), let offset = FixedDecimal(stored.offset) else { return nil }
        self.init(counter: counter, offset: offset, isExchanged: stored.isExchanged)
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.member("counter", digits: counter)
        json.member("offset", digits: offset)
        json.member("isExchanged", isExchanged)
    }
}

extension JSONWriter {
    /// As text: the reader must not make a binary number of it.
    fileprivate mutating func member(_ name: StaticString, digits number: FixedDecimal) {
        key(name)
        digits(number)
    }
}

extension Arrival {
    /// What outlasts the process.
    fileprivate var stored: Int64? { wall?.milliseconds }

    fileprivate init(stored: Int64?) {
        self.init(wall: stored.map { Timestamp(milliseconds: $0) })
    }
}
