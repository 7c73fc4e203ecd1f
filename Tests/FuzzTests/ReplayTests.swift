import Foundation
import Fuzzing
import TestSupport
import Testing

/// Every target with its seeds, with pieces and changes of them, and with all inputs that once were findings or reached
/// something new. The fuzzer itself goes further: scripts/fuzz.
@Suite("Hostile bytes")
struct ReplayTests {
    @Test("seeds, truncations and many changes of them do no harm")
    func seeds() async {
        await onThread {
            for target in FuzzTarget.all {
                let seeds = target.seeds
                // A conversation takes a hundred times as long as a message.
                let isLong = target.kind == .session
                #expect(!seeds.isEmpty, "\(target.name) has no seed")
                target.run([])
                for seed in seeds {
                    target.run(seed)
                    for count in truncations(of: seed, at: isLong ? 6 : 48) { target.run(Array(seed.prefix(count))) }
                }
                for changed in Mutations(of: seeds).prefix(isLong ? 16 : 120) { target.run(changed) }
            }
        }
        print("Fuzz replay, targets: \(FuzzTarget.all.count) of \(FuzzTarget.all.count)")
    }

    @Test("every stored input does no harm")
    func corpus() async throws {
        let inputs = try Self.stored()
        await onThread {
            for (target, bytes) in inputs { target.run(bytes) }
        }
        print("Fuzz replay, stored inputs: \(inputs.count) of \(inputs.count)")
    }

    @Test("each target has a name of its own, and each stored folder its target")
    func names() throws {
        #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
        for folder in Self.folders() { #expect(FuzzTarget.named(folder) != nil, "\(folder) is no target") }
    }

    // MARK: Inputs

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fuzz/Corpus")

    private static func folders() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    private static func stored() throws -> [(FuzzTarget, [UInt8])] {
        try folders().flatMap { name -> [(FuzzTarget, [UInt8])] in
            guard let target = FuzzTarget.named(name) else { return [] }
            let folder = root.appendingPathComponent(name)
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
                (target, [UInt8](try Data(contentsOf: folder.appendingPathComponent($0))))
            }
        }
    }
}

/// At so many places, spread over the input; at all of a shorter one.
private func truncations(of seed: [UInt8], at places: Int) -> [Int] {
    Array(stride(from: 0, to: seed.count, by: 1 + seed.count / places))
}

/// Bytes changed, left out, doubled and put in, and seeds joined; the same ones in every run.
private struct Mutations: Sequence, IteratorProtocol {
    private let seeds: [[UInt8]]
    private var random = SeededGenerator(seed: 11)

    init(of seeds: [[UInt8]]) { self.seeds = seeds.isEmpty ? [[]] : seeds }

    mutating func next() -> [UInt8]? {
        var bytes = seeds[Int.random(in: seeds.indices, using: &random)]
        for _ in 0..<Int.random(in: 1...6, using: &random) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes.append(UInt8.random(in: 0...255, using: &random)) }
        let place = Int.random(in: bytes.indices, using: &random)
        let end = Swift.min(bytes.count, place + Int.random(in: 1...16, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 2: bytes.removeSubrange(place..<end)
        case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case 4: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][Int.random(in: 0..<5, using: &random)]
        default: bytes += seeds[Int.random(in: seeds.indices, using: &random)].prefix(64)
        }
    }
}

/// Targets wait and keep a core busy: not for a thread that other tests share.
private func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        let thread = Thread {
            body()
            continuation.resume()
        }
        // As much as the main thread has, on which the fuzzer works.
        thread.stackSize = 8 << 20
        thread.start()
    }
}
