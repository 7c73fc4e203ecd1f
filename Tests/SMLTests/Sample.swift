import MeterSimulator
import OBIS
import TestSupport
import Wire

/// Puts SML files together, element by element.
enum Sample {
    static let escape: [UInt8] = [0x1B, 0x1B, 0x1B, 0x1B]
    static let start: [UInt8] = escape + [1, 1, 1, 1]

    /// Three messages around a list with these entries.
    static func file(
        server: [UInt8] = emh, time: [UInt8] = [0x01], entries: [[UInt8]] = [energy], kermit: Bool = false
    ) -> [UInt8] {
        file(
            [
                message(0x0101, [0x76, 0x01, 0x01, 0x01] + octets(server) + [0x01, 0x01], kermit: kermit),
                list(server: server, time: time, entries: entries, kermit: kermit),
                message(0x0201, [0x71, 0x01], kermit: kermit),
            ], kermit: kermit)
    }

    static func file(_ messages: [[UInt8]], kermit: Bool = false) -> [UInt8] {
        let body = messages.flatMap { $0 }
        let fill = (4 - body.count % 4) % 4
        let content = start + doubled(body + [UInt8](repeating: 0, count: fill)) + escape + [0x1A, UInt8(fill)]
        return content + lowByteFirst(kermit ? Checksum.kermit(content.rawSpan) : Checksum.x25(content.rawSpan))
    }

    static func list(
        server: [UInt8] = emh, name: [UInt8] = [0x01], time: [UInt8] = [0x01], entries: [[UInt8]],
        kermit: Bool = false
    ) -> [UInt8] {
        let content =
            [0x77, 0x01] + octets(server) + name + time + listHead(entries.count) + entries.flatMap { $0 }
            + [0x01, 0x01]
        return message(0x0701, content, kermit: kermit)
    }

    static func message(_ tag: UInt16, _ content: [UInt8], kermit: Bool = false) -> [UInt8] {
        let body =
            [0x76, 0x02, 0x07, 0x62, 0x00, 0x62, 0x00, 0x72, 0x63, UInt8(tag >> 8), UInt8(tag & 0xFF)] + content
        return body + [0x63] + lowByteFirst(kermit ? Checksum.kermit(body.rawSpan) : Checksum.x25(body.rawSpan))
            + [0x00]
    }

    static func entry(
        _ code: [UInt8] = [1, 0, 1, 8, 0, 255], status: [UInt8] = [0x01], time: [UInt8] = [0x01],
        unit: [UInt8] = [0x01],
        scaler: [UInt8] = [0x01], value: [UInt8]
    ) -> [UInt8] {
        [0x77] + octets(code) + status + time + unit + scaler + value + [0x01]
    }

    /// 1234567.8 Wh.
    static let energy = entry(unit: [0x62, 30], scaler: [0x52, 0xFF], value: [0x65, 0x00, 0xBC, 0x61, 0x4E])

    static let emh: [UInt8] = [0x0A, 0x01, 0x45, 0x4D, 0x48, 0x00, 0x00, 0x71, 0x5A, 0x2B]
    static let holley: [UInt8] = [0x0A, 0x01, 0x48, 0x4C, 0x59, 0x02, 0x00, 0x0D, 0x6B, 0xE6]

    static func dzg(_ number: UInt32) -> [UInt8] {
        [0x0A, 0x01, 0x44, 0x5A, 0x47, 0x00] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    static func octets(_ octets: [UInt8]) -> [UInt8] { [UInt8(octets.count + 1)] + octets }

    static func listHead(_ count: Int) -> [UInt8] {
        guard count >= 16 else { return [0x70 | UInt8(count)] }
        return [0xF0 | UInt8(count >> 8), 0x80 | UInt8(count >> 4 & 15), UInt8(count & 15)]
    }

    private static func lowByteFirst(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8)] }

    private static func doubled(_ body: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < body.count {
            if Array(body[index..<min(index + 4, body.count)]) == escape {
                result += escape + escape
                index += 4
            } else {
                result.append(body[index])
                index += 1
            }
        }
        return result
    }

    /// A push of the simulated meter, with a fourth of a day of its house.
    static func push(seed: UInt64, configuration: SMLMeter.Configuration = .init()) -> [UInt8] {
        var house = Household(seed: seed)
        house.advance(by: .seconds(21_600))
        var meter = SMLMeter(configuration: configuration)
        return meter.push(house, time: MeterTime(localSeconds: 1_768_476_896).at(utcOffset: 60))
    }
}

/// What a decoder made of bytes.
struct Findings {
    var telegrams: [Telegram] = []
    var errors: [WireError] = []
    var noise = 0
    /// Bytes of rejections and noise.
    var lost = 0

    init(_ outputs: [FramerOutput<Telegram>]) {
        for output in outputs {
            switch output {
            case .frame(let telegram): telegrams.append(telegram)
            case .rejected(let error, let count):
                errors.append(error)
                lost += count
            case .noise(let count):
                noise += count
                lost += count
            }
        }
    }

    var codes: [WireError.Code] { errors.map(\.code) }
}
