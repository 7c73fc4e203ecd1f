import Foundation
import MeterSimulator
import Testing
import Wire

@testable import Transport

@Suite("Serial ports", .timeLimit(.minutes(1)))
struct SerialLinkTests {
    let opener = LinkOpener()

    @Test("every byte passes both ways unchanged")
    func transparent() async throws {
        try await withLine("115200 8N1") { line in
            let link = try await opener.serial(line, "115200 8N1")
            let bytes = [UInt8](0...255) + [UInt8](0...255).reversed()
            await line.send(bytes)
            #expect(try await link.inbound.bytes(bytes.count) == bytes)
            try await link.send(bytes)
            #expect(await line.inbound.bytes(bytes.count) == bytes)
            await link.close()
        }
    }

    @Test(
        "the line is set as configured",
        arguments: [
            ("300 7E1", PseudoTerminal.ReaderLine(baud: 300, checksParity: true, stripsToSevenBits: true)),
            ("2400 8E1", PseudoTerminal.ReaderLine(baud: 2400, checksParity: true)),
            ("9600 8N1", PseudoTerminal.ReaderLine(baud: 9600)),
            ("1200 8O2", PseudoTerminal.ReaderLine(baud: 1200, stopBits: 2, checksParity: true, parity: .odd)),
            ("115200 7N1", PseudoTerminal.ReaderLine(baud: 115_200, stripsToSevenBits: true)),
        ])
    func settings(text: String, expected: PseudoTerminal.ReaderLine) async throws {
        try await withLine(text) { line in
            let link = try await opener.serial(line, text)
            #expect(line.readerLine == expected)
            await link.close()
        }
    }

    @Test("a line that is only listened to does not check parity")
    func receiveOnly() async throws {
        try await withLine("2400 8E1") { line in
            let link = try await opener.serial(line, "2400 8E1", receiveOnly: true)
            #expect(line.readerLine == PseudoTerminal.ReaderLine(baud: 2400))
            await line.send([0x7E, 0xA0, 0x81])
            #expect(try await link.inbound.bytes(3) == [0x7E, 0xA0, 0x81])
            await link.close()
        }
    }

    @Test("a speed that no port has is an error of the configuration")
    func impossibleSpeed() async throws {
        try await withLine("300 8N1") { line in
            let endpoint = Endpoint.serial(path: line.path, line: LineSettings(baud: 1234))
            await #expect(throws: TransportError(.configuration, "")) {
                try await opener.open(endpoint, logger: logger)
            }
        }
    }

    @Test("send returns after the time that the characters take, and the line changes after it")
    func drained() async throws {
        try await withLine("300 7E1") { line in
            let link = try await opener.serial(line, "300 7E1")
            let acknowledge: [UInt8] = [0x06, 0x30, 0x35, 0x30, 0x0D, 0x0A]
            let start = ContinuousClock.now
            try await link.send(acknowledge)
            #expect(ContinuousClock.now - start >= line.line.duration(ofCharacters: 6))
            try await link.setLine(LineSettings(baud: 9600, dataBits: 7, parity: .even))
            // All of it arrived at the meter's 300 baud.
            #expect(await line.inbound.bytes(6) == acknowledge)
            #expect(line.readerLine?.baud == 9600)

            await line.setLine(LineSettings(baud: 9600, dataBits: 7, parity: .even))
            await line.send(Array("1.8.0(1)".utf8))
            #expect(try await link.inbound.bytes(8) == Array("1.8.0(1)".utf8))
            await link.close()
        }
    }

    @Test("the line does not change before a send that is under way is out")
    func setLineWaits() async throws {
        try await withLine("300 8N1") { line in
            let link = try await opener.serial(line, "300 8N1")
            let start = ContinuousClock.now
            let sending = Task { try await link.send([1, 2, 3, 4, 5, 6]) }
            // The bytes are at the meter long before their time on the line is over.
            #expect(await line.inbound.bytes(6) == [1, 2, 3, 4, 5, 6])
            try await link.setLine(LineSettings(baud: 9600))
            #expect(ContinuousClock.now - start >= line.line.duration(ofCharacters: 6))
            try await sending.value
            await link.close()
        }
    }
}

@Suite("A serial line with wrong settings", .timeLimit(.minutes(1)))
struct WrongSettingsTests {
    let opener = LinkOpener()
    let text = Array("/LGZ4ZMF100AC.M23\r\n".utf8)

    @Test("a reader of 8 bits gets the parity of a 7E1 meter in bit 7")
    func softwareParity() async throws {
        try await withLine("300 7E1") { line in
            let link = try await opener.serial(line, "300 8N1")
            await line.send(text)
            let bytes = try await link.inbound.bytes(text.count)
            #expect(bytes != text)
            #expect(bytes.map { $0 & 0x7F } == text)
            #expect(bytes.allSatisfy { $0.nonzeroBitCount % 2 == 0 })
            await link.close()
        }
    }

    @Test("bytes with wrong parity are read as 0 where parity is checked")
    func wrongParity() async throws {
        try await withLine("300 7E1") { line in
            let link = try await opener.serial(line, "300 7O1")
            await line.send(text)
            #expect(try await link.inbound.bytes(text.count) == [UInt8](repeating: 0, count: text.count))
            await link.close()
        }
    }

    @Test("another speed gives garbage both ways")
    func wrongSpeed() async throws {
        try await withLine("9600 8N1") { line in
            let link = try await opener.serial(line, "4800 8N1")
            await line.send(text)
            try await link.send(text)
            #expect(try await link.inbound.bytes(1) != Array(text.prefix(1)))
            #expect(await line.inbound.bytes(1) != Array(text.prefix(1)))
            await link.close()
        }
    }
}

@Suite("Serial ports that cannot be opened", .timeLimit(.minutes(1)))
struct SerialProblemTests {
    let opener = LinkOpener()
    let line = LineSettings(baud: 9600)

    private func problem(_ path: String) async -> TransportError? {
        do {
            await (try opener.open(.serial(path: path, line: line), logger: logger)).close()
            return nil
        } catch {
            return error
        }
    }

    @Test("a path that does not exist, a folder, a device without a line and a file are told apart")
    func paths() async throws {
        try await withTemporaryFolder { folder in
            let file = folder + "/recording.bin"
            try Data([1]).write(to: URL(fileURLWithPath: file))
            let cases: [(path: String, code: TransportError.Code, words: String)] = [
                (folder + "/missing", .notFound, "plug the adapter in"),
                (file + "/below-a-file", .notFound, "plug the adapter in"),
                (folder, .configuration, "directory"),
                ("/dev/null", .configuration, "no serial port"),
                (file, .configuration, "transport: {file:"),
                ("", .configuration, "path of the serial port is empty"),
            ]
            for (path, code, words) in cases {
                let error = try #require(await problem(path), "\(path)")
                #expect(error.code == code, "\(path)")
                #expect(error.message.contains(words), "\(error.message)")
                #expect(path.isEmpty || error.message.contains(path))
            }
            #expect(try openDescriptors(of: file) == 0)
        }
    }

    @Test(
        "what the system answers becomes a sentence with a remedy",
        arguments: [
            (EACCES, TransportError.Code.permission, "to group "), (EPERM, .permission, "to group "),
            (ENODEV, .notFound, "plug the adapter in"), (ENXIO, .notFound, "plug the adapter in"),
            (EBUSY, .busy, "another program"),
            (EMFILE, .io, "Too many open files"),
        ])
    func systemErrors(number: CInt, code: TransportError.Code, words: String) {
        let error = PathProblem(path: "/dev/tty").error(ErrorNumber(number))
        #expect(error.code == code)
        #expect(error.message.contains("/dev/tty"))
        #expect(error.message.contains(words), "\(error.message)")
    }

    @Test("a port that is not there names the usual group")
    func unknownGroup() {
        let error = PathProblem(path: "/no/such/port").error(ErrorNumber(EACCES))
        #expect(
            error.message
                == "cannot open /no/such/port: permission denied; add the user that runs this program to group dialout")
    }

    @Test("a second opener is told who has the port, and gets it after the first closed")
    func locked() async throws {
        try await withLine("9600 8N1") { line in
            let first = try await opener.serial(line, "9600 8N1")
            let error = try #require(await problem(line.path))
            #expect(error.code == .busy)
            #expect(error.message.contains("\(line.path) is in use by another meter of this program"))
            // The refused one left the line alone.
            await line.send([5])
            #expect(try await first.inbound.bytes(1) == [5])
            await first.close()
            #expect(await problem(line.path) == nil)
        }
    }

    @Test("a port that another program locked is told with that program's name")
    func lockedElsewhere() async throws {
        try await withLine("9600 8N1") { line in
            let (input, output) = (Pipe(), Pipe())
            let other = Process()
            other.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
            // Has the lock when it prints, and ends with its input.
            other.arguments = [line.path, "sh", "-c", "echo locked; cat"]
            other.standardInput = input
            other.standardOutput = output
            try other.run()
            #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "locked\n")
            let error = await problem(line.path)
            #expect(error?.code == .busy)
            #expect(error?.message.contains("in use by flock (process \(other.processIdentifier))") == true)
            try input.fileHandleForWriting.close()
            other.waitUntilExit()
            #expect(await problem(line.path) == nil)
        }
    }
}

@Suite("Serial ports that come and go", .timeLimit(.minutes(1)))
struct SerialLifeTests {
    let opener = LinkOpener()

    @Test("unplugging ends what a reader waits for, and sending")
    func unplugged() async throws {
        try await withLine("9600 8N1") { line in
            let link = try await opener.serial(line, "9600 8N1")
            let reader = Task { try await link.inbound.bytes(1) }
            await line.unplug()
            let error = await #expect(throws: TransportError.self) { try await reader.value }
            #expect(error?.code == .closed)
            #expect(error?.message.contains("\(line.path) is gone") == true)
            await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
            await #expect(throws: TransportError(.notFound, "")) { try await opener.serial(line, "9600 8N1") }
            await link.close()
        }
    }

    @Test("unplugging is noticed while nobody reads")
    func unpluggedUnread() async throws {
        try await withLine("9600 8N1") { line in
            let link = try await opener.serial(line, "9600 8N1")
            await line.send([UInt8](repeating: 1, count: 60_000))
            await line.unplug()
            let error = await #expect(throws: TransportError.self) { try await link.inbound.bytes(.max) }
            #expect(error?.code == .closed)
        }
    }

    @Test("after replugging the same path opens again, though another terminal is behind it")
    func replugged() async throws {
        try await withLine("2400 8E1") { line in
            let first = try await opener.serial(line, "2400 8E1")
            let before = try FileManager.default.destinationOfSymbolicLink(atPath: line.path)
            // Keeps the old number taken.
            let other = try PseudoTerminal()
            await line.unplug()
            try await line.replug()
            await #expect(throws: TransportError(.closed, "")) { try await first.inbound.bytes(1) }
            let second = try await opener.serial(line, "2400 8E1")
            await line.send([1, 2, 3])
            #expect(try await second.inbound.bytes(3) == [1, 2, 3])
            try await second.send([4])
            #expect(await line.inbound.bytes(1) == [4])
            #expect(before.hasPrefix("/dev/pts/"))
            await second.close()
            other.close()
        }
    }

    @Test("closing ends the reader without error, also twice, and sending fails from then on")
    func closed() async throws {
        try await withLine("9600 8N1") { line in
            let link = try await opener.serial(line, "9600 8N1")
            let reader = Task { try await link.inbound.bytes(1) }
            await link.close()
            await link.close()
            #expect(try await reader.value == [])
            await #expect(throws: TransportError(.closed, "")) { try await link.send([1]) }
            await #expect(throws: TransportError(.closed, "")) { try await link.setLine(LineSettings(baud: 300)) }
        }
    }

    @Test("a cancelled send returns at once")
    func cancelledSend() async throws {
        try await withLine("300 8N1") { line in
            let link = try await opener.serial(line, "300 8N1")
            let start = ContinuousClock.now
            // A minute on the line.
            let sending = Task { try await link.send([UInt8](repeating: 0, count: 1800)) }
            _ = await line.inbound.bytes(1)
            sending.cancel()
            await #expect(throws: TransportError(.cancelled, "")) { try await sending.value }
            #expect(ContinuousClock.now - start < line.line.duration(ofCharacters: 1800))
            await link.close()
        }
    }

    @Test("bytes from before the port was opened are not read")
    func stale() async throws {
        try await withLine("9600 8N1") { line in
            await line.send([1, 1, 1])
            let link = try await opener.serial(line, "9600 8N1")
            await line.send([2])
            #expect(try await link.inbound.bytes(1) == [2])
            await link.close()
        }
    }

    @Test("fifty openings leave no descriptor behind, whichever way they end")
    func descriptors() async throws {
        try await withLine("9600 8N1") { line in
            let before = try openDescriptors(of: line.path)
            #expect(before == 1)
            for round in 0..<50 {
                let link = try await opener.serial(line, "9600 8N1")
                await #expect(throws: TransportError(.busy, "")) { try await opener.serial(line, "9600 8N1") }
                if round.isMultiple(of: 2) { try await link.send([1]) }
                await link.close()
            }
            #expect(try openDescriptors(of: line.path) == before)
        }
    }

    @Test("with pacing, a meter gets bytes when their last bit has arrived")
    func paced() async throws {
        try await withLine("1200 8N1", pacing: .baudRate) { line in
            let link = try await opener.serial(line, "1200 8N1")
            let start = ContinuousClock.now
            await line.send([UInt8](repeating: 0x55, count: 24))
            #expect(ContinuousClock.now - start >= line.line.duration(ofCharacters: 24))
            #expect(try await link.inbound.bytes(24).count == 24)
            try await link.send([1, 2, 3])
            #expect(await line.inbound.bytes(3) == [1, 2, 3])
            await link.close()
        }
    }

    @Test("a reader that takes nothing does not hold up the meter for ever")
    func overrun() async throws {
        try await withLine("9600 8N1", pacing: .instant) { line in
            await line.send([UInt8](repeating: 1, count: 20_000))
            let link = try await opener.serial(line, "9600 8N1")
            await line.send([2])
            #expect(try await link.inbound.bytes(1) == [2])
            await link.close()
        }
    }
}
