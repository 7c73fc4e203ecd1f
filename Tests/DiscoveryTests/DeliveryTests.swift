import Foundation
import OBIS
import Testing

@testable import Discovery

@Suite("What a meter delivers")
struct DeliveryTests {
    private static let both = Samples.reading(
        .electricity, [Samples.register("1-0:1.8.1", "1.5", .kilowattHour), Samples.register("1-0:21.7.0", "9", .watt)])
    private static let one = Samples.reading(.electricity, [Samples.register("1-0:1.8.1", "1.5", .kilowattHour)])

    private var delivery = Delivery()
    private var now = Duration.seconds(1000)

    private mutating func observe(_ reading: Reading, after pause: Duration = .seconds(5)) -> Bool {
        now += pause
        return delivery.observe(reading, registerTotals: [], at: now)
    }

    private func has(_ key: String) -> Bool { delivery.items[key] != nil }

    @Test("grows with the first reading that has more, and is the same for the same")
    mutating func growth() {
        #expect(observe(Self.one))
        #expect(!observe(Self.one))
        #expect(observe(Self.both))
        #expect(!observe(Self.both) && !observe(Self.one))
        // Another unit or more digits make another entity of it; fewer digits do not.
        #expect(observe(Samples.reading(.electricity, [Samples.register("1-0:1.8.1", "1.50", .kilowattHour)])))
        #expect(!observe(Self.one))
        #expect(observe(Samples.reading(.electricity, [Samples.register("1-0:1.8.1", "1", .wattHour)])))
        #expect(observe(Samples.reading(.electricity, Self.one.registers, id: "other")))
    }

    @Test("a value that is not there is none yet")
    mutating func unavailable() {
        let reading = Samples.reading(.electricity, [Register(obis: ObisCode("1-0:21.7.0"), value: .unavailable)])
        #expect(observe(reading))
        #expect(!has("r_1_0_21_7_0"))
    }

    @Test("what is missing for a day of readings is given up, what is missing for an hour or through an outage is not")
    mutating func missing() {
        _ = observe(Self.both)
        for _ in 0..<1000 { _ = observe(Self.one) }
        #expect(has("r_1_0_21_7_0"))
        // A week without a line says nothing.
        _ = observe(Self.one, after: .seconds(7 * 86_400))
        #expect(has("r_1_0_21_7_0"))
        var isChanged = false
        for _ in 0..<17_000 where !isChanged { isChanged = observe(Self.one) }
        #expect(isChanged && !has("r_1_0_21_7_0") && has("r_1_0_1_8_1"))
    }

    @Test("a meter that is read once a day needs as many readings")
    mutating func rare() {
        _ = observe(Self.both)
        for _ in 0..<23 { #expect(!observe(Self.one, after: .seconds(86_400))) }
        #expect(observe(Self.one, after: .seconds(86_400)))
        #expect(!has("r_1_0_21_7_0"))
    }

    @Test("what comes again begins anew, and a restart forgets nothing")
    mutating func again() throws {
        _ = observe(Self.both)
        for _ in 0..<30 { _ = observe(Self.one, after: .seconds(2000)) }
        _ = observe(Self.both)
        for _ in 0..<30 { _ = observe(Self.one, after: .seconds(2000)) }
        #expect(has("r_1_0_21_7_0"))
        let stored = try JSONEncoder().encode(delivery)
        delivery = try JSONDecoder().decode(Delivery.self, from: stored)
        now = .seconds(1)
        var readings = 0
        while has("r_1_0_21_7_0"), readings < 100 {
            _ = observe(Self.one, after: .seconds(2000))
            readings += 1
        }
        // 30 pauses before the restart, of which the first belongs to the reading that had it.
        #expect(readings == 15)
    }

    @Test("with another protocol or profile it is given up after twenty readings")
    mutating func otherSettings() {
        delivery.settle(basis: "sml -")
        _ = observe(Self.both)
        delivery.settle(basis: "sml -")
        for _ in 0..<30 { _ = observe(Self.one) }
        #expect(has("r_1_0_21_7_0"))
        delivery.settle(basis: "dlms-push lg-e450")
        var isChanged = false
        for _ in 0..<20 { isChanged = observe(Self.one) }
        #expect(!has("r_1_0_21_7_0") && has("r_1_0_1_8_1"))
        _ = isChanged
    }

    @Test("a line that makes up names fills neither Home Assistant nor the journal")
    mutating func bounded() throws {
        for round in 0..<40 {
            let registers = (0..<20).map { index in
                Register(
                    obis: nil, printedCode: String(repeating: "n", count: 40) + "\(round)-\(index)", value: .number(1),
                    unit: .other(String(repeating: "u", count: 16)))
            }
            _ = observe(Samples.reading(.electricity, registers))
        }
        #expect(delivery.items.count == Delivery.limit)
        #expect(try JSONEncoder().encode(delivery).count < 60_000)
    }
}

@Suite("What was told of a device")
struct PublicationTests {
    private func publication(
        _ reading: Reading, _ form: DiscoveryForm = .device, prefix: String = "homeassistant",
        after before: Publication? = nil
    ) -> Publication {
        let discoverer = Samples.discoverer(form, prefix: prefix)
        let device = discoverer.meter(
            DiscoveredMeter(id: "main", name: "Main"), Samples.delivery(reading), topics: Samples.topics)
        return Publication(of: device, by: discoverer, after: before)
    }

    @Test("an entity that was there stays taken away, until it is there again")
    func gone() throws {
        let first = publication(Samples.house)
        let second = publication(Samples.gas, after: first)
        #expect(second.gone["power"] == .sensor && second.gone["volume"] == nil)
        let stored = try JSONDecoder().decode(Publication.self, from: try JSONEncoder().encode(second))
        #expect(publication(Samples.gas, after: stored).gone == second.gone)
        #expect(publication(Samples.house, after: stored).gone == ["volume": .sensor, "volume_flow": .sensor])
        let discoverer = Samples.discoverer()
        let device = discoverer.meter(
            DiscoveredMeter(id: "main", name: "Main"), Samples.delivery(Samples.gas), topics: Samples.topics)
        let text = String(decoding: discoverer.messages(device, gone: second.gone)[0].payload, as: UTF8.self)
        #expect(text.contains(#""power":{"platform":"sensor"}"#))
    }

    @Test("every topic is known again, of both forms and under any prefix")
    func topics() {
        #expect(publication(Samples.gas).topics(meter: "main") == ["homeassistant/device/obisd_cellar/main/config"])
        let single = publication(Samples.gas, .entity, prefix: "ha")
        let discoverer = Samples.discoverer(.entity, prefix: "ha")
        let device = discoverer.meter(
            DiscoveredMeter(id: "main", name: "Main"), Samples.delivery(Samples.gas), topics: Samples.topics)
        #expect(Set(single.topics(meter: "main")) == Set(discoverer.messages(device).map(\.topic)))
        #expect(single.topics(meter: "main").contains("ha/sensor/obisd_cellar/main-volume/config"))
    }

    @Test("entities go over between the forms, and not to another prefix")
    func migration() {
        #expect(publication(Samples.gas, .entity).migrates(to: publication(Samples.gas)))
        #expect(publication(Samples.gas).migrates(to: publication(Samples.gas, .entity)))
        #expect(!publication(Samples.gas).migrates(to: publication(Samples.gas)))
        #expect(!publication(Samples.gas, .entity).migrates(to: publication(Samples.gas, prefix: "ha")))
    }
}
