import OBIS
import Testing

/// Reads a point as the reference of the line protocol says, character by character.
private struct Point: Equatable {
    var measurement = ""
    var tags: [String: String] = [:]
    var fields: [String: Value] = [:]
    var nanoseconds: Int64 = 0

    enum Value: Equatable { case float(Double), integer(Int64), text(String) }

    init?(_ line: [UInt8]) {
        guard let line = String(validating: line, as: UTF8.self), !line.contains(where: \.isNewline) else { return nil }
        var rest = Array(line)[...]
        guard let name = Self.name(&rest, until: [",", " "], escapable: [",", " "]), !name.isEmpty else { return nil }
        measurement = name
        while rest.first == "," {
            rest.removeFirst()
            guard let (key, value) = Self.pair(&rest), !value.isEmpty, tags.updateValue(value, forKey: key) == nil
            else { return nil }
        }
        repeat {
            guard rest.popFirst() != nil, let key = Self.name(&rest, until: ["="], escapable: Self.special),
                rest.popFirst() == "=", let value = Self.value(&rest), fields.updateValue(value, forKey: key) == nil
            else { return nil }
        } while rest.first == ","
        guard rest.popFirst() == " ", let time = Int64(String(rest)) else { return nil }
        nanoseconds = time
    }

    private static let special: Set<Character> = [",", " ", "="]

    private static func pair(_ rest: inout ArraySlice<Character>) -> (String, String)? {
        guard let key = name(&rest, until: ["="], escapable: special), rest.popFirst() == "=",
            let value = name(&rest, until: [",", " "], escapable: special)
        else { return nil }
        return (key, value)
    }

    /// A backslash takes the meaning of the next character where that has one, and else stands for itself.
    private static func name(
        _ rest: inout ArraySlice<Character>, until ends: Set<Character>, escapable: Set<Character>
    ) -> String? {
        var text = ""
        while let first = rest.first, !ends.contains(first) {
            // An equals sign without a mark ends the name before its time.
            if first == "=", escapable.contains("=") { return nil }
            rest.removeFirst()
            if first == "\\", let second = rest.first, escapable.contains(second) {
                rest.removeFirst()
                text.append(second)
            } else {
                text.append(first)
            }
        }
        return text.isEmpty ? nil : text
    }

    private static func value(_ rest: inout ArraySlice<Character>) -> Value? {
        if rest.first == "\"" { return quoted(&rest).map { .text($0) } }
        let word = String(rest.prefix { $0 != "," && $0 != " " })
        rest = rest.dropFirst(word.count)
        if word.hasSuffix("i") { return Int64(word.dropLast()).map { .integer($0) } }
        return Double(word).map { .float($0) }
    }

    private static func quoted(_ rest: inout ArraySlice<Character>) -> String? {
        rest.removeFirst()
        var text = ""
        while let first = rest.popFirst() {
            if first == "\"" { return text }
            guard first == "\\", let second = rest.first, second == "\"" || second == "\\" else {
                text.append(first)
                continue
            }
            rest.removeFirst()
            text.append(second)
        }
        return nil
    }
}

@Suite("Line protocol")
struct LineProtocolTests {
    @Test("a point is the text of the reference, letter by letter")
    func text() throws {
        var point = LineProtocol(measurement: "obisd")
        point.tag("meter", "main")
        point.tag("node", "")
        point.float("active_import", "1234.560")
        point.integer("seq", 4711)
        point.text("quality", "good")
        #expect(
            point.line(at: Timestamp(milliseconds: 0)).map { String(decoding: $0, as: UTF8.self) }
                == #"obisd,meter=main active_import=1234.560,seq=4711i,quality="good" 0"#)
    }

    @Test(
        "names and texts of every kind are read back as they were",
        arguments: ["plain", "a b", "a,b", "a=b", "ü€😀", "\"quoted\"", " ", ",", "=", "==, ,", "1-0:1.8.0*255#2"])
    func escaping(text: String) throws {
        var point = LineProtocol(measurement: text.filter { $0 != "=" } + "m")
        point.tag(text, text)
        point.float(text, "-0.50")
        point.text("text", text)
        let read = try #require(point.line(at: Timestamp(milliseconds: 1_768_476_896_120)).flatMap { Point($0) })
        #expect(read.measurement == text.filter { $0 != "=" } + "m" && read.tags == [text: text])
        #expect(read.fields == [text: .float(-0.5), "text": .text(text)])
        #expect(read.nanoseconds == 1_768_476_896_120_000_000)
    }

    @Test("what a line cannot hold is replaced: line breaks by blanks, backslashes in names by slashes")
    func replaced() throws {
        var point = LineProtocol(measurement: "a\\,b\n")
        point.tag("end\\", "x\\ y\\")
        point.text("t", "back\\slash\\\"\n\u{7F}\\")
        let read = try #require(point.line(at: Timestamp(milliseconds: -5)).flatMap { Point($0) })
        #expect(read.measurement == "a/,b " && read.tags == ["end/": "x/ y/"])
        #expect(read.fields == ["t": .text("back\\slash\\\"  \\")] && read.nanoseconds == -5_000_000)
    }

    @Test("a point without a field, and a time beyond 64 bits of nanoseconds, is none")
    func nothing() {
        var point = LineProtocol(measurement: "m")
        point.tag("a", "b")
        #expect(point.line(at: Timestamp(milliseconds: 0)) == nil)
        point.integer("n", .min)
        #expect(point.line(at: Timestamp(milliseconds: .max)) == nil)
        #expect(point.line(at: Timestamp(milliseconds: 0)) != nil)
    }
}

@Suite("JSONScalars")
struct JSONScalarsTests {
    private func scalars(_ text: String) -> [String]? {
        JSONScalars(Array(text.utf8))?.members.map { "\($0.path.joined(separator: "/")) \($0.value)" }
    }

    @Test("every value with its way and its digits")
    func values() throws {
        var json = JSONWriter()
        json.object { json in
            json.member("a") { json in
                json.member("b", FixedDecimal("-12.50"))
                json.member("none", nil as String?)
            }
            json.key("list")
            json.array { json in
                json.number(1)
                json.object { json in json.member("c", "é\"\\\u{1}\n😀") }
            }
            json.member("flag", true)
            json.member("empty") { _ in }
        }
        let members = try #require(JSONScalars(json.bytes)).members
        #expect(members.map(\.path) == [["a", "b"], ["a", "none"], ["list"], ["list", "c"], ["flag"]])
        #expect(members.map(\.value) == [.number("-12.50"), .null, .number("1"), .text("é\"\\\u{1}\n😀"), .bool(true)])
        #expect(scalars(" { \"a\" : [ ] , \"b\" : 0 } ") == nil, "nothing may follow")
        #expect(scalars("{ \"a\" : [ ] , \"b\" : 0 }") == ["b number(\"0\")"])
    }

    @Test(
        "what is no JSON object gives nothing",
        arguments: [
            "", "1", "[]", "{", "{}}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":nul}", "{\"a\":1e5}",
            "{\"a\":--1}", "{\"a\":1.}", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\u00", "{\"a\":\"\\ud800\"}",
            "{\"a\":[1}",
            "{\"a\":[[1]]}", "{\"a\":\"\n\"}",
        ])
    func wrong(text: String) {
        #expect(JSONScalars(Array(text.utf8)) == nil)
    }

    @Test("a text that is nested too deeply gives nothing")
    func deep() {
        func nested(_ depth: Int) -> String {
            String(repeating: "{\"a\":", count: depth) + "{}" + String(repeating: "}", count: depth)
        }
        #expect(scalars(nested(7)) != nil && scalars(nested(8)) == nil)
        #expect(scalars(nested(100_000)) == nil)
        #expect(scalars(String(repeating: "[", count: 100_000)) == nil)
    }
}
