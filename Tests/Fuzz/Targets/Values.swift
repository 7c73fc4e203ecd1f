import OBIS
import Wire

/// The smallest parsers and writers: codes, numbers, times, digits, JSON.
extension FuzzTarget {
    static let values: [FuzzTarget] = [
        FuzzTarget("values.code", .decoder, maximumLength: 64) {
            Sample.texts(["1-0:1.8.0*255", "1.8.0", "C.1.0", "0-1:24.2.1", "F.F", "P.01", "1-0:1.8.0&1"])
        } run: { bytes in
            guard let code = ObisCode(String(decoding: bytes, as: UTF8.self)) else { return }
            precondition(ObisCode(code.description) == code, "a code is read otherwise than it is written")
            precondition(ObisCode(packed: code.packed) == code, "a code is packed otherwise than it was")
        },
        FuzzTarget("values.decimal", .decoder, maximumLength: 64) {
            Sample.texts(["000123.450", "-0.5", "1.5e-05", ".5", "9223372036854775807", "+000.8", "1e18"])
        } run: { bytes in
            guard let number = FixedDecimal(String(decoding: bytes, as: UTF8.self)) else { return }
            // Of a large power of ten all zeros are written, which are more digits than are read.
            let again = FixedDecimal(number.description)
            precondition(again == number || again == nil && number.exponent > 0, "a number is not what was written")
            arithmetic(number)
        },
        FuzzTarget("values.arithmetic", .decoder, maximumLength: 32) {
            [[1, 0, 0, 0, 0, 0, 0, 0, 0xFD, 1], [UInt8](repeating: 0xFF, count: 20), Array(0...19)]
        } run: { bytes in
            var choices = Choices(bytes)
            let numbers = (0..<2).map { _ in
                FixedDecimal(choices.integer(), exponent: Int8(bitPattern: choices.byte()))
            }
            numbers.forEach(arithmetic)
            compare(numbers[0], numbers[1])
        },
        FuzzTarget("values.time", .decoder, maximumLength: 64) {
            Sample.texts(["2026-01-15T11:34:56.120Z", "2026-01-15T11:34:56Z", "0000-01-01T00:00:00Z"])
        } run: { bytes in
            guard let time = Timestamp(String(decoding: bytes, as: UTF8.self)) else { return }
            precondition(Timestamp(time.description) == time, "a time is read otherwise than it is written")
        },
        FuzzTarget("values.calendar", .decoder, maximumLength: 32) {
            [[0, 0, 0, 0, 0, 0, 0, 0], [UInt8](repeating: 0xFF, count: 16), [UInt8](repeating: 0x7F, count: 16)]
        } run: { bytes in
            var choices = Choices(bytes)
            let time = MeterTime(localSeconds: choices.integer())
            _ = (time.description, time.local, time.localSeconds)
            _ = (time.timestamp(utcOffset: Int(choices.byte())).description, time.at(utcOffset: -90).description)
            _ = Timestamp(milliseconds: choices.integer()).description
        },
        FuzzTarget("values.hex", .decoder, maximumLength: 1024) {
            Sample.texts(["7EA07B", "00 ff\r\n0a", "a"])
        } run: { bytes in
            precondition(Hex.bytes(Hex.string(bytes).utf8) == bytes, "digits are read otherwise than they are written")
            guard let read = Hex.bytes(bytes) else { return }
            precondition(Hex.bytes(Hex.string(read).utf8) == read, "digits change")
        },
        FuzzTarget("values.unit", .decoder, maximumLength: 64) {
            Sample.texts(["kWh", "m3/h", "kvar", "degC", "var"])
        } run: { bytes in
            let unit = Unit(printed: String(decoding: bytes, as: UTF8.self))
            _ = unit?.convert(FixedDecimal(.max, exponent: 3), to: .kilowattHour)
            _ = bytes.first.flatMap { Unit(code: $0) }?.symbol
        },
        FuzzTarget("values.line", .decoder, maximumLength: 64) {
            Sample.texts(["2400 8E1", "300 7E1", "115200 8N1"])
        } run: { bytes in
            guard let line = LineSettings(String(decoding: bytes, as: UTF8.self)) else { return }
            precondition(LineSettings(line.description) == line, "a line is read otherwise than it is written")
            _ = line.duration(ofCharacters: Limits.linkBuffer)
        },
        FuzzTarget("values.json", .decoder) {
            Sample.texts([#"{"id":"1","verb":"read"}"#, #"{"a":{"b":[1.5,null,true,"x\u0001"]}}"#])
        } run: { bytes in
            _ = JSONScalars(bytes)?.members.count
        },
        FuzzTarget("values.json-writer", .decoder, maximumLength: 1024) {
            Sample.texts(["plain", "\"\\\u{1}\n", "ä€🔌"])
        } run: { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            var writer = JSONWriter()
            writer.object { $0.member(named: text, text) }
            let read = JSONScalars(writer.bytes)?.members.first
            precondition(
                read?.path == [text] && read?.value == .text(text), "a text is read otherwise than it is written")
        },
        FuzzTarget("values.line-protocol", .decoder, maximumLength: 1024) {
            Sample.texts(["obisd\u{0}meter,=\u{0}value \n"])
        } run: { bytes in
            let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            var line = LineProtocol(measurement: parts[0])
            for part in parts {
                line.tag(part, part)
                line.text(part, part)
            }
            let written = line.line(at: Timestamp(milliseconds: 0)) ?? []
            precondition(written.dropLast().allSatisfy { $0 != 0x0A }, "a line of several lines")
        },
    ]

    private static func arithmetic(_ number: FixedDecimal) {
        _ = (number.double, number.description, -number.double)
        compare(number, FixedDecimal(.max, exponent: -3))
        compare(number, FixedDecimal(.min, exponent: 9))
    }

    private static func compare(_ left: FixedDecimal, _ right: FixedDecimal) {
        precondition((left < right) == (right > left) && !(left < right && right < left), "an order that is none")
        precondition(left != right || left.hashValue == right.hashValue, "equal numbers with other hashes")
        _ = (left.adding(right), left.subtracting(right), right.subtracting(left))
    }
}
