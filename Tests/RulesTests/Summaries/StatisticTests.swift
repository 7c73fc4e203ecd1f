import OBIS
import Testing

@testable import Rules

@Suite("Statistics in bounded memory")
struct StatisticTests {
    @Test("mean and percentiles go by time, extremes do not")
    func weighted() {
        var statistic = Statistic()
        statistic.add(230, for: 9000, .voltage)
        statistic.add(240, for: 1000, .voltage)
        statistic.note(250)
        let distribution = statistic.distribution(.voltage)
        #expect(distribution.min == 230 && distribution.max == 250 && distribution.mean == 231)
        #expect(distribution.p5 == 230 && distribution.p50 == 230 && distribution.p95 == 240)
    }

    @Test("nothing measured is nothing known")
    func empty() {
        #expect(Statistic().distribution(.power) == Summary.Distribution())
        var statistic = Statistic()
        statistic.note(5)
        #expect(statistic.distribution(.power) == Summary.Distribution(min: 5, max: 5))
    }

    @Test("a percentile of power is within 3.2 %, in both directions")
    func power() {
        for step in 0..<2000 {
            let value = Double(1 + step * step / 5)
            for sign in [1.0, -1] {
                let scale = Statistic.Scale.power
                let bin = scale.bin(sign * value)
                #expect(scale.bins.contains(bin))
                #expect((scale.value(ofBin: bin) - sign * value).magnitude <= 0.032 * value, "\(sign * value)")
            }
        }
    }

    @Test("bins rise with the value")
    func order() {
        var last = Int.min
        for value in stride(from: -2_000_000.0, through: 2_000_000, by: 777) {
            let bin = Statistic.Scale.power.bin(value)
            #expect(bin >= last)
            last = bin
        }
        for value in [Double.infinity, -.infinity, .nan, 1e300, -1e300, 0.4, -0.4] {
            #expect(Statistic.Scale.power.bins.contains(Statistic.Scale.power.bin(value)))
            #expect(Statistic.Scale.voltage.bins.contains(Statistic.Scale.voltage.bin(value)))
        }
    }

    @Test("a percentile is never outside of what was measured")
    func clamped() {
        var statistic = Statistic()
        for value in [FixedDecimal("1003.5"), FixedDecimal("1004.5")].compactMap({ $0 }) {
            statistic.add(value, for: 1000, .power)
        }
        let distribution = statistic.distribution(.power)
        for percentile in [distribution.p5, distribution.p50, distribution.p95].compactMap({ $0?.double }) {
            #expect((1003.5...1004.5).contains(percentile))
        }
        #expect(distribution.mean == 1004)
    }

    @Test("two parts are as good as the whole")
    func merged() {
        var (whole, first, second) = (Statistic(), Statistic(), Statistic())
        for value in Int64(0)..<400 {
            whole.add(FixedDecimal(value * 17 - 900), for: value + 1, .power)
            if value < 150 {
                first.add(FixedDecimal(value * 17 - 900), for: value + 1, .power)
            } else {
                second.add(FixedDecimal(value * 17 - 900), for: value + 1, .power)
            }
        }
        first.merge(second)
        #expect(first == whole)
    }
}
