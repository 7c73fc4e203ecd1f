import IEC62056
import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("Meters behind a P1 port")
struct P1SubMeterTests {
    /// What one of them comes to: channel, number, medium, its measured values with units, and its time.
    private func summary(_ lines: [String]) -> [String] {
        P1.telegrams(P1.telegram(lines)).flatMap { SubMeters.telegrams(of: $0) }.map { channel, telegram in
            let values = telegram.registers.filter { $0.unit != nil }.map {
                "\($0.value.number?.description ?? "-") \($0.unit?.symbol ?? "") of \($0.obis?.description ?? "-")"
            }
            let medium = telegram.meter.medium?.rawValue ?? "-"
            return
                "\(channel) \(telegram.meter.id ?? "-") \(medium) \(values) \(telegram.meterTime?.description ?? "-")"
        }
    }

    @Test(
        "each national form gives its meters",
        arguments: [
            (
                "Netherlands, DSMR 2.2",
                [
                    "0-2:24.1.0(3)", "0-2:96.1.0(3238313031353431303037313632343132)",
                    "0-2:24.3.0(160117120000)(00)(60)(1)(0-2:24.2.1)(m3)", "(02025.003)", "0-2:24.4.0(1)",
                ], ["2 28101541007162412 gas [\"2025.003 m3 of 0-2:24.2.1*255\"] 2016-01-17T12:00:00"]
            ),
            (
                "Netherlands, DSMR 4 and 5",
                [
                    "0-1:24.1.0(003)", "0-1:96.1.0(4730303332353635353335353230313137)",
                    "0-1:24.2.1(190320181003W)(00304.089*m3)", "0-4:24.1.0(004)", "0-4:96.1.0()",
                    "0-4:24.2.1(190320181000W)(12.345*GJ)", "0-1:24.4.0(1)",
                ],
                [
                    "1 G0032565535520117 gas [\"304.089 m3 of 0-1:24.2.1*255\"] 2019-03-20T18:10:03",
                    "4 - heat [\"12.345 GJ of 0-4:24.2.1*255\"] 2019-03-20T18:10:00",
                ]
            ),
            (
                "Belgium",
                [
                    "0-1:24.1.0(003)", "0-1:96.1.1(37464C4F32313139303333373333)",
                    "0-1:96.1.2(353431343430303132333435363738393030)", "0-1:24.4.0(1)",
                    "0-1:24.2.3(200512134558S)(00112.384*m3)", "0-2:24.1.0(007)",
                    "0-2:96.1.1(3853414731323334353637383930)", "0-2:24.2.1(200512134558S)(00872.234*m3)",
                    "0-3:96.3.10(0)", "0-4:96.3.10(0)",
                ],
                [
                    "1 7FLO2119033733 gas [\"112.384 m3 of 0-1:24.2.3*255\"] 2020-05-12T13:45:58",
                    "2 8SAG1234567890 water [\"872.234 m3 of 0-2:24.2.1*255\"] 2020-05-12T13:45:58",
                ]
            ),
            (
                "Luxembourg, without the season",
                ["0-1:24.1.0(003)", "0-1:24.2.1(181009214500)(00012.345*m3)"],
                ["1 - gas [\"12.345 m3 of 0-1:24.2.1*255\"] 2018-10-09T21:45:00"]
            ),
            (
                "hot and cold water, heat at the inlet, cooling",
                [
                    "0-1:24.1.0(006)", "0-1:24.2.1(181009214500S)(1.5*m3)", "0-2:24.1.0(022)",
                    "0-2:24.2.1(181009214500S)(2.5*m3)", "0-3:24.1.0(012)", "0-3:24.2.1(181009214500S)(3.5*GJ)",
                    "0-4:24.1.0(010)", "0-4:24.2.1(181009214500S)(4.5*GJ)",
                ],
                [
                    "1 - water [\"1.5 m3 of 0-1:24.2.1*255\"] 2018-10-09T21:45:00",
                    "2 - water [\"2.5 m3 of 0-2:24.2.1*255\"] 2018-10-09T21:45:00",
                    "3 - heat [\"3.5 GJ of 0-3:24.2.1*255\"] 2018-10-09T21:45:00",
                    "4 - heat [\"4.5 GJ of 0-4:24.2.1*255\"] 2018-10-09T21:45:00",
                ]
            ),
            (
                "a second electricity meter and an unknown device",
                [
                    "0-1:24.1.0(002)", "0-1:24.2.1(181009214500S)(1.5*kWh)", "0-2:24.1.0(909)",
                    "0-2:24.2.1(181009214500S)(2*l)",
                ],
                [
                    "1 - electricity [\"1.5 kWh of 0-1:24.2.1*255\"] 2018-10-09T21:45:00",
                    "2 - other [\"2 l of 0-2:24.2.1*255\"] 2018-10-09T21:45:00",
                ]
            ),
            (
                "channels without a device",
                [
                    "0-1:96.1.1()", "0-2:24.1.0(000)", "0-2:96.1.0()", "0-2:24.2.1(632525252525W)(00000.000)",
                    "0-3:24.1.0(003)", "0-3:24.2.1(632525252525S)(00000.000*m3)", "1-0:1.8.0(1*kWh)",
                ], []
            ),
        ])
    func forms(_ name: String, _ lines: [String], _ expected: [String]) {
        #expect(summary(lines) == expected)
    }

    @Test("a sub-meter has the registers of its channel, without time stamps that a value carries")
    func registers() throws {
        let lines = [
            "1-0:1.8.0(1*kWh)", "0-1:24.1.0(003)", "0-2:24.1.0(007)", "0-1:24.4.0(1)",
            "0-1:24.2.1(190320181003W)(00304.089*m3)",
        ]
        let sub = try #require(P1.telegrams(P1.telegram(lines)).flatMap { SubMeters.telegrams(of: $0) }.first)
        #expect(sub.telegram.registers.map(\.code) == ["0-1:24.1.0", "0-1:24.4.0", "0-1:24.2.1"])
        #expect(sub.telegram.registers.map(\.text) == ["003", "1", "00304.089"])
        #expect(sub.telegram.meterTime?.isDaylightSaving == false)
    }

    @Test("simulated meters have a gas meter or none", arguments: P1Meter.Version.allCases)
    func simulated(_ version: P1Meter.Version) throws {
        let time = MeterTime(localSeconds: 1_768_480_496)
        for hasGasMeter in [true, false] {
            var meter = P1Meter(configuration: .init(version: version, hasGasMeter: hasGasMeter))
            let bytes = meter.telegram(Household(seed: 7), time: time, isSummer: true)
            let telegram = try #require(P1.telegrams(bytes).first)
            let subs = SubMeters.telegrams(of: telegram)
            #expect(subs.map(\.channel) == (hasGasMeter ? [1] : []))
            for (_, sub) in subs {
                #expect(sub.meter == MeterIdentity(id: "G0012345678901234", medium: .gas))
                #expect(sub.meterTime?.isDaylightSaving == (version == .v22 ? nil : true))
                #expect(sub.registers.count { $0.unit == .cubicMetre } == 1)
            }
        }
    }
}
