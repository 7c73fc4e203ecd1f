import Foundation
import Metering
import OBIS
import TestSupport
import Transport
import Wire

/// A recorded message and the protocol that reads it.
struct Recorded {
    let name: String
    let meterProtocol: MeterProtocol
    var bytes: [UInt8]

    /// Good fixtures and, where they are at hand, recordings of real meters.
    static func all(_ meterProtocol: MeterProtocol) throws -> [Recorded] {
        try fixtures(meterProtocol, "good") + corpus(meterProtocol)
    }

    static func fixtures(_ meterProtocol: MeterProtocol, _ kind: String) throws -> [Recorded] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/\(meterProtocol.name)/\(kind)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().compactMap { name in
            guard name.hasSuffix(".hex") || name.hasSuffix(".txt") else { return nil }
            let data = try Data(contentsOf: folder.appendingPathComponent(name))
            let bytes =
                name.hasSuffix(".hex") ? Corpus.bytes(hex: String(decoding: data, as: UTF8.self)) : [UInt8](data)
            return Recorded(name: name, meterProtocol: meterProtocol, bytes: bytes)
        }
    }

    private static func corpus(_ meterProtocol: MeterProtocol) throws -> [Recorded] {
        let folders =
            meterProtocol.name == "dlms-push"
            ? ["dlms-push", "dlms-push-encrypted", "dlms-mbus"] : [meterProtocol.name]
        return try folders.compactMap { Corpus($0) }.flatMap { try $0.cases() }.filter(\.isValid).map {
            Recorded(name: $0.name, meterProtocol: meterProtocol, bytes: $0.bytes)
        }
    }

    /// Every hundredth byte, or the beginning.
    mutating func damage(_ kind: Int, _ random: inout SeededGenerator) {
        for _ in 0..<max(1, bytes.count / 100) {
            let index = Int.random(in: bytes.indices, using: &random)
            switch kind {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(0x55, at: index)
            default: break
            }
        }
        if kind > 2 { bytes.removeFirst(bytes.count / 3) }
    }

    /// Cut at random.
    func capture(_ random: inout SeededGenerator) -> Capture {
        var pieces: [Capture.Piece] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...max(1, min(rest.count, 200)), using: &random)
            let seconds = "\(10 + pieces.count % 50)"
            let time = Timestamp("2026-01-15T11:34:\(seconds).310Z") ?? Timestamp(milliseconds: 0)
            pieces.append(Capture.Piece(time: time, bytes: Array(rest.prefix(count))))
            rest = rest.dropFirst(count)
        }
        return Capture(pieces: pieces)
    }
}

extension Capture {
    var bytes: [UInt8] { pieces.flatMap(\.bytes) }
}

/// What a decoder finds in bytes, without any key.
struct Decoded {
    var telegrams: [Telegram] = []
    var errors: [WireError.Code] = []
    var noise = 0

    init(_ bytes: [UInt8], _ meterProtocol: MeterProtocol) {
        let outputs = Self.outputs(meterProtocol.makeDecoder(ProtocolSettings()), bytes)
        for output in outputs {
            switch output {
            case .frame(let telegram): telegrams.append(telegram)
            case .rejected(let error, _): errors.append(error.code)
            case .noise(let count): noise += count
            }
        }
    }

    private static func outputs(_ framer: some Framer<Telegram>, _ bytes: [UInt8]) -> [FramerOutput<Telegram>] {
        FramerVerifier.outputs(framer, chunks: [bytes])
    }
}
