import MBus
import OBIS
import Testing
import Wire

@Suite("Records")
struct RecordTests {
    private static func check(_ sample: RecordSample) throws {
        let registers = try Answer.telegram(sample.record).registers
        let register = try #require(registers.first)
        #expect(registers.count == 1)
        #expect(register.printedCode == sample.code && register.value == sample.value)
        #expect(register.unit?.symbol == sample.unit)
    }

    // MARK: Data

    static let data: [RecordSample] = [
        RecordSample("00 03", "energy", .unavailable, "Wh"), RecordSample("08 03", "energy", .unavailable, "Wh"),
        RecordSample("01 03 7F", "energy", "127", "Wh"), RecordSample("01 03 FF", "energy", "-1", "Wh"),
        RecordSample("02 03 0180", "energy", "-32767", "Wh"), RecordSample("03 03 FFFF7F", "energy", "8388607", "Wh"),
        RecordSample("03 03 010080", "energy", "-8388607", "Wh"),
        // Invalid, says the meter.
        RecordSample("01 03 80", "energy", .unavailable, "Wh"),
        RecordSample("02 5A 0080", "flow_temperature", .unavailable, "degC"),
        RecordSample("03 13 000080", "volume", .unavailable, "m3"),
        RecordSample("04 2B 00000080", "power", .unavailable, "W"),
        RecordSample("04 03 D2040000", "energy", "1234", "Wh"),
        RecordSample("06 03 000000000080", "energy", .unavailable, "Wh"),
        RecordSample("07 03 FFFFFFFFFFFFFF7F", "energy", "9223372036854775807", "Wh"),
        RecordSample("07 03 0100000000000080", "energy", "-9223372036854775807", "Wh"),
        RecordSample("05 03 CDCCCC3D", "energy", "0.1", "Wh"),
        RecordSample("05 03 0000C07F", "energy", .unavailable, "Wh"),
        RecordSample("05 03 000080FF", "energy", .unavailable, "Wh"),
        RecordSample("09 03 99", "energy", "99", "Wh"), RecordSample("0A 03 3412", "energy", "1234", "Wh"),
        RecordSample("0B 03 563412", "energy", "123456", "Wh"),
        RecordSample("0C 03 78563412", "energy", "12345678", "Wh"),
        RecordSample("0E 03 129078563412", "energy", "123456789012", "Wh"),
        RecordSample("0B 03 5634F2", "energy", "-23456", "Wh"),
        RecordSample("0A 03 FFFF", "energy", .unavailable, "Wh"),
        RecordSample("0A 03 3AFF", "energy", .unavailable, "Wh"),
        RecordSample("0A 03 34E2", "energy", .unavailable, "Wh"),
        RecordSample("0D FD11 03 434241", "customer", .text("ABC")), RecordSample("0D FD11 00", "customer", .text("")),
        RecordSample("0D FD11 05 0000434241", "customer", .text("ABC")),
        RecordSample("0D FD11 03 FC4241", "customer", .text("ABü")),
        RecordSample("0D FD11 03 014241", "customer", .text("014241")),
        RecordSample("0D 03 C2 3412", "energy", "1234", "Wh"), RecordSample("0D 03 D2 3412", "energy", "-1234", "Wh"),
        RecordSample("0D 03 C0", "energy", .unavailable, "Wh"),
        RecordSample("0D 03 C9 999999999999999999", "energy", "999999999999999999", "Wh"),
        RecordSample("0D 03 E2 FEFF", "energy", "-2", "Wh"), RecordSample("0D 03 E0", "energy", .unavailable, "Wh"),
        RecordSample("0D FD19 E9 010203040506070809", "security_key", .text("010203040506070809")),
        RecordSample(
            "0D FD19 F0 000102030405060708090A0B0C0D0E0F", "security_key",
            .text("000102030405060708090a0b0c0d0e0f")),
        RecordSample("02 FD17 0080", "error_flags", "32768"),
        RecordSample("07 FD17 0100000000000080", "error_flags", .wide("9223372036854775809")),
        RecordSample("0F 01AB", "manufacturer_specific", .text("01ab")),
        RecordSample("1F", "manufacturer_specific", .text("")),
    ]

    @Test("have their value in every coding", arguments: data)
    func codings(sample: RecordSample) throws {
        try Self.check(sample)
    }

    @Test("keep the number as sent beside the scaled one")
    func wireValue() throws {
        let register = try #require(try Answer.telegram("04 06 23000000").registers.first)
        #expect(register.wireValue == .number(35) && register.value == .number(35000))
        #expect(register.value.number?.description == "35000")
    }

    @Test("with digits that are none have no value, and say so")
    func damagedDigits() throws {
        let telegram = try Answer.telegram("0A 03 3AFF 0A 03 FFFF")
        #expect(telegram.warnings == ["energy: ff3a are no decimal digits"])
    }

    // MARK: Dates

    static func time(_ text: String) -> RegisterValue {
        let parts = text.split { !$0.isNumber }.compactMap { Int($0) }
        return MeterTime(
            year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5],
            isDaylightSaving: false
        ).map { .time($0) } ?? .text("no time")
    }

    static let dates: [RecordSample] = [
        RecordSample("02 6C BF1C", "time_point_date", .text("2013-12-31")),
        RecordSample("02 6C FFBC", "time_point_date", .text("1995-12-31")),
        RecordSample("02 6C 0000", "time_point_date", .unavailable),
        RecordSample("02 6C FFFF", "time_point_date", .unavailable),
        RecordSample("02 6C BF12", "time_point_date", .unavailable),
        RecordSample("04 6D 172ECC13", "time_point_date_time", time("2014-03-12 14:23:00")),
        RecordSample("04 6D 970ECC13", "time_point_date_time", .unavailable),
        RecordSample("04 6D 3C0ECC13", "time_point_date_time", .unavailable),
        RecordSample("04 6D 001FCC13", "time_point_date_time", .unavailable),
        RecordSample("04 6D 0000CC1F", "time_point_date_time", .unavailable),
        RecordSample("04 6D 0020DF9C", "time_point_date_time", time("2078-12-31 00:00:00")),
        RecordSample("06 6D 0324D7F41619", "time_point_date_time", time("2015-06-20 23:36:03")),
        RecordSample("06 6D 03A4D7F41619", "time_point_date_time", .unavailable),
        RecordSample("03 6D 1E1F0C", "time_point_date_time", .text("12:31:30")),
        RecordSample("03 6D 3C1F0C", "time_point_date_time", .unavailable),
        RecordSample("02 FD30 BF1C", "start_of_tariff", .text("2013-12-31")),
        RecordSample("02 83 39 BF1C", "energy_start", .text("2013-12-31")),
        RecordSample("04 BB4A 172ECC13", "volume_flow_begin_of_first_upper_limit_exceed", time("2014-03-12 14:23:00")),
    ]

    @Test("hold dates and times that the calendar has", arguments: dates)
    func datesHold(sample: RecordSample) throws {
        try Self.check(sample)
    }

    @Test("tell the clock, also where the meter doubts it")
    func clock() throws {
        #expect(try Answer.telegram("04 6D 172ECC13").meterTime?.local == "2014-03-12T14:23:00")
        let doubtful = try Answer.telegram("04 6D 970ECC13")
        #expect(doubtful.meterTime?.isDoubtful == true && doubtful.registers.first?.value == .unavailable)
        #expect(try Answer.telegram("04 6D 17AECC13").meterTime?.isDaylightSaving == true)
        // A stored time, one of a part, a date alone.
        for record in ["44 6D 172ECC13", "84 40 6D 172ECC13", "02 6C BF1C", "04 ED7E 172ECC13"] {
            #expect(try Answer.telegram(record).meterTime == nil)
        }
    }

    // MARK: Names

    /// One with the number 1 in each range of each table, its first code and its last.
    static let tables: [RecordSample] = [
        RecordSample("01 00 01", "energy", "0.001", "Wh"), RecordSample("01 07 01", "energy", "10000", "Wh"),
        RecordSample("01 08 01", "energy", "1", "J"), RecordSample("01 0F 01", "energy", "10000000", "J"),
        RecordSample("01 10 01", "volume", "0.000001", "m3"), RecordSample("01 17 01", "volume", "10", "m3"),
        RecordSample("01 18 01", "mass", "0.001", "kg"), RecordSample("01 1F 01", "mass", "10000", "kg"),
        RecordSample("01 20 01", "on_time", "1", "s"), RecordSample("01 23 01", "on_time", "1", "d"),
        RecordSample("01 25 01", "operating_time", "1", "min"), RecordSample("01 26 01", "operating_time", "1", "h"),
        RecordSample("01 28 01", "power", "0.001", "W"), RecordSample("01 2F 01", "power", "10000", "W"),
        RecordSample("01 30 01", "power", "1", "J/h"), RecordSample("01 37 01", "power", "10000000", "J/h"),
        RecordSample("01 38 01", "volume_flow", "0.000001", "m3/h"),
        RecordSample("01 3F 01", "volume_flow", "10", "m3/h"),
        RecordSample("01 40 01", "volume_flow", "0.0000001", "m3/min"),
        RecordSample("01 47 01", "volume_flow", "1", "m3/min"),
        RecordSample("01 48 01", "volume_flow", "0.000000001", "m3/s"),
        RecordSample("01 4F 01", "volume_flow", "0.01", "m3/s"),
        RecordSample("01 50 01", "mass_flow", "0.001", "kg/h"), RecordSample("01 57 01", "mass_flow", "10000", "kg/h"),
        RecordSample("01 58 01", "flow_temperature", "0.001", "degC"),
        RecordSample("01 5B 01", "flow_temperature", "1", "degC"),
        RecordSample("01 5C 01", "return_temperature", "0.001", "degC"),
        RecordSample("01 60 01", "temperature_difference", "0.001", "K"),
        RecordSample("01 67 01", "external_temperature", "1", "degC"),
        RecordSample("01 68 01", "pressure", "0.001", "bar"),
        RecordSample("01 6B 01", "pressure", "1", "bar"), RecordSample("01 6E 01", "hca_units", "1"),
        RecordSample("01 6F 01", "reserved_6f", "1"), RecordSample("01 71 01", "averaging_duration", "1", "min"),
        RecordSample("01 76 01", "actuality_duration", "1", "h"), RecordSample("01 78 01", "fabrication_number", "1"),
        RecordSample("01 79 01", "identification", "1"), RecordSample("01 7A 01", "bus_address", "1"),
        RecordSample("01 7B 01", "reserved_7b", "1"), RecordSample("01 7E 01", "any", "1"),
        RecordSample("01 7F 01", "manufacturer_specific", "1"),

        RecordSample("01 FB00 01", "energy", "100000", "Wh"), RecordSample("01 FB01 01", "energy", "1000000", "Wh"),
        RecordSample("01 FB02 01", "reactive_energy", "1000", "varh"),
        RecordSample("01 FB05 01", "apparent_energy", "10000", "VAh"),
        RecordSample("01 FB08 01", "energy", "100000000", "J"),
        RecordSample("01 FB0C 01", "energy", "100000", "cal"), RecordSample("01 FB11 01", "volume", "1000", "m3"),
        RecordSample("01 FB14 01", "reactive_power", "1", "var"),
        RecordSample("01 FB17 01", "reactive_power", "1000", "var"),
        RecordSample("01 FB19 01", "mass", "1000000", "kg"),
        RecordSample("01 FB1A 01", "relative_humidity", "0.1", "%"),
        RecordSample("01 FB1C 01", "reserved_fb1c", "1"), RecordSample("01 FB21 01", "volume", "0.1", "ft3"),
        RecordSample("01 FB28 01", "power", "100000", "W"),
        RecordSample("01 FB2B 01", "phase_angle_voltage_to_current", "0.1", "deg"),
        RecordSample("01 FB2C 01", "frequency", "0.001", "Hz"), RecordSample("01 FB2F 01", "frequency", "1", "Hz"),
        RecordSample("01 FB31 01", "power", "1000000000", "J/h"),
        RecordSample("01 FB37 01", "apparent_power", "1000", "VA"),
        RecordSample("01 FB58 01", "flow_temperature", "0.001", "degF"),
        RecordSample("01 FB77 01", "cold_warm_temperature_limit", "1", "degC"),
        RecordSample("01 FB7F 01", "cumulative_maximum_power", "10000", "W"),

        RecordSample("01 FD00 01", "credit", "0.001"), RecordSample("01 FD08 FF", "access_number", "255"),
        RecordSample("01 FD0E 01", "firmware_version", "1"), RecordSample("01 FD1C 01", "baud_rate", "1", "Bd"),
        RecordSample("01 FD24 01", "storage_interval", "1", "s"),
        RecordSample("01 FD28 01", "storage_interval", "1", "mo"),
        RecordSample("01 FD2F 01", "duration_since_last_readout", "1", "d"),
        RecordSample("01 FD31 01", "duration_of_tariff", "1", "min"),
        RecordSample("01 FD37 01", "period_of_tariff", "1", "d"),
        RecordSample("01 FD39 01", "period_of_tariff", "1", "a"), RecordSample("01 FD3A 01", "dimensionless", "1"),
        RecordSample("01 FD40 01", "voltage", "0.000000001", "V"),
        RecordSample("01 FD4F 01", "voltage", "1000000", "V"),
        RecordSample("01 FD50 01", "current", "0.000000000001", "A"),
        RecordSample("01 FD5F 01", "current", "1000", "A"),
        RecordSample("01 FD61 01", "cumulation_counter", "1"),
        RecordSample("01 FD6A 01", "duration_since_last_cumulation", "1", "mo"),
        RecordSample("01 FD6C 01", "operating_time_of_battery", "1", "h"),
        RecordSample("01 FD71 C4", "rf_level", "-60", "dBm"),
        RecordSample("01 FD74 01", "remaining_battery_life", "1", "d"),
        RecordSample("01 FD7F 01", "reserved_fd7f", "1"),
        RecordSample("01 FDFD02 01", "remaining_battery_life", "1", "mo"),
        RecordSample("01 FDFD55 01", "reserved_fdfd55", "1"),
    ]

    @Test("are named and scaled by the tables", arguments: tables)
    func names(sample: RecordSample) throws {
        try Self.check(sample)
    }

    static let extensions: [RecordSample] = [
        RecordSample("01 8300 01", "energy", "1", "Wh"), RecordSample("01 8312 01", "energy_average", "1", "Wh"),
        RecordSample("01 8322 01", "energy_per_h", "1", "Wh/h"),
        RecordSample("01 9322 01", "volume_per_h", "0.001", "m3/h"),
        RecordSample("01 9028 01", "volume_per_input_pulse_0", "0.000001", "m3"),
        RecordSample("01 832D 01", "energy_per_m3", "1", "Wh/m3"),
        RecordSample("01 833A 01", "energy_uncorrected", "1", "Wh"),
        RecordSample("01 833B 01", "energy_forward", "1", "Wh"),
        RecordSample("01 833C 01", "energy_backward", "1", "Wh"),
        RecordSample("01 AB40 01", "power_lower_limit", "1", "W"),
        RecordSample("01 AE49 01", "power_exceeds_of_upper_limit", "1"),
        RecordSample("01 AE50 01", "power_duration_of_first_lower_limit_exceed", "1", "s"),
        RecordSample("01 AE5F 01", "power_duration_of_last_upper_limit_exceed", "1", "d"),
        RecordSample("01 AE65 01", "power_duration_of_last", "1", "min"),
        RecordSample("01 AE6C 01", "power_during_upper_limit_exceed", "1000", "W"),
        RecordSample("01 8374 05", "energy", "0.05", "Wh"), RecordSample("01 8377 05", "energy", "50", "Wh"),
        RecordSample("01 8370 05", "energy", "0.000005", "Wh"), RecordSample("01 837D 05", "energy", "5000", "Wh"),
        RecordSample("01 DB78 14", "flow_temperature", "20.001", "degC"),
        RecordSample("01 DB7B 14", "flow_temperature", "21", "degC"),
        RecordSample("01 837E 01", "energy_future", "1", "Wh"),
        RecordSample("01 83FC01 01", "energy_l1", "1", "Wh"),
        RecordSample("01 83BCFC03 01", "energy_backward_l3", "1", "Wh"),
        RecordSample("01 FDD8FC04 01", "current_n", "0.0001", "A"),
        RecordSample("01 FDC9FC05 01", "voltage_l1_l2", "1", "V"),
        RecordSample("01 83FC0B 01", "energy_quadrant_4", "1", "Wh"),
        RecordSample("01 ABFC0C 01", "power_import_less_export", "1", "W"),
        RecordSample("01 83FC10 01", "energy_absolute", "1", "Wh"),
        RecordSample("01 83FC7F 01", "energy_extension_fc7f", "1", "Wh"),
        RecordSample("01 83FF09 05", "energy_manufacturer_09", "5", "Wh"),
        RecordSample("01 FF8102 05", "manufacturer_specific_0102", "5"),
        RecordSample("01 83FFBB3C 05", "energy_manufacturer_3b3c", "5", "Wh"),
        RecordSample("01 8315 01", "energy", .unavailable, "Wh"),
    ]

    @Test("change by their extensions", arguments: extensions)
    func extensionsChange(sample: RecordSample) throws {
        try Self.check(sample)
    }

    @Test("that the meter reports an error for have no value, and a warning")
    func recordErrors() throws {
        let telegram = try Answer.telegram("04 8302 D2040000 01 8318 00 01 83 1F 05")
        #expect(telegram.registers.map(\.value) == [.unavailable, .unavailable, .number(5)])
        #expect(
            telegram.warnings == [
                "energy: the meter reports storage number not implemented", "energy: the meter reports data error",
            ])
    }

    static let texts: [RecordSample] = [
        RecordSample("02 FC 03 485225 74 3412", "rh", "46.60", "%"),
        RecordSample("02 FC 74 03 485225 3412", "rh", "46.60", "%"),
        RecordSample("02 7C 03 485225 3412", "rh", "4660", "%"), RecordSample("01 7C 03 68576B 05", "kwh", "5", "kWh"),
        RecordSample("01 FC F43B 03 68576B 05", "kwh_forward", "0.05", "kWh"),
        RecordSample("01 7C 08 4449202E74737563 05", "cust_id", "5"), RecordSample("01 7C 00 05", "value", "5"),
        RecordSample("01 7C 01 BA 05", "value", "5"),
        RecordSample("01 FC 22 03 68576B 05", "kwh_per_h", "5", "kWh/h"),
    ]

    @Test("with a name in plain text take it in front of and behind the extensions", arguments: texts)
    func plainText(sample: RecordSample) throws {
        try Self.check(sample)
    }

    // MARK: Which one it is

    @Test("say function, storage, tariff, subunit and their place")
    func identity() throws {
        let telegram = try Answer.telegram("01 03 05 2F 11 03 05 21 03 05 31 03 05 C1 A1 51 03 05")
        let records = telegram.registers.compactMap(\.record)
        #expect(records.map(\.function) == [.instantaneous, .maximum, .minimum, .error, .instantaneous])
        #expect(records.map(\.number) == [0, 1, 2, 3, 4])
        // Storage 1 + 1 · 2 + 1 · 32, tariff 2 + 1 · 4, subunit 0 + 1 · 2.
        let last = try #require(records.last)
        #expect(last.storage == 35 && last.tariff == 6 && last.subunit == 2 && last.quantity == "Energy")
        #expect(
            telegram.registers.map(\.printedCode) == [
                "energy", "energy:maximum", "energy:minimum", "energy:error", "energy:s35:t6:u2",
            ])
    }

    @Test("count up to ten extensions of each kind")
    func longest() throws {
        let dife = String(repeating: "FF", count: 9) + "7F"
        let record = try #require(try Answer.telegram("81 \(dife) 03 05").registers.first?.record)
        #expect(record.storage == (1 << 41) - 2 && record.tariff == (1 << 20) - 1 && record.subunit == 1023)
        let vife = String(repeating: "80", count: 9) + "00"
        #expect(try Answer.telegram("01 83 \(vife) 05").registers.first?.value == .number(5))
    }

    // MARK: Refused

    static let refused: [(String, WireError.Code)] = [
        ("04 03 D20400", .truncated), ("04", .truncated), ("84", .truncated), ("04 83", .truncated),
        ("04 FB", .truncated), ("04 FD", .truncated), ("0D FD11 05 4142", .truncated), ("0D FD11", .truncated),
        ("0D FD11 F6 00", .truncated), ("01 7C 05 41", .truncated), ("01 7C", .truncated),
        ("0D FD11 CA", .malformed), ("0D FD11 DF", .malformed), ("0D FD11 F7", .malformed), ("0D FD11 FF", .malformed),
        ("3F 00", .malformed), ("6F", .malformed), ("8F 00", .malformed), ("FF 00", .malformed),
        ("81 8080808080808080808000 03 05", .malformed), ("01 83 8080808080808080808000 05", .malformed),
    ]

    @Test("that end early or are none make the whole answer wrong", arguments: refused)
    func wrongRecords(record: String, code: WireError.Code) {
        // A good record in front of it is not trusted either.
        for records in [record, "04 03 D2040000" + record] {
            guard case .failure(let error) = Answer.decode(records) else {
                Issue.record("\(records) was taken")
                continue
            }
            #expect(error.code == code && error.offset != nil, "\(records): \(error)")
        }
    }
}
