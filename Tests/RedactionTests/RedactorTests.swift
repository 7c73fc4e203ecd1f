import Foundation
import MBus
import MeterSimulator
import Metering
import OBIS
import Redaction
import TestSupport
import Testing
import Transport
import Wire

@Suite("A redactor")
struct RedactorTests {
    static let salt = (0..<32).map { UInt8($0) }

    private func protocolNamed(_ name: String) throws -> MeterProtocol { try #require(ProtocolRegistry.named(name)) }

    private func capture(_ bytes: [UInt8], isSent: Bool = false) throws -> Capture {
        let time = try #require(Timestamp("2026-01-15T11:34:56.310Z"))
        return Capture(pieces: [Capture.Piece(time: time, bytes: bytes, isSent: isSent)])
    }

    private func redacted(_ bytes: [UInt8], _ name: String, knowing identifiers: [String] = []) throws -> [UInt8] {
        var redactor = Redactor(identifiers: identifiers, salt: Self.salt)
        let result = redactor.redact(try capture(bytes), of: try protocolNamed(name))
        #expect(result.droppedPieces == 0)
        return result.capture.bytes
    }

    // MARK: Stand-ins

    @Test("gives the same identifier the same stand-in of the same kind, and another one with another salt")
    func standIns() {
        let text = #"{"a":"LGZ1030655933512","b":12345678,"c":"LGZ1030655933512","d":"0x1a2b3c4d5e"}"#
        let identifiers = ["LGZ1030655933512", "12345678", "1a2b3c4d5e"]
        let one = Redactor(identifiers: identifiers, salt: Self.salt).redact(text: text)
        let other = Redactor(identifiers: identifiers, salt: Self.salt.reversed()).redact(text: text)
        #expect(one != other && one.count == text.count)
        let pattern =
            /\{"a":"(LGZ[0-9]{13})","b":([1-9][0-9]{7}),"c":"(LGZ[0-9]{13})","d":"0x([0-9][a-f][0-9][a-f][0-9][a-f][0-9][a-f][0-9][a-f])"\}/
        for text in [one, other] {
            let match = text.wholeMatch(of: pattern)
            #expect(match != nil && match?.1 == match?.3)
            for identifier in identifiers { #expect(!text.contains(identifier)) }
        }
    }

    @Test("replaces an identifier inside of another one by the same stand-in")
    func nested() {
        let redactor = Redactor(identifiers: ["55933512", "LGZ1030655933512"], salt: Self.salt)
        let short = redactor.redact(text: "55933512")
        let long = redactor.redact(text: "LGZ1030655933512")
        #expect(short != "55933512" && long.hasSuffix(short) && !long.hasPrefix("LGZ10306"))
    }

    // MARK: Captures

    @Test("leaves out everything of a protocol of which it is not known where identities stand")
    func unknownProtocol() throws {
        let known = try protocolNamed("sml")
        let unknown = MeterProtocol(
            name: "new", summary: "", keys: [], isPolled: known.isPolled, defaultLine: known.defaultLine,
            makeDecoder: known.makeDecoder, makeSession: known.makeSession)
        var redactor = Redactor(salt: Self.salt)
        let result = redactor.redact(try capture([1, 2, 3]), of: unknown)
        #expect(result.capture.pieces.isEmpty && result.droppedPieces == 1)
    }

    @Test("keeps the ciphertext of an encrypted message, and replaces the number in its system title")
    func encrypted() throws {
        let meterProtocol = try protocolNamed("dlms-push")
        let fixtures = try Recorded.fixtures(meterProtocol, "good")
        let recorded = try #require(fixtures.first { $0.name.hasPrefix("encrypted-and-authenticated") })
        let result = try redacted(recorded.bytes, "dlms-push")
        let start = try #require(
            recorded.bytes.indices.dropLast(10).first { recorded.bytes[$0] == 0xDB && recorded.bytes[$0 + 1] == 8 })
        #expect(result[start..<(start + 5)] == recorded.bytes[start..<(start + 5)])
        #expect(result[(start + 5)..<(start + 10)] != recorded.bytes[(start + 5)..<(start + 10)])
        let differences = zip(recorded.bytes, result).count { $0 != $1 }
        // Five bytes, and two check sequences behind them at most.
        #expect(differences <= 9)
        #expect(Decoded(result, meterProtocol).errors == [.keyMissing])
    }

    @Test("replaces the address that is asked for, and takes passwords away")
    func sent() throws {
        let meterProtocol = try protocolNamed("iec62056-21")
        var redactor = Redactor(salt: Self.salt)
        let bytes = Array("/?87654321!\r\n\u{1}P1\u{2}(48151623)\u{3}".utf8) + [0x5A]
        let result = redactor.redact(try capture(bytes, isSent: true), of: meterProtocol)
        let text = String(decoding: result.capture.bytes, as: UTF8.self)
        #expect(!text.contains("87654321") && !text.contains("4815") && text.contains("P1\u{2}(00000000)\u{3}"))
        #expect(text.hasPrefix("/?") && text.dropFirst(10).hasPrefix("!\r\n"))
        #expect(result.capture.pieces.first?.isSent == true)
    }

    @Test("replaces a secondary address that is selected, and leaves its wildcards")
    func selection() throws {
        let address = try #require(SecondaryAddress("123456FF/LGZ/02/04"))
        var redactor = Redactor(salt: Self.salt)
        let sent = try capture(try #require(address.selection.encoded()), isSent: true)
        let result = redactor.redact(sent, of: try protocolNamed("mbus"))
        guard case .frame(let frame, _) = LongFrameCandidate(at: 0, in: result.capture.bytes.rawSpan),
            let selected = SecondaryAddress(selection: frame)
        else { throw NoFrame() }
        #expect(selected.identification != address.identification && selected.identification & 0xFF == 0xFF)
        #expect(selected.manufacturer == address.manufacturer && selected.version == 2 && selected.medium == 4)
    }

    private struct NoFrame: Error {}

    @Test("replaces what damage left of an identifier")
    func damaged() throws {
        let good = Array("/LGZ4ZMF100AC\r\n\u{2}0.0.0(87654321)\r\n1.8.0(001234.567*kWh)\r\n!\r\n\u{3}".utf8)
        let bytes = good + [good[16...].reduce(0, ^)]
        // A digit flipped, and no name in front of it.
        let broken = Array("/LGZ4ZMF100AC\r\n\u{2}0.0&0(87664321)\r\n1.8.0(001234.567*kWh)\r\n!\r\n\u{3}x".utf8)
        let result = try redacted(bytes + broken, "iec62056-21")
        let text = String(decoding: result, as: UTF8.self)
        #expect(!text.contains("8766") && !text.contains("4321") && !text.contains("8765"))
        #expect(text.hasSuffix(")\r\n1.8.0(001234.567*kWh)\r\n!\r\n\u{3}x"))
    }

    @Test("finds identities in frames of which every check is wrong", arguments: RedactedRecordingsTests.names)
    func neverRight(name: String) throws {
        let meterProtocol = try protocolNamed(name)
        for recorded in try Recorded.fixtures(meterProtocol, "bad") {
            var redactor = Redactor(salt: Self.salt)
            let result = redactor.redact(try capture(recorded.bytes), of: meterProtocol)
            #expect(
                Decoded(result.capture.bytes, meterProtocol).errors == Decoded(recorded.bytes, meterProtocol).errors,
                "\(recorded.name)")
        }
        let frame = LongFrame(
            control: 0x08, address: 1, controlInformation: 0x72,
            data: [0x78, 0x56, 0x34, 0x12, 0xA7, 0x32, 2, 4, 1, 0, 0, 0, 0x04, 0x03, 0x39, 0x30, 0, 0])
        var bytes = try #require(frame.encoded())
        bytes[bytes.count - 2] ^= 1
        let result = try redacted(bytes, "mbus")
        #expect(Array(result[7..<11]) != [0x78, 0x56, 0x34, 0x12] && result.dropFirst(11) == bytes.dropFirst(11))
    }

    @Test("leaves out a piece in which an identifier is still found, and counts it")
    func leftOver() throws {
        let serial = "97531864"
        let standIn = Redactor(identifiers: [serial], salt: Self.salt).redact(text: serial)
        // Nothing of it was there before the stand-in was.
        let formed = String(standIn.suffix(5)) + "zz1234"
        let block = Array("0.2.1(\(serial)zz1234)\r\n1.8.0(001234.567*kWh)\r\n!\r\n\u{3}".utf8)
        let bytes = Array("/LGZ4ZMF100AC\r\n\u{2}".utf8) + block + [block.reduce(0, ^)]
        var cut = try capture(Array(bytes[..<40]))
        cut.pieces += try capture(Array(bytes[40...])).pieces
        var redactor = Redactor(identifiers: [serial, formed], salt: Self.salt)
        let result = redactor.redact(cut, of: try protocolNamed("iec62056-21"))
        #expect(result.droppedPieces == 1 && result.capture.pieces.map(\.bytes.count) == [bytes.count - 40])
    }

    @Test("finds identifiers that segments, blocks and frames cut", arguments: PushMeter.Carrier.allCases)
    func carriers(carrier: PushMeter.Carrier) throws {
        let meterProtocol = try protocolNamed("dlms-push")
        var random = SeededGenerator(seed: 2)
        for blockSize in 12..<40 {
            var meter = PushMeter(
                configuration: PushMeter.Configuration(carrier: carrier, blockSize: blockSize), counter: 1)
            let bytes = meter.push(Household(seed: 7), time: MeterTime(localSeconds: 1_768_480_496))
            let cut = Recorded(name: "", meterProtocol: meterProtocol, bytes: bytes)
            var redactor = Redactor(salt: Self.salt)
            let result = redactor.redact(cut.capture(&random), of: meterProtocol)
            let (before, after) = (Decoded(bytes, meterProtocol), Decoded(result.capture.bytes, meterProtocol))
            let old = try #require(before.telegrams.first)
            let new = try #require(after.telegrams.first, "\(blockSize): \(after.errors)")
            #expect(result.droppedPieces == 0 && old.meter.id != nil && new.meter.id != old.meter.id)
            #expect(new.registers.filter { !$0.identifiesDevice } == old.registers.filter { !$0.identifiesDevice })
        }
    }

    @Test("replaces any identifier anywhere, however the pieces are cut, and keeps their times and directions")
    func property() throws {
        var random = SeededGenerator(seed: 5)
        let meterProtocol = try protocolNamed("iec62056-21")
        for round in 0..<100 {
            let serial = String(Int.random(in: 10_000_000...99_999_999, using: &random))
            let name = "ESY" + String(Int.random(in: 1_000_000...9_999_999, using: &random))
            let lines = [
                "0.0.0(\(serial))", "C.1.0(\(name))", "0.2.1(made of \(serial) and \(name))", "1.8.0(001234.567*kWh)",
                "2.8.0(000089.012*kWh)",
            ].shuffled(using: &random)
            let block = Array((lines.joined(separator: "\r\n") + "\r\n!\r\n\u{3}").utf8)
            let bytes = Array("/LGZ4ZMF100AC\r\n\u{2}".utf8) + block + [block.reduce(0, ^)]
            let cut = Recorded(name: "", meterProtocol: meterProtocol, bytes: bytes).capture(&random)
            var redactor = Redactor(identifiers: [name], salt: random.bytes(16))
            let result = redactor.redact(cut, of: meterProtocol)
            let text = String(decoding: result.capture.bytes, as: UTF8.self)
            #expect(!text.contains(serial) && !text.contains(name) && result.droppedPieces == 0, "round \(round)")
            #expect(
                result.capture.pieces.map { "\($0.time) \($0.bytes.count)" }
                    == cut.pieces.map { "\($0.time) \($0.bytes.count)" })
            let (before, after) = (Decoded(bytes, meterProtocol), Decoded(result.capture.bytes, meterProtocol))
            let energies = before.telegrams.flatMap(\.registers).filter { $0.unit != nil }
            #expect(energies.count == 2 && after.telegrams.flatMap(\.registers).filter { $0.unit != nil } == energies)
            #expect(after.telegrams.first?.meter.id?.count == 8)
        }
    }

    @Test("never fails on hostile bytes, and lets no identifier through that it knows")
    func hostile() throws {
        var random = SeededGenerator(seed: 9)
        for meterProtocol in ProtocolRegistry.all where meterProtocol.survey != nil {
            let recordings = try Recorded.fixtures(meterProtocol, "good") + Recorded.fixtures(meterProtocol, "bad")
            for round in 0..<60 {
                var bytes = try #require(recordings.randomElement(using: &random)).bytes
                for _ in 0..<Int.random(in: 0...8, using: &random) where !bytes.isEmpty {
                    let index = Int.random(in: bytes.indices, using: &random)
                    switch round % 4 {
                    case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                    case 1: bytes.removeSubrange(index..<min(bytes.count, index + 3))
                    case 2: bytes.insert(contentsOf: random.bytes(5), at: index)
                    default: bytes.insert(contentsOf: Array("97531864".utf8), at: index)
                    }
                }
                if round % 10 == 9 { bytes = random.bytes(2000) }
                let capture = Recorded(name: "", meterProtocol: meterProtocol, bytes: bytes).capture(&random)
                var redactor = Redactor(identifiers: ["97531864"], salt: Self.salt)
                let result = redactor.redact(capture, of: meterProtocol)
                #expect(!Leak.contains(result.capture.bytes, Array("97531864".utf8)), "\(meterProtocol.name) \(round)")
                #expect(result.capture.pieces.count + result.droppedPieces == capture.pieces.count)
            }
        }
    }

    @Test("gives a check of one byte a zero again where the meter left it out")
    func shortCheck() throws {
        // Files of many times, of which some have a check whose first byte is zero and not sent.
        var random = SeededGenerator(seed: 4)
        let meterProtocol = try protocolNamed("sml")
        var short = 0
        for second in 0..<400 {
            let file = Self.smlFile(transaction: UInt32(second))
            guard file.isShort else { continue }
            short += 1
            let cut = Recorded(name: "", meterProtocol: meterProtocol, bytes: file.bytes).capture(&random)
            var redactor = Redactor(salt: random.bytes(16))
            let result = redactor.redact(cut, of: meterProtocol)
            let (before, after) = (Decoded(file.bytes, meterProtocol), Decoded(result.capture.bytes, meterProtocol))
            #expect(before.telegrams.count == 1 && after.telegrams.count == 1 && after.errors.isEmpty)
            #expect(before.telegrams.first?.meter.id != after.telegrams.first?.meter.id)
        }
        #expect(short > 0)
    }

    /// A file with one list of no values.
    private static func smlFile(transaction: UInt32) -> (bytes: [UInt8], isShort: Bool) {
        let number = (0..<4).map { UInt8(truncatingIfNeeded: transaction >> (24 - 8 * $0)) }
        let server: [UInt8] = [0x0B, 0x0A, 0x01, 0x45, 0x4D, 0x48, 0x00, 0x00, 0xBC, 0x61, 0x4E]
        var message: [UInt8] = [0x76, 0x05] + number + [0x62, 0x00, 0x62, 0x00, 0x72, 0x63, 0x07, 0x01]
        message += [0x77, 0x01] + server + [0x01, 0x01, 0x70, 0x01, 0x01]
        let crc = Checksum.x25(message.rawSpan)
        let isShort = crc & 0xFF == 0
        message += isShort ? [0x62, UInt8(crc >> 8)] : [0x63, UInt8(crc & 0xFF), UInt8(crc >> 8)]
        message.append(0)
        let fill = (4 - message.count % 4) % 4
        var file: [UInt8] = [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1] + message + [UInt8](repeating: 0, count: fill)
        file += [0x1B, 0x1B, 0x1B, 0x1B, 0x1A, UInt8(fill)]
        let check = Checksum.x25(file.rawSpan)
        return (file + [UInt8(check & 0xFF), UInt8(check >> 8)], isShort)
    }

    @Test("survives bytes that look like many beginnings", arguments: RedactedRecordingsTests.names)
    func manyBeginnings(name: String) throws {
        for unit: [UInt8] in [
            [0x7E, 0xA7, 0xFF], [0x68, 0xFF, 0xFF, 0x68], [0xE0, 0xC0, 0, 1], [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1],
            Array("/LGZ!\n!0000\n".utf8), [0x02], [0xDB, 8],
            [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1, 0x1B, 0x1B, 0x1B, 0x1B, 0x1A, 0, 0, 0],
        ] {
            let bytes = Array((0..<(20_000 / unit.count)).map { _ in unit }.joined())
            #expect(try redacted(bytes, name).count == bytes.count)
        }
    }

    // MARK: Texts

    @Test("leaves of addresses what kind they are")
    func addresses() {
        let redactor = Redactor(salt: Self.salt)
        let cases: [(String, Regex<Substring>)] = [
            ("tcp 192.168.7.31:1883, again", /tcp 192\.168\.\d+\.\d+:1883, again/),
            ("from 10.1.2.3.", /from 10\.\d+\.\d+\.\d+\./),
            ("[172.16.9.0/24]", /\[172\.16\.\d+\.0\/24\]/),
            ("peer 93.184.216.34", /peer (?:203\.0\.113|198\.51\.100|192\.0\.2)\.\d+/),
            ("[fe80::1c2d:3eff:fe4f:5a6b]:4059", /\[fe80::[0-9a-f]{4}:[0-9a-f]{4}\]:4059/),
            ("2a02:1210:1234:5600:abcd::1", /2001:db8:[0-9a-f]{4}:[0-9a-f]{4}::/),
            ("fd12:3456::1", /fd00:[0-9a-f]{4}:[0-9a-f]{4}::/),
            ("mac 3c:22:fb:00:11:22", /mac 02(?::[0-9a-f]{2}){5}/),
            ("mqtt://anna:geheim@10.0.0.9", /mqtt:\/\/REDACTED@10\.\d+\.\d+\.\d+/),
            ("/home/anna/a.capture", /\/home\/user\/a\.capture/),
            (
                "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_AB0JQ7XY-if00-port0",
                /\/dev\/serial\/by-id\/usb-FTDI_FT232R_USB_UART_[A-Z]{2}\d[A-Z]{2}\d[A-Z]{2}-if00-port0/
            ),
        ]
        for (text, pattern) in cases {
            let result = redactor.redact(text: text)
            #expect(result.wholeMatch(of: pattern) != nil && result != text, "\(text) became \(result)")
        }
        for text in [
            "127.0.0.1", "::1", "0.0.0.0:4059", "1-0:1.8.0*255", "2026-01-15T11:34:56.120Z", "1.0.1.8.0.255",
            "12:34:56",
            "version 6.12.0", #"{"1-0:1.8.0*255":{"value":1234567}}"#, "Foo::bar", "udp://:4059",
        ] {
            #expect(redactor.redact(text: text) == text)
        }
        #expect(redactor.redact(text: "10.1.2.3 10.1.2.3").split(separator: " ").count == 2)
        #expect(Set(redactor.redact(text: "10.1.2.3 10.1.2.3").split(separator: " ")).count == 1)
    }

    @Test("knows in texts what it learned from captures, in every form")
    func learned() throws {
        var redactor = Redactor(salt: Self.salt)
        let frame = LongFrame(
            control: 0x08, address: 1, controlInformation: 0x72,
            data: [0x78, 0x56, 0x34, 0x12, 0xA7, 0x32, 2, 4, 1, 0, 0, 0, 0x04, 0x03, 0x39, 0x30, 0, 0])
        redactor.learn(from: try capture(try #require(frame.encoded())), of: try protocolNamed("mbus"))
        let text = redactor.redact(text: #"meter 12345678, "id":12345678, raw 78563412A7, 0xbc614e"#)
        for form in ["12345678", "78563412"] { #expect(!text.contains(form)) }
        #expect(text.contains("A7"))
    }

    @Test("replaces short names only where they stand by themselves")
    func words() {
        var redactor = Redactor(identifiers: ["4711"], salt: Self.salt)
        redactor.learn(word: "anna")
        let text = redactor.redact(text: "anna hannah anna's 4711 247113")
        #expect(text.wholeMatch(of: /name-[a-z]{6} hannah name-[a-z]{6}'s name-[a-z]{6} 247113/) != nil, "\(text)")
    }
}
