import Foundation
import MeterSimulator
import OBIS
import Synchronization
import TestSupport
import Testing
import Wire

/// Meters and lines that do what they should not: the daemon stays, and another meter on a line of its own is read as
/// if nothing were the matter.
@Suite("Fault matrix: meters", .timeLimit(.minutes(6)))
struct FaultMeterTests {
    private static let matrix = FaultMatrix("meters", cells: 5, atOnce: 2)
    private static let isLong = ProcessInfo.processInfo.environment["OBISD_LONG_TESTS"] == "1"
    /// A line that was lost is opened again after 1 s, and after up to 60 s where it was lost again and again.
    private static let reopened = Duration.seconds(120)
    private static let reopenedAtLast = Duration.seconds(90)

    // MARK: Unplugged

    @Test("200 times a port is unplugged and replugged: each is read again, and leaves nothing behind")
    func unplugged() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let ports = Self.isLong ? 1 : 20
                let names = (0..<ports).map { "port\($0)" }
                var lines: [String: PushLine] = [:]
                for name in names {
                    lines[name] = try await PushLine(
                        path: folder.appendingPathComponent(name).path, configuration: .init(serial: "2222222\(ports)"))
                }
                let town = try await Neighbours(in: folder, meters: names.map { Self.serial($0, in: folder) })
                try await town.start()
                try await Self.pushUntilRead(names, lines, town)
                let (descriptors, threads) = (try town.figures.descriptors, try town.figures.threads)
                var longest = Duration.zero
                for _ in 0..<(200 / ports) {
                    for name in names { await lines[name]?.line.unplug() }
                    for name in names { try await lines[name]?.line.replug() }
                    let began = ContinuousClock.now
                    try await Self.pushUntilRead(names, lines, town, within: Self.reopened)
                    longest = max(longest, ContinuousClock.now - began)
                }
                FaultMatrix.tell(recovery: "port unplugged", longest, within: Self.reopened, most: true)
                // A plug with a loose contact.
                for _ in 0..<200 {
                    await lines[names[0]]?.line.unplug()
                    try await lines[names[0]]?.line.replug()
                }
                try await town.recovery(of: "port with a loose contact", within: Self.reopenedAtLast) {
                    try await Self.pushUntilRead([names[0]], lines, town, within: $0)
                }
                try await town.push()
                try await waitFor("as many descriptors as before") { try town.figures.descriptors <= descriptors }
                try #require(try town.figures.threads <= threads + 2)
                // Each port has its own, once a minute.
                try town.daemon.requireLines(["The line is not open": 1...(6 * ports * (Self.isLong ? 10 : 1))])
                let count = try await town.requireNothingLost()
                print("unplugged 400 times: \(count) readings accepted, \(count) arrived")
                for line in lines.values { await line.line.close() }
            }
        }
    }

    private static func serial(_ name: String, in folder: URL) -> String {
        let path = folder.appendingPathComponent(name).path
        return "id: \(name), protocol: dlms-push, transport: {serial: \(path), line: 2400 8E1}, profile: lg-e450"
    }

    /// Pushes on all lines until each has brought a new reading. (What comes while a port opens may be lost.)
    private static func pushUntilRead(
        _ names: [String], _ lines: [String: PushLine], _ town: Neighbours, within limit: Duration = .seconds(90)
    ) async throws {
        var before: [String: Int] = [:]
        for name in names { before[name] = try town.readings.newest(name) }
        try await town.readings.wait(for: "a reading of each of \(names)", within: limit) { readings in
            let missing = try names.filter { try readings.newest($0) <= before[$0] ?? 0 }
            for name in missing where lines[name]?.line.readerLine?.baud == 2400 { await lines[name]?.push() }
            return missing.isEmpty
        }
    }

    // MARK: One byte a second

    private static func areRead(_ meters: [String], _ town: Neighbours, within limit: Duration) async -> Bool {
        do {
            try await town.readings.wait(for: "readings of \(meters)", within: limit) { readings in
                try meters.allSatisfy { try readings.newest($0) >= 1 }
            }
            return true
        } catch {
            return false
        }
    }

    @Test("a byte a second: what comes whole is read, and nothing else waits for it")
    func dripping() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let telegram = Array("/ABC5\r\n\r\n1-0:1.8.0(1.5*kWh)\r\n!\r\n".utf8)
                let asked = try await RawLine()
                let network = try await RawLine()
                let serial = try await SimulatedLine(
                    path: folder.appendingPathComponent("drip").path,
                    line: LineSettings(baud: 9600, dataBits: 7, parity: .even))
                let town = try await Neighbours(
                    in: folder,
                    meters: [
                        "id: network, protocol: dsmr-p1, \(network.transport)",
                        "id: serial, protocol: dsmr-p1, transport: {serial: \(serial.path), line: 9600 7E1}",
                        "id: asked, protocol: iec62056-21, interval: 1s, \(asked.transport)",
                    ])
                try await town.start()
                try await waitFor("readers") { network.hasReader && asked.hasReader && serial.readerLine?.baud == 9600 }
                let busy = try town.figures.processorSeconds
                let began = ContinuousClock.now
                var sent = 0
                // A machine that is busy elsewhere may leave so much time between two bytes that they are no message.
                for _ in 0..<3 {
                    for byte in telegram {
                        await network.send([byte])
                        await serial.send([byte])
                        await asked.send([byte])
                        // The fault itself.
                        try await Task.sleep(for: .seconds(1))
                        try await town.push()
                    }
                    sent += telegram.count
                    if await Self.areRead(["network", "serial"], town, within: .seconds(10)) { break }
                }
                let seconds = (ContinuousClock.now - began) / .seconds(1)
                let load = (try town.figures.processorSeconds - busy) / seconds
                print("a byte a second: \(sent) bytes; the daemon took \(Int(load * 100)) % of a core")
                try #require(load < 0.5)
                try #require(await Self.areRead(["network", "serial"], town, within: .seconds(10)))
                town.tell("a byte a second")
                try town.daemon.requireLines(["WARNING": 0...6])
                try await town.requireNothingLost(ending: [asked, network])
                await serial.close()
            }
        }
    }

    // MARK: Noise

    @Test("64 noisy links with 1 MB/s in all: the healthy one loses nothing and stays in time")
    func noise() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                var lines: [RawLine] = []
                for _ in 0..<64 { lines.append(try await RawLine()) }
                let kinds = [
                    "protocol: dlms-push, profile: lg-e450", "protocol: sml", "protocol: dsmr-p1",
                    "protocol: iec62056-21, mode: d", "protocol: iec62056-21, interval: 1s",
                    "protocol: mbus, address: 7, interval: 1s", "protocol: dlms-client, interval: 1s",
                ]
                let town = try await Neighbours(
                    in: folder,
                    meters: lines.enumerated().map { index, line in
                        "id: noise\(index), \(kinds[index % kinds.count]), \(line.transport)"
                    })
                try await town.start()
                try await waitFor("readers of all") { lines.allSatisfy(\.hasReader) }
                let before = try town.figures.anonymousKilobytes
                let sent = Counter()
                let noise = Self.noises()
                let began = ContinuousClock.now
                let hissing = lines.enumerated().map { index, line in
                    Task { await Self.hiss(line, noise[index % noise.count], from: index, sent) }
                }
                let end = began + .seconds(Self.isLong ? 300 : 20)
                var most = before
                try await town.pushing {
                    most = max(most, try town.figures.anonymousKilobytes)
                    return ContinuousClock.now < end
                }
                for task in hissing { task.cancel() }
                let seconds = (ContinuousClock.now - began) / .seconds(1)
                let rate = Int(Double(sent.value) / seconds / 1000)
                print("noise: \(rate) kB/s on 64 links, RssAnon \(before) to \(most) KiB")
                town.tell("64 noisy links")
                try #require(rate >= 500, "the noise was loud enough")
                try #require(most - before <= 64 << 10)
                try await town.recovery(of: "64 noisy links", within: .seconds(90)) { try await town.push(within: $0) }
                // Each link has some lines a minute.
                let minutes = Int(seconds / 60) + 1
                try town.daemon.requireLines(["meter=noise": 1...(64 * 8 * minutes)])
                try town.daemon.requireLines(["meter=healthy": 1...4])
                for task in hissing { await task.value }
                try await town.requireNothingLost(ending: lines)
            }
        }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add(_ more: Int) { count.withLock { $0 += more } }
    }

    /// Chance, and chance made of pieces of what meters send.
    private static func noises() -> [[UInt8]] {
        var random = SeededGenerator(seed: 64)
        let messages = Endless.allCases.map { $0.meter().first(Household(seed: 3)) }
        return (0..<4).map { kind in
            guard kind > 0 else { return random.bytes(1 << 16) }
            var bytes: [UInt8] = []
            while bytes.count < 1 << 16 {
                let message = messages[Int.random(in: 0..<messages.count, using: &random)]
                let cut = Int.random(in: 0..<message.count, using: &random)
                bytes += message.dropFirst(cut).prefix(Int.random(in: 1...400, using: &random))
                bytes += random.bytes(Int.random(in: 0...40, using: &random))
            }
            return bytes
        }
    }

    /// A sixty-fourth of a megabyte a second, in bursts.
    private static func hiss(_ line: RawLine, _ noise: [UInt8], from start: Int, _ sent: Counter) async {
        let clock = ContinuousClock()
        var due = clock.now
        var place = start * 997 % noise.count
        while !Task.isCancelled {
            let piece = Array(noise[place..<min(noise.count, place + 4096)])
            place = (place + piece.count) % noise.count
            if await line.send(piece) { sent.add(piece.count) }
            due = max(due + .milliseconds(250), clock.now - .seconds(1))
            try? await clock.sleep(until: due)
        }
    }

    // MARK: Without end

    /// Meters, and how a message of theirs that never ends begins and goes on.
    fileprivate enum Endless: String, CaseIterable {
        case hdlc, wrapper, sml, p1, readout

        var stanza: String {
            switch self {
            case .hdlc, .wrapper: "protocol: dlms-push, profile: lg-e450"
            case .sml: "protocol: sml"
            case .p1: "protocol: dsmr-p1, time_zone: Europe/Amsterdam"
            case .readout: "protocol: iec62056-21, mode: d"
            }
        }

        func meter() -> any TalkingMeter {
            switch self {
            case .hdlc: PushMeter(configuration: .init(), counter: 100)
            case .wrapper: PushMeter(configuration: .init(carrier: .wrapper), counter: 100)
            case .sml: SMLMeter(configuration: .init())
            case .p1: P1Meter(configuration: .init())
            case .readout: ReadoutMeter(configuration: .init(mode: .d))
            }
        }

        var beginning: [UInt8] {
            switch self {
            case .hdlc: []
            case .wrapper: [0, 1, 0, 1, 0, 1, 0xFF, 0xFF]
            case .sml: [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1]
            case .p1: Array("/ABC5x\r\n\r\n".utf8)
            case .readout: Array("/ABC5x\r\n".utf8)
            }
        }

        var middle: [UInt8] {
            switch self {
            case .hdlc: firstFrame
            case .wrapper: [0x0F, 0x00, 0x02, 0x04]
            case .sml: [0x76, 0x05, 0x00, 0x00, 0x00, 0x01]
            case .p1: Array("1-0:1.8.0(000001.000*kWh)\r\n".utf8)
            case .readout: Array("1-0:1.8.0*255(000001.000*kWh)\r\n".utf8)
            }
        }

        /// Of an HDLC push in several, which says that more follow.
        private var firstFrame: [UInt8] {
            let push = meter().first(Household(seed: 3))
            return Array(push.prefix(2 + (Int(push[1] & 7) << 8 | Int(push[2]))))
        }
    }

    @Test("a message without end on lines of every kind: memory has a limit, and the next good one is read")
    func endless() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                var lines: [Endless: RawLine] = [:]
                for kind in Endless.allCases { lines[kind] = try await RawLine() }
                let town = try await Neighbours(
                    in: folder,
                    meters: lines.map { kind, line in "id: \(kind.rawValue), \(kind.stanza), \(line.transport)" })
                try await town.start()
                try await waitFor("readers of all") { lines.values.allSatisfy(\.hasReader) }
                let before = try town.figures.anonymousKilobytes
                let amount = Self.isLong ? 64 << 20 : 2 << 20
                let sending = lines.map { kind, line in Task { await Self.send(amount, of: kind, on: line) } }
                var most = before
                let all = Task { for task in sending { await task.value } }
                let ended = Counter()
                Task {
                    await all.value
                    ended.add(1)
                }
                try await town.pushing {
                    most = max(most, try town.figures.anonymousKilobytes)
                    return ended.value == 0
                }
                print("endless messages: \(amount >> 20) MiB on each of 5 links, RssAnon \(before) to \(most) KiB")
                town.tell("endless messages")
                try #require(most - before <= 16 << 10)
                try await town.recovery(of: "endless message", within: .seconds(90)) { limit in
                    try await Self.pushUntilRead(lines, town, within: limit)
                }
                try town.daemon.requireLines(["WARNING": 1...40])
                try await town.requireNothingLost(ending: Array(lines.values))
            }
        }
    }

    private static func send(_ amount: Int, of kind: Endless, on line: RawLine) async {
        let middle = kind.middle
        let block = [[UInt8]](repeating: middle, count: max(1, 8192 / max(1, middle.count))).flatMap { $0 }
        await line.send(kind.beginning)
        var sent = 0
        while sent < amount, !Task.isCancelled {
            await line.send(block)
            sent += block.count
        }
    }

    private static func pushUntilRead(_ lines: [Endless: RawLine], _ town: Neighbours, within limit: Duration)
        async throws
    {
        var meters = Dictionary(uniqueKeysWithValues: lines.keys.map { ($0, $0.meter()) })
        var house = Household(seed: 3)
        var before: [Endless: Int] = [:]
        for kind in lines.keys { before[kind] = try town.readings.newest(kind.rawValue) }
        var due = ContinuousClock.now
        try await town.readings.wait(for: "a reading on each line", within: limit) { readings in
            let missing = try lines.filter { kind, _ in try readings.newest(kind.rawValue) <= before[kind] ?? 0 }
            // With silence between them, as meters have it.
            if ContinuousClock.now >= due {
                house.advance(by: .seconds(1))
                for (kind, line) in missing {
                    await line.send(meters[kind]?.push(house, time: MeterTime(localSeconds: 0)) ?? [])
                }
                due = .now + .seconds(2)
            }
            return missing.isEmpty
        }
    }

    // MARK: Much memory

    @Test("a meter that sends the largest messages there are, without pause: memory has a limit")
    func heavy() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let line = try await RawLine()
                let town = try await Neighbours(
                    in: folder, meters: ["id: heavy, protocol: iec62056-21, mode: d, \(line.transport)"])
                try await town.start()
                try await waitFor("a reader") { line.hasReader }
                let before = try town.figures.anonymousKilobytes
                // The kernel's limit for what a process may allocate, stacks included: as much more as the unit allows.
                let limit = (try town.figures.dataKilobytes + 256 << 10) << 10
                let pid = town.figures.pid
                try #require(try ChildProcess.run("prlimit", ["--pid", "\(pid)", "--data=\(limit)"]) == 0)
                let sending = Task { await Self.sendReadouts(on: line) }
                var most = before
                let end = ContinuousClock.now + .seconds(Self.isLong ? 300 : 15)
                try await town.pushing {
                    most = max(most, try town.figures.anonymousKilobytes)
                    return ContinuousClock.now < end
                }
                sending.cancel()
                await sending.value
                let count = try town.readings.newest("heavy")
                print("heavy meter: \(count) readings of 2 800 registers, RssAnon \(before) to \(most) KiB")
                town.tell("a heavy meter")
                try #require(count > 0)
                try #require(most - before <= 128 << 10)
                try await town.recovery(of: "heavy meter", within: .seconds(90)) { try await town.push(within: $0) }
                try await town.requireNothingLost(ending: [line])
            }
        }
    }

    /// As many registers as a readout may have bytes for, each time others.
    private static func sendReadouts(on line: RawLine) async {
        var round = 0
        while !Task.isCancelled {
            var text = "/ABC5heavy\r\n"
            for index in 0..<2800 {
                text += "\(index % 200)-\(round % 200):\(index / 200).8.\(index % 7)*\(index % 99)(\(index))\r\n"
            }
            await line.send(Array((text + "!\r\n").utf8))
            round += 1
        }
    }
}

extension TalkingMeter {
    /// Its first message.
    fileprivate func first(_ house: Household) -> [UInt8] {
        var meter = self
        return meter.push(house, time: MeterTime(localSeconds: 0))
    }
}
