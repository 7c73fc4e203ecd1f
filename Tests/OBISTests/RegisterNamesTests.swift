import OBIS
import Testing

@Suite("Keys of registers")
struct RegisterNamesTests {
    private static let energy = ObisCode(1, 0, 1, 8, 0)
    private static let power = ObisCode(1, 0, 16, 7, 0)

    private static func register(_ obis: ObisCode?, printed: String? = nil, index: Int? = nil) -> Register {
        Register(obis: obis, printedCode: printed, value: .number(1), index: index)
    }

    private static let lists: [(registers: [Register], keys: [String])] = [
        ([register(energy), register(power)], ["1-0:1.8.0*255", "1-0:16.7.0*255"]),
        ([register(power), register(energy)], ["1-0:16.7.0*255", "1-0:1.8.0*255"]),
        (
            [register(energy), register(energy), register(energy)],
            ["1-0:1.8.0*255", "1-0:1.8.0*255#2", "1-0:1.8.0*255#3"]
        ),
        ([register(nil, printed: "F.F"), register(nil, index: 3), register(nil)], ["F.F", "index:3", "value"]),
        // A meter may print what looks like a repetition.
        (
            [register(nil, printed: "a#2"), register(nil, printed: "a"), register(nil, printed: "a")],
            ["a#2", "a", "a#3"]
        ),
        ([], []),
    ]

    @Test("a name that is made once is the name that is made anew, in whatever order lists come")
    func remembered() {
        var names = RegisterNames()
        var shown = 0
        // More lists than are kept, each twice in a row and again later.
        for round in 0..<3 {
            for (registers, keys) in Self.lists + Self.lists.reversed() {
                #expect(names.keys(of: registers) == keys, "round \(round)")
                #expect(names.keys(of: registers) == RegisterNames.keys(of: registers))
                shown += 1
            }
        }
        #expect(shown == 36)
    }

    @Test("values and units are no matter of the name; a position is")
    func whatCounts() {
        var names = RegisterNames()
        var register = Self.register(nil, index: 1)
        #expect(names.keys(of: [register]) == ["index:1"])
        register.value = .text("x")
        register.unit = .kilowattHour
        #expect(names.keys(of: [register]) == ["index:1"])
        register.index = 2
        #expect(names.keys(of: [register]) == ["index:2"])
    }
}
