import Metering
import OBIS
import Testing

@Suite("Totals of meters with more than two tariffs")
struct MoreTariffsTests {
    @Test("are made of all of them, where they have no hole")
    func more() throws {
        let mapping = NamedMapping(sumsTariffs: true)
        let two = ["1-0:1.8.1 1.000 kWh", "1-0:1.8.2 0.5 kWh"]
        for (registers, expected) in [
            (two, ["active_import 1.500"]),
            (two + ["1-0:1.8.3 4 kWh"], ["active_import 5.500"]),
            (["1-0:1.8.1 1 kWh"], []), (["1-0:1.8.2 1 kWh"], []), (["1-0:1.8.2 1 kWh", "1-0:1.8.3 1 kWh"], []),
            ((1...9).map { "1-0:2.8.\($0) 1 kWh" }, ["active_export 9"]),
            // So many that nobody knows what they are.
            ((1...10).map { "1-0:1.8.\($0) 1 kWh" }, []), (two + ["1-0:1.8.63 1 kWh"], []),
            (two + ["1-0:1.8.4 0 kWh"], []),
            // That export has more of them says nothing of import.
            (two + ["1-0:2.8.1 1 kWh", "1-0:2.8.2 1 kWh", "1-0:2.8.12 1 kWh"], ["active_import 1.500"]),
            (two + ["1-0:1.8.3 4 kWh", "1-0:1.8.0 5.5 kWh"], ["active_import 5.5"]),
        ] {
            let values = mapping.values(of: try registers.map(NamedMappingTests.register), medium: .electricity)
            #expect(named(values) == expected)
        }
        // Also where the third one cannot be used.
        let registers = try (two + ["1-0:1.8.3 4 kWh"]).map(NamedMappingTests.register)
        #expect(named(mapping.values(of: registers, medium: .electricity) { $0 != 2 }) == [])
    }
}
