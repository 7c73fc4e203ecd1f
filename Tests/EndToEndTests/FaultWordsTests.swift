import Foundation
import Synchronization
import TestSupport
import Testing

/// Brokers that answer with something that no broker should: the daemon stays, within bounds of memory, leaves them,
/// and goes on with a sane broker at the same address.
@Suite("Fault matrix: what a broker says", .timeLimit(.minutes(5)))
struct FaultWordsTests {
    private static let matrix = FaultMatrix("words of a broker", cells: 9, atOnce: 9)
    /// What a hostile broker may cost, in KiB: one packet at its limit, and what allocators keep.
    private static let growth = 16 << 10
    /// All that the daemon has, in KiB.
    private static let most = 96 << 10
    private static let reconnected = Duration.seconds(60)
    private static let allowed = Duration.seconds(90)

    @Test("a quota: connections and messages are refused for a while")
    func quota() async throws {
        try await Self.cell("quota", until: { $0.guests >= 5 }, within: Self.allowed) { guest in
            switch guest.number {
            case 1:
                // Each message by itself.
                guest.accept()
                let end = ContinuousClock.now + .seconds(3)
                guest.serve { packet in
                    guard ContinuousClock.now < end else {
                        guest.send([0xE0, 1, 0x97])
                        return
                    }
                    if !packet.number.isEmpty { guest.send([0x40, 3] + packet.number + [0x97]) }
                }
            case 2:
                guest.accept()
                guest.send([0xE0, 1, 0x97])
                guest.waitForEnd()
            default:
                _ = guest.packet()
                guest.send([0x20, 3, 0, 0x97, 0])
                guest.waitForEnd()
            }
        } check: { house in
            // Each topic that was refused has a line of its own.
            try house.daemon.requireLines(["quota exceeded": 1...40, "WARNING": 1...12])
        }
    }

    @Test("garbage in the place of an answer and behind it")
    func garbage() async throws {
        try await Self.cell("garbage", until: { $0.guests >= 12 }, within: Self.allowed) { guest in
            var random = SeededGenerator(seed: UInt64(guest.number))
            if guest.number.isMultiple(of: 2) {
                guest.accept()
            } else {
                _ = guest.packet()
            }
            guest.send(random.bytes(1 << (min(guest.number, 12) + 4)))
            // What looks like the beginning of something larger would be waited for: this broker leaves.
            usleep(1_000_000)
        }
    }

    /// Packets with a property that MQTT 5 does not know (0x78), by what the client has to send before it comes.
    @Test("a property that there is not, in every packet that can have one")
    func unknownProperty() async throws {
        try await Self.cell("unknown property", until: { $0.guests >= 10 }, within: Self.allowed) { guest in
            let property: [UInt8] = [2, 0x78, 0]
            switch (guest.number - 1) % 5 {
            case 0:
                _ = guest.packet()
                guest.send([0x20, 5, 0, 0] + property)
            case 1:
                guest.accept()
                guest.send([0x30, 8, 0, 1, 0x61] + property + [0x7B, 0x7D])
            case 2:
                guest.accept()
                while let packet = guest.packet() {
                    // Subscriptions come while Home Assistant is looked for.
                    guard packet.kind == 8 else { continue }
                    guest.send([0x90, 6] + packet.number + property + [1])
                    break
                }
            case 3:
                guest.accept()
                while let packet = guest.packet() {
                    guard packet.kind == 3, !packet.number.isEmpty else { continue }
                    guest.send([0x40, 6] + packet.number + [0] + property)
                    break
                }
            default:
                guest.accept()
                guest.send([0xE0, 4, 0] + property)
            }
            guest.waitForEnd()
        } check: { house in
            try house.daemon.requireLines(["WARNING": 1...20])
        }
    }

    @Test("a flood of acknowledgements of what was never sent")
    func acknowledgements() async throws {
        try await Self.cell("flood of acknowledgements", until: { $0.guests >= 1 }, within: Self.allowed) { guest in
            guest.accept()
            // Numbers beyond any window: none of them is under way. What the client has to say to them is not read.
            var flood: [UInt8] = []
            for number in UInt16(40_000)..<41_000 {
                let bytes = [UInt8(number >> 8), UInt8(number & 0xFF)]
                flood += [0x40, 3] + bytes + [0] + [0x50, 3] + bytes + [0] + [0x70, 3] + bytes + [0]
                flood += [0x90, 4] + bytes + [0, 1] + [0xD0, 0]
            }
            let end = ContinuousClock.now + .seconds(4)
            while ContinuousClock.now < end, guest.send(flood) {}
            guest.serve()
        }
    }

    @Test("a flood of messages that want an answer, by a broker that takes none")
    func unread() async throws {
        try await Self.cell("flood of messages that want an answer", until: { $0.guests >= 1 }, within: Self.allowed) {
            guest in
            guest.accept()
            var flood: [UInt8] = []
            for number in UInt16(1)...1000 {
                flood += [0x32, 8, 0, 1, 0x61, UInt8(number >> 8), UInt8(number & 0xFF), 0, 0x7B, 0x7D]
            }
            let end = ContinuousClock.now + .seconds(4)
            while ContinuousClock.now < end, guest.send(flood) {}
            guest.serve()
        }
    }

    @Test("a flood of messages that nobody asked for")
    func messages() async throws {
        try await Self.cell("flood of messages", until: { $0.guests >= 1 }, within: Self.allowed) { guest in
            guest.accept()
            let message: [UInt8] = [0x30, 0x84, 0x08, 0, 1, 0x61, 0] + [UInt8](repeating: 0x7B, count: 1024)
            let flood = Array([[UInt8]](repeating: message, count: 64).joined())
            let end = ContinuousClock.now + .seconds(4)
            while ContinuousClock.now < end, guest.send(flood) {}
            guest.serve()
        } check: { house in
            try house.daemon.requireLines(["A message from the broker was dropped": 0...3])
        }
    }

    @Test("a packet of 256 MB is announced, and nothing of it comes")
    func announcement() async throws {
        try await Self.large("256 MB announced") { _ in }
    }

    @Test("a packet of 256 MB comes whole")
    func wholePacket() async throws {
        try await Self.large("256 MB sent") { guest in
            let piece = [UInt8](repeating: 0x41, count: 1 << 20)
            for _ in 0..<256 where !guest.send(piece) { return }
        }
    }

    @Test("a packet of 256 MB drips in")
    func drip() async throws {
        try await Self.large("256 MB dripping") { guest in
            // Until the daemon has left, a kilobyte at a time.
            while guest.send([UInt8](repeating: 0x41, count: 1024)) { usleep(1000) }
        }
    }

    // MARK: Support

    /// The largest packet that the length of MQTT can say, once as each thing that a broker sends.
    private static func large(_ name: String, _ rest: @escaping @Sendable (ScriptedBroker.Guest) -> Void) async throws {
        // The daemon has to leave by itself: the third connection comes only then.
        try await cell(name, until: { $0.guests >= 3 }, within: allowed) { guest in
            switch guest.number {
            case 1:
                guest.accept()
                // A message on topic `a`, without properties.
                guest.send([0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, 0x61, 0])
            case 2:
                _ = guest.packet()
                // The answer to CONNECT.
                guest.send([0x20, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0xFF, 0xFF, 0xFF, 0x7E])
            default:
                guest.accept()
                guest.send([0x40, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, 0])
            }
            rest(guest)
            guest.waitForEnd()
        } check: { house in
            try house.daemon.requireLines(["WARNING": 1...10])
        }
    }

    /// The daemon meets the scripted broker first, and then a sane one at the same address.
    ///
    /// - Parameters:
    ///   - isOver: when the scripted one has shown all that it can.
    ///   - script: what it does to each connection. It must acknowledge nothing: what is acknowledged has been delivered.
    private static func cell(
        _ name: String, until isOver: (ScriptedBroker) -> Bool, within limit: Duration,
        _ script: @escaping @Sendable (ScriptedBroker.Guest) -> Void,
        check: (FaultHouse) throws -> Void = { _ in }
    ) async throws {
        try await matrix.cell {
            let hostile = try ScriptedBroker(script)
            defer { hostile.end() }
            let good = try await MosquittoBroker(FaultHouse.persistent)
            let relay = try Relay(to: good.port)
            defer { relay.cut() }
            try await withFolder { folder in
                let house = try await FaultHouse(
                    in: folder, port: relay.port, subscriberPort: good.port, broker: "keepalive: 5s, commands: true")
                try house.startDaemon()
                try await house.readings.waitForMore(5)
                let before = try house.resident
                relay.turn(to: hostile.port)
                var highest = 0
                func look() throws {
                    try #require(house.daemon.isRunning, "the daemon ended")
                    highest = max(highest, try house.resident)
                }
                try await waitFor("the scripted broker has shown all", within: .seconds(120)) {
                    try look()
                    return isOver(hostile)
                }
                for _ in 0..<5 {
                    try await house.readings.waitForAccepted(4)
                    try look()
                }
                relay.turn(to: good.port)
                try await house.readings.recovery(of: name, within: limit)
                try look()
                print("\(name): RssAnon \(before) KiB before, at most \(highest) KiB")
                try #require(highest - before <= growth && highest <= most)
                try await house.requireNothingLost()
                try check(house)
            }
        }
    }
}
