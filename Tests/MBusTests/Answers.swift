import MBus
import OBIS
import TestSupport
import Testing
import Wire

/// Answers of made-up meters.
enum Answer {
    /// 12345678, OBI, version 1, electricity, access number 42, no status, not encrypted.
    static let header = bytes("78563412 493C 01 02 2A 00 0000")

    static func bytes(_ hex: String) -> [UInt8] { Hex.bytes(hex.utf8) ?? [] }

    static func frame(
        _ records: [UInt8], header: [UInt8] = Answer.header, information: UInt8 = 0x72, control: UInt8 = 0x08
    ) -> [UInt8] {
        LongFrame(control: control, address: 1, controlInformation: information, data: header + records).encoded() ?? []
    }

    static func frame(_ records: String, information: UInt8 = 0x72) -> [UInt8] {
        frame(bytes(records), information: information)
    }

    /// The telegram of one answer, or why there is none.
    static func decode(
        _ records: String, header: [UInt8] = Answer.header, information: UInt8 = 0x72, decipher: Decipher? = nil
    ) -> Result<MeterResponse, WireError> {
        let frame = LongFrame(
            control: 0x08, address: 1, controlInformation: information, data: header + bytes(records))
        do {
            return .success(try MeterResponse(frame, decipher: decipher))
        } catch { return .failure(error) }
    }

    static func telegram(_ records: String, medium: UInt8 = 0x02) throws -> Telegram {
        var header = header
        header[7] = medium
        return try decode(records, header: header).get().telegram
    }

    static func telegrams(_ chunks: [[UInt8]]) -> [Telegram] {
        FramerVerifier.frames(MBusDecoder(), chunks: chunks)
    }

    static func errors(_ chunks: [[UInt8]]) -> [WireError] {
        FramerVerifier.outputs(MBusDecoder(), chunks: chunks).compactMap {
            if case .rejected(let error, _) = $0 { error } else { nil }
        }
    }

    /// Every kind of record once.
    static let rich = frame(
        """
        0C78 78563412 046D 332A1F15 0403 D2040000 04833C 11000000 02FDC8FC01 0609 05FDDAFC03 0000C040 4C06 27048502
        426C FF2C 143B 10000000 0D7C 08 44492E74737563 2E 05 4F42495331 02FC03 485225 74 3412 01FD1B 02 02FF68 0100
        8E90408400 123456789ABC
        """)
}

/// One record and the register that it is.
struct RecordSample: CustomTestStringConvertible, Sendable {
    let record: String
    let code: String
    let value: RegisterValue
    let unit: String?

    init(_ record: String, _ code: String, _ value: RegisterValue, _ unit: String? = nil) {
        self.record = record
        self.code = code
        self.value = value
        self.unit = unit
    }

    init(_ record: String, _ code: String, _ number: String, _ unit: String? = nil) {
        self.init(record, code, FixedDecimal(number).map { .number($0) } ?? .text("no number"), unit)
    }

    var testDescription: String { record }
}
