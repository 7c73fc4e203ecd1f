import Foundation
import OBIS
import TestSupport
import Testing

@Suite("JSONWriter")
struct JSONWriterTests {
    private func parsed(_ json: JSONWriter) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(json.bytes), options: .fragmentsAllowed)
    }

    @Test("keeps the order of keys and every digit")
    func exactText() throws {
        var json = JSONWriter()
        json.object { json in
            json.member("z", FixedDecimal("123.450"))
            json.member("a", 7)
            json.key("list")
            json.array { json in
                json.string("x")
                json.null()
                json.bool(true)
                json.number(FixedDecimal(-5, exponent: -1))
                json.array { _ in }
                json.object { _ in }
            }
            json.member("empty") { _ in }
            json.member("flag", false)
            json.member("text", "ä\"\\/\n")
            json.member("time", Timestamp(milliseconds: 0))
        }
        let expected = """
            {"z":123.450,"a":7,"list":["x",null,true,-0.5,[],{}],"empty":{},"flag":false,"text":"ä\\"\\\\/\\n",\
            "time":"1970-01-01T00:00:00.000Z"}
            """
        #expect(json.text == expected)
        _ = try parsed(json)
    }

    @Test("what is not there is null")
    func nulls() throws {
        var json = JSONWriter()
        json.object { json in
            json.member("string", nil as String?)
            json.member("decimal", nil as FixedDecimal?)
            json.member("integer", nil as Int?)
            json.member("time", nil as Timestamp?)
        }
        #expect(json.text == #"{"string":null,"decimal":null,"integer":null,"time":null}"#)
    }

    @Test(
        "every character of the first planes reads back",
        arguments: [0x00...0x7F, 0x80...0x7FF, 0xD7F0...0xE010, 0x1F600...0x1F64F])
    func escaping(scalars: ClosedRange<Int>) throws {
        let text = String(String.UnicodeScalarView(scalars.compactMap { Unicode.Scalar(UInt32($0)) }))
        var json = JSONWriter()
        json.object { $0.member(named: text, text) }
        let object = try #require(try parsed(json) as? [String: String])
        #expect(object.keys.first.map { Array($0.utf8) } == Array(text.utf8))
        #expect(object.values.first.map { Array($0.utf8) } == Array(text.utf8))
        #expect(json.bytes.allSatisfy { $0 >= 0x20 })
    }

    @Test("random documents are valid JSON of the right shape")
    func randomDocuments() throws {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<300 {
            var json = JSONWriter(capacity: 0)
            let expected = Self.write(&json, depth: 0, &random)
            let object = try parsed(json) as? NSObject
            #expect(object == expected as? NSObject, "\(json.text)")
        }
    }

    /// Writes a value and returns what it must read back as.
    private static func write(_ json: inout JSONWriter, depth: Int, _ random: inout SeededGenerator) -> Any {
        switch Int.random(in: 0..<(depth < 4 ? 7 : 5), using: &random) {
        case 0:
            json.null()
            return NSNull()
        case 1:
            let flag = Bool.random(using: &random)
            json.bool(flag)
            return NSNumber(value: flag)
        case 2:
            let number = Int.random(in: -1_000_000...1_000_000, using: &random)
            json.number(number)
            return NSNumber(value: number)
        case 3:
            let eighths = Int64.random(in: -80_000...80_000, using: &random)
            json.number(FixedDecimal(eighths * 125, exponent: -3))
            return NSNumber(value: Double(eighths) / 8)
        case 4:
            let text = String((0..<3).map { _ in Character(Unicode.Scalar(UInt8.random(in: 0...127, using: &random))) })
            json.string(text)
            return text
        case 5:
            var items: [Any] = []
            json.array { json in
                for _ in 0..<3 { items.append(write(&json, depth: depth + 1, &random)) }
            }
            return items
        default:
            var members: [String: Any] = [:]
            json.object { json in
                for name in ["b", "a", ""] {
                    json.key(named: name)
                    members[name] = write(&json, depth: depth + 1, &random)
                }
            }
            return members
        }
    }

    @Test("any decimal is a JSON number")
    func decimals() throws {
        var random = SeededGenerator(seed: 9)
        var json = JSONWriter()
        let numbers = (0..<500).map { _ in FixedDecimal.random(using: &random) }
        json.array { json in for number in numbers { json.number(number) } }
        #expect((try parsed(json) as? [NSNumber])?.count == numbers.count)
    }

    @Test("integers print whole, to the ends of their types")
    func integers() {
        var json = JSONWriter()
        json.array { json in
            json.number(UInt64.max)
            json.number(Int64.min)
            json.number(UInt8(0))
        }
        #expect(json.text == "[18446744073709551615,-9223372036854775808,0]")
    }

    @Test("values of registers")
    func registerValues() throws {
        let time = try #require(
            MeterTime(year: 2024, month: 1, day: 15, hour: 12, minute: 34, second: 56, utcOffset: 60))
        var json = JSONWriter()
        json.array { json in
            for value: RegisterValue in [
                .number(FixedDecimal(2315, exponent: -1)), .wide("18446744073709551615"), .text("12345678"),
                .flag(true),
                .time(time), .unavailable,
            ] { json.value(value) }
        }
        #expect(json.text == #"[231.5,"18446744073709551615","12345678",true,"2024-01-15T12:34:56",null]"#)
    }

    @Test("lines begin anew")
    func lines() {
        var json = JSONWriter()
        json.object { $0.member("a", 1) }
        json.newline()
        json.object { $0.member("b", 2) }
        json.newline()
        #expect(json.text == "{\"a\":1}\n{\"b\":2}\n")
    }

    @Test("an error inside of a body reaches the caller")
    func passingErrors() {
        struct Stop: Error {}
        var json = JSONWriter()
        #expect(throws: Stop.self) { try json.object { _ in throw Stop() } }
    }
}
