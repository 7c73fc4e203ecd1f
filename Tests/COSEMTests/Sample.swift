import COSEM
import OBIS
import TestSupport
import Wire

/// Synthetic E450 frames under sample keys, and the means to build more.
enum Sample {
    /// Fourteen values without codes, 2024-01-15 12:34:56.
    static let bareValues = hex(
        """
        7ea05aceff03139d15e6e7000f000001230c07e8010f010c223800800000020e1200e71200e51200e61200d71200281203eb0600000afa\
        0600000000060012d6870600015bb41200001200f01200780908313233343536373816e47e
        """)
    /// The same under security control 30, then 20.
    static let authenticated = hex(
        """
        7ea076ceff03133c02e6e700db084c475a67720000015e30000001234968faea2bc280a7f175a58f3c1a23104761720b70c646af1e9c26\
        ad702b60bf12f513f4191d7f5f529b6958de6e88d7ce8ef78fbcdd8df4334c10e169094215a35349daea5162b46ecbf19a7ece87cabdfa\
        ff814cfe5d927825427e
        """)
    static let encrypted = hex(
        """
        7ea06aceff03134cc1e6e700db084c475a67720000015220000001234968faea2bc280a7f175a58f3c1a23104761720b70c646af1e9c26\
        ad702b60bf12f513f4191d7f5f529b6958de6e88d7ce8ef78fbcdd8df4334c10e169094215a35349daea5162b46ecbf19a7e305d7e
        """)
    /// An object list of six in two blocks.
    static let firstBlock = hex(
        """
        7ea084ceff0313128be6e700e04000010000700f000001230c07e8010f010c22380080000002060106020412002809060008190900ff0f\
        02120000020412000109060000600101ff0f02120000020412000309060100010700ff0f02120000020412000309060101010800ff0f02\
        120000020412000309060100200700ff0f02120000ac937e
        """)
    static let lastBlock = hex(
        """
        7ea03cceff0313b68fe0c0000200002b0204120003090601001f0700ff0f021200000907373635343332310600000afa060012d6871200\
        e71200d790a57e
        """)
    static let objectList = firstBlock + lastBlock

    static let beat: [UInt8] = [0x10, 0x40, 0x01, 0x41, 0x16]
    static let systemTitle: [UInt8] = [0x4C, 0x47, 0x5A, 0x67, 0x72, 0x00, 0x00, 0x01]
    static let encryptionKey = (0x00...0x0F).map { UInt8($0) }
    static let authenticationKey = (0xD0...0xDF).map { UInt8($0) }
    static let keys = CipheringKeys(encryption: Secret(encryptionKey), authentication: Secret(authenticationKey))

    /// Every sample by name, with the number of telegrams that it holds.
    static let all: [(name: String, bytes: [UInt8])] = [
        ("bare values", bareValues), ("object list in two blocks", objectList),
        ("encrypted and authenticated", authenticated), ("encrypted", encrypted),
    ]

    static func hex(_ text: String) -> [UInt8] { Corpus.bytes(hex: text) }

    // MARK: Building

    static let header: [UInt8] = [0xE6, 0xE7, 0x00]

    static func frame(_ information: [UInt8], isSegmented: Bool = false, control: UInt8 = 0x13) -> [UInt8] {
        let frame = HDLCFrame(
            destination: [0xCE, 0xFF], source: [0x03], control: control, isSegmented: isSegmented,
            information: information)
        return frame.encoded() ?? []
    }

    static func notification(_ body: [UInt8], time: [UInt8] = [0]) -> [UInt8] {
        [0x0F, 0, 0, 0, 1] + time + body
    }

    static func notification(_ body: String, time: [UInt8] = [0]) -> [UInt8] {
        notification(hex(body), time: time)
    }

    /// A-XDR length.
    static func length(_ count: Int) -> [UInt8] {
        switch count {
        case ..<0x80: [UInt8(count)]
        case ..<0x100: [0x81, UInt8(count)]
        default: [0x82, UInt8(count >> 8), UInt8(count & 0xFF)]
        }
    }

    static func block(_ number: UInt16, isLast: Bool, _ data: [UInt8]) -> [UInt8] {
        [0xE0, isLast ? 0xC0 : 0x40, UInt8(number >> 8), UInt8(number & 0xFF), 0, 0] + length(data.count) + data
    }

    /// A message in `count` blocks of nearly the same size, each in its frame.
    static func blocks(_ message: [UInt8], count: Int) -> [[UInt8]] {
        let size = (message.count + count - 1) / count
        return (1...count).map { number in
            let data = Array(message.dropFirst((number - 1) * size).prefix(size))
            return frame((number == 1 ? header : []) + block(UInt16(number), isLast: number == count, data))
        }
    }

    static func wrapper(_ message: [UInt8]) -> [UInt8] {
        [0, 1, 0, 1, 0, 0x67, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
    }

    // MARK: Decoding

    struct Result {
        var telegrams: [Telegram] = []
        var errors: [WireError] = []
        var noise = 0

        var codes: [WireError.Code] { errors.map(\.code) }
    }

    static func decode(_ chunks: [[UInt8]], keys: CipheringKeys = keys) -> Result {
        FramerVerifier.outputs(PushDecoder(keys: keys), chunks: chunks).reduce(into: Result()) { result, output in
            switch output {
            case .frame(let telegram): result.telegrams.append(telegram)
            case .rejected(let error, _): result.errors.append(error)
            case .noise(let count): result.noise += count
            }
        }
    }

    static func decode(_ bytes: [UInt8], keys: CipheringKeys = keys) -> Result {
        decode([bytes], keys: keys)
    }

    /// What a body of a data-notification in a frame of its own is.
    static func decode(body: String) -> Result {
        decode(frame(header + notification(body)))
    }
}
