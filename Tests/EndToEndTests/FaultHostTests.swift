import Foundation
import TestSupport
import Testing

/// A machine that is short of something, slow, or stands still: the daemon stays, loses nothing of what it accepted, and
/// goes on by itself.
@Suite("Fault matrix: the host", .timeLimit(.minutes(6)))
struct FaultHostTests {
    private static let matrix = FaultMatrix("host", cells: 5, atOnce: 5)

    // MARK: Descriptors

    @Test("without descriptors: open lines go on, and what was refused comes back with them")
    func descriptors() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let unplugged = try await PushLine(
                    path: folder.appendingPathComponent("unplugged").path, configuration: .init(serial: "22222222"))
                let port = try FreePort.tcp()
                let town = try await Neighbours(
                    in: folder,
                    meters: [
                        "id: unplugged, protocol: dlms-push, transport: {serial: \(unplugged.line.path), line: 2400 8E1}, "
                            + "profile: lg-e450",
                        "id: calling, protocol: dlms-push, transport: {listen: \"tcp://127.0.0.1:\(port)\", from: "
                            + "[127.0.0.1]}, profile: lg-e450",
                    ])
                try await town.start()
                try await unplugged.pushUntilRead("unplugged", town.subscriber)
                let pid = town.figures.pid
                // Those that are open stay: their numbers are below.
                func limit(_ count: String) throws {
                    try #require(try ChildProcess.run("prlimit", ["--pid", "\(pid)", "--nofile=\(count):"]) == 0)
                }
                try limit("5")
                await unplugged.line.unplug()
                try await unplugged.line.replug()
                // Its call cannot be taken.
                let caller = try MetersProcess(
                    folder: folder, ["dlms-push,carrier=wrapper,call=127.0.0.1:\(port),interval=200ms,serial=33333333"])
                let (began, busy) = (ContinuousClock.now, try town.figures.processorSeconds)
                try await town.daemon.waitForLog("oo many open files")
                // The connection to the broker is lost, and no other can be made.
                town.broker.terminate()
                try await town.broker.start()
                for _ in 0..<20 { await town.healthy.push() }
                let before = try town.readings.newest("healthy")
                // So long the fault lasts.
                try await Task.sleep(for: .seconds(8))
                let seconds = (ContinuousClock.now - began) / .seconds(1)
                let load = (try town.figures.processorSeconds - busy) / seconds
                print("without descriptors: \(Int(load * 100)) % of a core")
                try #require(load < 0.4, "it does not try without pause")
                try #require(try town.readings.newest("healthy") == before, "the broker is out of reach")
                try limit("1024")
                try await town.recovery(of: "descriptors free again", within: .seconds(180)) { limit in
                    try await town.readings.wait(for: "readings of all", within: limit) { readings in
                        if unplugged.line.readerLine?.baud == 2400 { await unplugged.push() }
                        return try readings.newest("healthy") >= 21 && readings.newest("unplugged") >= 2
                            && readings.newest("calling") >= 1
                    }
                }
                try await town.push()
                caller.end()
                try town.daemon.requireLines(["oo many open files": 1...8])
                try await town.requireNothingLost()
                await unplugged.line.close()
            }
        }
    }

    // MARK: Clock

    @Test("a clock that jumps by ten days, there and back: seq and order stay")
    func clockJumps() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                guard let clock = try ClockShim(in: folder) else { throw FaultMatrix.NotTested() }
                let town = try await Neighbours(in: folder)
                try await town.start(environment: clock.environment)
                let day = 86_400
                for (offset, text) in [(10 * day, "+10 d"), (0, "back"), (-10 * day, "-10 d"), (0, "forth again")] {
                    try await town.push()
                    try clock.set(offset)
                    try await town.recovery(of: "clock jumps \(text)", within: .seconds(90)) {
                        try await town.push(within: $0)
                    }
                    let captured = try #require(town.subscriber.lastCapture("healthy"))
                    try #require(abs(captured - Date().timeIntervalSince1970 - Double(offset)) < 3600, "\(text)")
                    // Also while the broker is away.
                    town.broker.terminate()
                    try clock.set(offset / 2)
                    for _ in 0..<5 { await town.healthy.push() }
                    try await town.broker.start()
                    try clock.set(offset)
                }
                town.tell("clock jumps")
                try await town.requireNothingLost()
            }
        }
    }

    // MARK: Disk

    @Test("a disk that is full while the daemon runs: told, counted, and over when there is room")
    func diskFull() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let disk = folder.appendingPathComponent("disk")
                try FileManager.default.createDirectory(at: disk, withIntermediateDirectories: true)
                let mount = ["-t", "tmpfs", "-o", "size=8m", "obisd-test", disk.path]
                guard try ChildProcess.run("mount", mount) == 0 else {
                    print("Not tested: a full disk, a file system cannot be mounted here")
                    throw FaultMatrix.NotTested()
                }
                defer { _ = try? ChildProcess.run("umount", ["-l", disk.path]) }
                // What it says needs no room on that disk.
                try FileManager.default.createSymbolicLink(
                    at: disk.appendingPathComponent("log"), withDestinationURL: folder.appendingPathComponent("log"))
                let town = try await Neighbours(in: folder, filter: "obisd/#", daemonFolder: disk)
                try await town.start()
                for isThere in [true, false] {
                    try await Self.fill(disk, of: town, brokerIsThere: isThere)
                }
                try await town.push()
                try town.daemon.requireLines(["The journal can be written again": 2...2])
                let gaps = town.subscriber.messages.filter { $0.kind == "gap" }.compactMap(\.json)
                let refused = gaps.compactMap { $0["count"]?.digits.flatMap { Int($0) } }.reduce(0, +)
                print("disk full: \(refused) readings refused, told in \(gaps.count) gaps")
                try #require(gaps.count >= 2 && gaps.allSatisfy { $0["from_seq"] == .null })
                try await town.requireNothingLost()
            }
        }
    }

    private static func fill(_ disk: URL, of town: Neighbours, brokerIsThere: Bool) async throws {
        let file = disk.appendingPathComponent("fill")
        if !brokerIsThere { town.broker.terminate() }
        _ = try ChildProcess.run("dd", ["if=/dev/zero", "of=\(file.path)", "bs=4096"])
        let known = try town.daemon.logLines("meter=healthy").count
        // The log of the journal may still have room.
        try await waitFor("a journal that cannot be written") {
            await town.healthy.push()
            return try await town.daemon.status()?["degraded"]?.bool == true
        }
        for _ in 0..<10 { await town.healthy.push() }
        try town.requireAlive()
        if brokerIsThere {
            let states = town.subscriber.messages.count { $0.kind == "state" }
            await town.healthy.push()
            try await town.subscriber.wait(for: "the state goes on") { subscriber in
                subscriber.messages.count { $0.kind == "state" } > states
            }
        }
        try FileManager.default.removeItem(at: file)
        if !brokerIsThere { try await town.broker.start() }
        try await town.recovery(
            of: "disk with room again, broker \(brokerIsThere ? "there" : "away meanwhile")", within: .seconds(90)
        ) { limit in
            let before = try town.readings.newest("healthy")
            try await town.readings.wait(for: "readings again", within: limit) { readings in
                await town.healthy.push()
                return try readings.newest("healthy") > before
            }
        }
        try #require(try town.daemon.logLines("meter=healthy").count - known <= 10)
    }

    @Test("a disk that takes half a second for each sync: readings share it, none is lost, the watchdog stays quiet")
    func slowDisk() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let town = try await Neighbours(in: folder)
                let socket = try NotifySocket(folder.appendingPathComponent("notify").path)
                let slow = [
                    "strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e",
                    "inject=fsync,fdatasync:delay_enter=500000",
                ]
                guard try ChildProcess.run("strace", ["-D", "-o", "/dev/null", "true"]) == 0 else {
                    print("Not tested: a slow disk, strace does not run here")
                    throw FaultMatrix.NotTested()
                }
                try await town.start(
                    environment: ["NOTIFY_SOCKET=\(socket.path)", "WATCHDOG_USEC=4000000"], wrapper: slow)
                let tracer = try #require(try town.figures.tracer, "nobody slows it down")
                let before = try town.readings.newest("healthy")
                for _ in 0..<25 {
                    await town.healthy.push()
                    try await Task.sleep(for: .milliseconds(200))
                }
                try await town.readings.wait(for: "all pushes") { try $0.newest("healthy") == before + 25 }
                let signs = socket.count("WATCHDOG=1")
                try #require(signs >= 2, "signs of life")
                try await town.push()
                town.tell("slow disk")
                // It lets go of the daemon.
                kill(tracer, SIGKILL)
                try await waitFor("a disk as fast as before") { try town.figures.tracer == nil }
                try await town.recovery(of: "slow disk", within: .seconds(90)) { try await town.push(within: $0) }
                try town.daemon.requireLines(["WARNING": 0...3])
                try await town.requireNothingLost()
            }
        }
    }

    // MARK: Standing still

    @Test("the daemon stands still for longer than its keep-alive: offline, and online again by itself")
    func standstill() async throws {
        try await Self.matrix.cell {
            try await withFolder { folder in
                let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=200ms,serial=22222222"])
                let port = try #require(try await meters.ports(of: 1).first)
                let town = try await Neighbours(
                    in: folder,
                    meters: [
                        #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                    ], broker: "keepalive: 5s", filter: "obisd/#")
                try await town.start()
                try await town.readings.waitForMore(5)
                town.daemon.signal(SIGSTOP)
                // The broker gives up after one and a half keep-alives.
                try await town.subscriber.wait(for: "`offline`") {
                    $0.last("obisd/e2e/status")?.payload == "offline"
                }
                town.daemon.signal(SIGCONT)
                try await town.readings.recovery(of: "daemon stopped (SIGSTOP)", within: .seconds(90))
                try await town.subscriber.wait(for: "`online`") {
                    $0.last("obisd/e2e/status")?.payload == "online"
                }
                try await town.push()
                try town.daemon.requireLines(["WARNING": 0...6])
                meters.end()
                try await town.requireNothingLost()
            }
        }
    }
}

extension Subscriber {
    /// When the newest reading of a meter was captured, in seconds since 1970.
    fileprivate func lastCapture(_ meter: String) -> Double? {
        guard let text = readings(meter).last?.capturedAt else { return nil }
        return (try? Date(text, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true)))?
            .timeIntervalSince1970
    }
}
