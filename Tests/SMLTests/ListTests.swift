import OBIS
import SML
import TestSupport
import Testing
import Wire

@Suite("Values of SML lists")
struct ListTests {
    private func telegram(_ file: [UInt8]) -> Telegram? {
        let found = Findings(FramerVerifier.outputs(SMLDecoder(), chunks: [file]))
        return found.telegrams.count == 1 && found.lost == 0 ? found.telegrams.first : nil
    }

    private func register(
        server: [UInt8] = Sample.emh, _ code: [UInt8] = [1, 0, 1, 8, 0, 255], unit: [UInt8] = [0x01],
        scaler: [UInt8] = [0x01], value: [UInt8]
    ) -> Register? {
        telegram(
            Sample.file(server: server, entries: [Sample.entry(code, unit: unit, scaler: scaler, value: value)]))?
            .registers.first
    }

    @Test(
        "are what their type and their bytes say",
        arguments: [
            ([0x52, 0xFF], "-1"), ([0x53, 0xFF, 0x00], "-256"), ([0x54, 0x80, 0x00, 0x00], "-8388608"),
            ([0x55, 0x7F, 0xFF, 0xFF, 0xFF], "2147483647"), ([0x56, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE], "-2"),
            ([0x58, 0x00, 0, 0, 0, 0, 0, 0x09], "9"), ([0x59, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
            ([0x62, 0xFF], "255"), ([0x63, 0xFF, 0xFE], "65534"), ([0x64, 0xFF, 0xFF, 0xFF], "16777215"),
            ([0x69, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "9223372036854775807"),
            // The head itself has a byte more.
            ([0xE0, 0x03, 0x07], "7"),
        ] as [([UInt8], String)])
    func integers(element: [UInt8], digits: String) {
        let register = register(value: element)
        #expect(register?.value.number?.description == digits)
        #expect(register?.wireValue == register?.value)
    }

    @Test("are numbers of more than 63 bits as digits, scaled as text")
    func wide() {
        let largest: [UInt8] = [0x69] + [UInt8](repeating: 0xFF, count: 8)
        #expect(register(value: largest)?.value == .wide("18446744073709551615"))
        let scaled = register(unit: [0x62, 30], scaler: [0x52, 0xFF], value: largest)
        #expect(scaled?.value == .wide("1844674407370955161.5") && scaled?.wireValue == .wide("18446744073709551615"))
    }

    @Test("are text, digits, flags, or nothing")
    func others() {
        #expect(register(value: [0x04, 0x45, 0x4D, 0x48])?.value == .text("EMH"))
        #expect(register(value: [0x03, 0x45, 0x00])?.value == .text("4500"))
        let long = [UInt8](repeating: 0xAB, count: 48)
        #expect(register(value: [0x83, 0x02] + long)?.value == .text(Hex.string(long)))
        #expect(register(value: [0x42, 0x01])?.value == .flag(true))
        #expect(register(value: [0x42, 0x00])?.value == .flag(false))
        let nothing = register(unit: [0x62, 30], scaler: [0x52, 0xFF], value: [0x01])
        #expect(nothing?.value == .unavailable && nothing?.unit == .wattHour && nothing?.wireValue == nil)
    }

    @Test("are scaled exactly and have the unit of their code")
    func scaled() {
        let register = register(unit: [0x62, 30], scaler: [0x52, 0xFF], value: [0x63, 0x09, 0x0B])
        #expect(register?.value.number?.description == "231.5" && register?.unit == .wattHour)
        #expect(register?.wireValue == .number(2315))
        #expect(
            self.register(unit: [0x62, 30], scaler: [0x52, 0x03], value: [0x62, 0x05])?.value.number?.description
                == "5000")
        #expect(self.register(unit: [0x62, 0], scaler: [0x52, 0], value: [0x62, 0x05])?.unit == nil)
    }

    @Test("with an impossible scaler stay as sent, with a warning")
    func impossibleScaler() {
        let file = Sample.file(entries: [Sample.entry(unit: [0x62, 30], scaler: [0x52, 0x7F], value: [0x62, 0x05])])
        #expect(telegram(file)?.registers.first?.value == .number(5) && telegram(file)?.registers.first?.unit == nil)
        #expect(telegram(file)?.warnings.count == 1)
    }

    @Test("have names of six octets; another name stays as digits")
    func names() {
        #expect(register([129, 129, 199, 130, 3, 255], value: [0x62, 1])?.obis == ObisCode(129, 129, 199, 130, 3))
        #expect(register([1, 0, 96, 50, 1, 1], value: [0x62, 1])?.obis?.f == 1)
        let other = register([1, 2, 3], value: [0x62, 1])
        #expect(other?.obis == nil && other?.code == "010203")
    }

    @Test("may be a time in a list; another list is left out, with a warning")
    func lists() {
        #expect(register(value: [0x72, 0x62, 0x01, 0x72, 0x62, 0x01, 0x63, 0x01, 0x00])?.value == .number(256))
        let time = MeterTime(localSeconds: 1_768_476_896).at(utcOffset: 0)
        let stamped: [UInt8] = [0x72, 0x62, 0x01, 0x72, 0x62, 0x02, 0x65, 0x69, 0x68, 0xD0, 0xE0]
        #expect(register(value: stamped)?.value == .time(time))
        let others: [[UInt8]] = [
            [0x70], [0x71, 0x01], [0x72, 0x62, 0x02, 0x01], [0x72, 0x71, 0x01, 0x62, 1], [0x72, 0x62, 0x01, 0x62, 5],
            [0x72, 0x62, 0x01, 0x73, 0x01, 0x02, 0x41, 0x42, 0x00],
        ]
        for list in others {
            let found = telegram(Sample.file(entries: [Sample.entry(value: list), Sample.energy]))
            #expect(found?.registers.map(\.value.number?.description) == [nil, "1234567.8"], "\(list)")
            #expect(found?.registers.first?.value == .unavailable && found?.warnings.count == 1, "\(list)")
        }
    }

    // MARK: Times

    @Test(
        "have a time only where the meter has a clock",
        arguments: [
            ([0x01], nil), ([0x72, 0x62, 0x01, 0x65, 0x69, 0x68, 0xD0, 0xE0], nil),
            ([0x72, 0x62, 0x02, 0x65, 0x69, 0x68, 0xD0, 0xE0], "2026-01-15T11:34:56+00:00"),
            ([0x72, 0x62, 0x02, 0x62, 0x00], nil),
            ([0x72, 0x62, 0x02, 0x69, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], nil),
            ([0x72, 0x62, 0x02, 0x65, 0xFF, 0xFF, 0xFF, 0xFF], "2106-02-07T06:28:15+00:00"),
            ([0x72, 0x62, 0x03, 0x73, 0x65, 0x69, 0x68, 0xD0, 0xE0, 0x52, 60, 0x52, 0], "2026-01-15T12:34:56+01:00"),
            ([0x72, 0x62, 3, 0x73, 0x65, 0x69, 0x68, 0xD0, 0xE0, 0x53, 0, 60, 0x52, 60], "2026-01-15T13:34:56+02:00"),
            ([0x72, 0x62, 0x03, 0x73, 0x65, 0x69, 0x68, 0xD0, 0xE0, 0x53, 0x7F, 0xFF, 0x52, 60], nil),
            ([0x72, 0x62, 0x09, 0x62, 0x01], nil),
        ] as [([UInt8], String?)])
    func times(element: [UInt8], text: String?) throws {
        let entry = Sample.entry(time: element, value: [0x62, 1])
        let found = try #require(telegram(Sample.file(time: element, entries: [entry])))
        #expect(found.meterTime?.description == text)
        #expect(found.registers.first?.time?.description == text)
    }

    @Test("of a summer time say so")
    func daylightSaving() {
        let summer: [UInt8] = [0x72, 0x62, 0x03, 0x73, 0x65, 0x67, 0x1B, 0x63, 0x22, 0x53, 0, 60, 0x53, 0, 60]
        #expect(telegram(Sample.file(time: summer))?.meterTime?.isDaylightSaving == true)
    }

    // MARK: Who

    @Test(
        "belong to the meter that is printed on it",
        arguments: [
            ("0a01454d480000715a2b", "1EMH0007428651", "EMH", .electricity),
            ("0901454d48000041f045", "1EMH0004321349", "EMH", .electricity),
            ("0a01484c5902000d6be6", "1HLY0200879590", "HLY", .electricity),
            ("09014553591103b599a5", "1ESY1162232997", "ESY", .electricity),
            ("0a07414243ff00000001", "7ABCFF00000001", "ABC", .gas),
            ("0a01454d480005f5e0ff", "1EMH0099999999", "EMH", .electricity),
            // One more has nine digits.
            ("0a01454d480005f5e100", "0a01454d480005f5e100", "EMH", .electricity),
            ("06454d4801027153c8c6", "06454d4801027153c8c6", "EMH", .electricity),
            ("0a01456d480000715a2b", "0a01456d480000715a2b", nil, .electricity),
            ("0a01454d48", "0a01454d48", nil, .electricity),
            ("31303031313835", "1001185", nil, .electricity),
        ] as [(String, String, String?, Medium)])
    func identity(octets: String, id: String, maker: String?, medium: Medium) throws {
        let server = try #require(Hex.bytes(octets.utf8))
        let meter = try #require(telegram(Sample.file(server: server))).meter
        #expect(meter == MeterIdentity(id: id, manufacturer: maker, medium: medium))
    }

    @Test(
        "tell the maker where the server id does not",
        arguments: [[1, 0, 96, 50, 1, 1], [129, 129, 199, 130, 3, 255]] as [[UInt8]])
    func makerRegister(code: [UInt8]) {
        let server = Array("1001185".utf8)
        let named = Sample.file(server: server, entries: [Sample.entry(code, value: [0x04, 0x49, 0x53, 0x4B])])
        #expect(telegram(named)?.meter.manufacturer == "ISK")
        let other = Sample.file(server: server, entries: [Sample.entry(code, value: [0x04, 0x49, 0x53, 0x00])])
        #expect(telegram(other)?.meter.manufacturer == nil)
    }

    @Test("carry the name of their list")
    func listName() {
        let list = Sample.list(name: [0x07, 0x01, 0x00, 0x62, 0x0A, 0xFF, 0xFF], entries: [Sample.energy])
        #expect(telegram(Sample.file([list]))?.list == "0100620affff")
        #expect(telegram(Sample.file())?.list == nil)
    }

    // MARK: Quirks

    private let power: [UInt8] = [1, 0, 16, 7, 0, 255]

    @Test(
        "of EMH meters are amounts, and a bit of the status tells which way the energy flows",
        arguments: [
            ([0x62, 0x82], EnergyFlow.importing), ([0x62, 0xA2], .exporting), ([0x64, 0x01, 0x01, 0x82], .importing),
            ([0x64, 0x01, 0x01, 0xA2], .exporting), ([0x01], nil), ([0x02, 0xA2], nil),
        ] as [([UInt8], EnergyFlow?)])
    func flow(status: [UInt8], flow: EnergyFlow?) throws {
        let amount: [UInt8] = [1, 0, 15, 7, 0, 255]
        let entries = [
            Sample.entry(status: status, unit: [0x62, 30], value: [0x62, 0x07]),
            Sample.entry(amount, unit: [0x62, 27], value: [0x63, 0x01, 0x00]),
            Sample.entry(power, unit: [0x62, 27], value: [0x63, 0x01, 0x00]),
        ]
        let emh = try #require(telegram(Sample.file(server: Sample.emh, entries: entries)))
        #expect(emh.registers.map(\.flow) == [nil, flow, flow])
        // As sent.
        #expect(emh.registers.map(\.value) == [.number(7), .number(256), .number(256)])
        let other = try #require(telegram(Sample.file(server: Sample.holley, entries: entries)))
        #expect(other.registers.allSatisfy { $0.flow == nil })
    }

    @Test(
        "of DZG DVS74 meters are unsigned where the power is marked as signed",
        arguments: [42_000_000, 48_999_999, 55_000_000, 58_999_999])
    func unsignedPower(number: UInt32) {
        let server = Sample.dzg(number)
        #expect(register(server: server, power, value: [0x53, 0x80, 0x25])?.value == .number(32805))
        #expect(register(server: server, power, value: [0x52, 0xFF])?.value == .number(255))
        #expect(register(server: server, power, value: [0x54, 0xFF, 0x00, 0x00])?.value == .number(16_711_680))
        #expect(register(server: server, power, value: [0x55, 0xFF, 0xFF, 0xFF, 0xFE])?.value == .number(-2))
        #expect(register(server: server, [1, 0, 36, 7, 0, 255], value: [0x52, 0xFF])?.value == .number(-1))
    }

    @Test(
        "of all other meters keep their sign",
        arguments: [
            Sample.dzg(41_999_999), Sample.dzg(49_000_000), Sample.dzg(54_999_999), Sample.dzg(59_000_000),
            Sample.dzg(40_051_478), Sample.dzg(60_694_611), Sample.emh, Array("1001185".utf8),
            Array(Sample.dzg(42_000_000).dropLast()),
        ])
    func signedPower(server: [UInt8]) {
        #expect(register(server: server, power, value: [0x53, 0x80, 0x25])?.value == .number(-32731))
        #expect(register(server: server, power, value: [0x52, 0xFF])?.value == .number(-1))
    }

    @Test("of Holley meters may have a time without list and choice")
    func omittedChoice() {
        let bare: [UInt8] = [0x65, 0x01, 0x71, 0x62, 0xA8]
        let entries = [Sample.entry(time: bare, value: [0x62, 0x05])]
        let found = telegram(Sample.file(server: Sample.holley, time: bare, entries: entries))
        #expect(found?.registers.first?.value == .number(5) && found?.meterTime == nil)
        #expect(found?.registers.first?.time == nil)
        #expect(telegram(Sample.file(server: Sample.emh, time: bare, entries: entries)) == nil)
        #expect(telegram(Sample.file(server: Sample.emh, entries: entries)) == nil)
    }

    @Test("of FROETEC meters may have a list of three as a time, which says nothing")
    func timeOfThree() {
        for choice: UInt8 in [0, 1, 2] {
            let three: [UInt8] = [0x72, 0x62, choice, 0x73, 0x65, 0x69, 0x68, 0xD0, 0xE0, 0x53, 0, 60, 0x53, 0, 0]
            let found = telegram(Sample.file(time: three, entries: [Sample.entry(time: three, value: [0x62, 5])]))
            #expect(found?.registers.first?.value == .number(5) && found?.meterTime == nil, "choice \(choice)")
        }
    }

    @Test("of Holley meters, and of no other, may be checked with Kermit")
    func kermit() {
        let file = Sample.file(server: Sample.holley, kermit: true)
        #expect(telegram(file)?.meter.manufacturer == "HLY")
        #expect(telegram(file)?.registers == telegram(Sample.file(server: Sample.holley))?.registers)
        let outputs = FramerVerifier.outputs(SMLDecoder(), chunks: [Sample.file(server: Sample.emh, kermit: true)])
        let other = Findings(outputs)
        #expect(other.telegrams.isEmpty && other.codes == [.checksum])
        // A file that says nothing of its meter has no such right either.
        let silent = Sample.file([Sample.message(0x0201, [0x71, 0x01], kermit: true)], kermit: true)
        #expect(Findings(FramerVerifier.outputs(SMLDecoder(), chunks: [silent])).codes == [.checksum])
    }

    @Test("of Holley meters may be checked with Kermit in their messages alone")
    func kermitMessages() {
        func file(_ server: [UInt8]) -> [UInt8] {
            Sample.file([
                Sample.message(0x0101, [0x76, 0x01, 0x01, 0x01] + Sample.octets(server) + [0x01, 0x01], kermit: true),
                Sample.list(server: server, entries: [Sample.energy], kermit: true),
                Sample.message(0x0201, [0x71, 0x01], kermit: true),
            ])
        }
        #expect(telegram(file(Sample.holley)) != nil)
        let other = Findings(FramerVerifier.outputs(SMLDecoder(), chunks: [file(Sample.emh)]))
        #expect(other.telegrams.isEmpty && other.codes == [.checksum, .checksum, .checksum])
    }
}
