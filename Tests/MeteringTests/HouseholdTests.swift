import MeterSimulator
import OBIS
import Testing

@Suite("The simulated house")
struct HouseholdTests {
    @Test("has numbers that add up, for hours", arguments: 1...8)
    func sums(seed: UInt64) {
        var house = Household(seed: seed)
        var (imported, exported) = (house.imported, house.exported)
        var milliwattSeconds = 0
        for _ in 0..<2000 {
            #expect(house.power == house.phases.reduce(0) { $0 + $1.power })
            for phase in house.phases {
                #expect((200...250).contains(phase.voltage))
                // Power makes the current, to the hundredth of an ampere.
                #expect(abs(phase.current * phase.voltage - abs(phase.power) * 100) <= phase.voltage)
            }
            milliwattSeconds += house.power * 5000
            house.advance(by: .seconds(5))
            #expect(house.imported >= imported && house.exported >= exported)
            (imported, exported) = (house.imported, house.exported)
        }
        var start = Household(seed: seed)
        start.advance(by: .zero)
        let net = (house.imported - start.imported) - (house.exported - start.exported)
        #expect(abs(net - milliwattSeconds / 3_600_000) <= 2)
    }

    @Test("is the same for the same seed, and another for another")
    func seeds() {
        func course(_ seed: UInt64) -> [Int] {
            var house = Household(seed: seed)
            return (0..<50).map { _ in
                house.advance(by: .seconds(1))
                return house.power
            }
        }
        #expect(course(1) == course(1))
        #expect(course(1) != course(2))
    }
}
