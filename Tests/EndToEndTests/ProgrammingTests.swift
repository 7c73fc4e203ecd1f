import Foundation
import OBIS
import TestSupport
import Testing

@Suite("A meter in programming mode, end to end")
struct ProgrammingTests {
    private static let registers = #"registers: ["C.1.0", "1.8.0", "2.8.0", "16.7", "0.9.1", "0.9.2"]"#

    /// The stanza of a meter at a pseudo-terminal.
    private static func stanza(_ id: String, _ path: String, _ more: String) -> String {
        "id: \(id), protocol: iec62056-21, mode: programming, interval: 1s, "
            + "transport: {serial: \(path), line: 300 7E1}, \(registers), \(more)"
    }

    @Test("is read with its password from 300 to 9600 baud, whole and in partial blocks, and its clock is compared")
    func read() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let paths = ["whole", "partial"].map { folder.appendingPathComponent($0).path }
            let meters = try MetersProcess(
                folder: folder,
                [
                    "iec62056-21,mode=programming,baud=9600,password=12345678,pty=\(paths[0])",
                    "iec62056-21,mode=programming,baud=9600,password=12345678,block=7,echo,nak=1,pty=\(paths[1])",
                ])
            defer { meters.end() }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    Self.stanza("whole", paths[0], "password_file: password"),
                    Self.stanza("partial", paths[1], "password_file: password, request: r6"),
                ])
            try daemon.write("12345678\n", to: "password")
            try daemon.start()
            try await subscriber.wait(for: "two readings of each meter", within: .seconds(120)) { subscriber in
                ["whole", "partial"].allSatisfy { subscriber.newest($0) >= 2 }
            }
            for id in ["whole", "partial"] {
                let json = try #require(subscriber.readings(id).last?.json, "\(id)")
                #expect(json["quality"]?.string == "good", "\(id): \(json["issues"] ?? .null)")
                #expect(json["device"]?["id"]?.string == "87654321" && json["device"]?["manufacturer"]?.string == "LGZ")
                #expect(json["energies"]?["active_import"]?.digits?.contains(".") == true, "\(id)")
                #expect(json["meter_time"]?.string != nil, "\(id)")
                #expect(subscriber.sequenceProblems(id) == [])
            }
            #expect(try await daemon.terminate() == 0)
        }
    }

    @Test("with a wrong password is reported with what to do, and the password is in no capture")
    func wrongPassword() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let path = folder.appendingPathComponent("meter").path
            let meters = try MetersProcess(
                folder: folder, ["iec62056-21,mode=programming,password=12345678,pty=\(path)"])
            defer { meters.end() }
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let captures = folder.appendingPathComponent("captures")
            try FileManager.default.createDirectory(at: captures, withIntermediateDirectories: true)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port, meters: [Self.stanza("main", path, "password_file: password")])
            try daemon.write("87654321\n", to: "password")
            try daemon.start(["--capture", captures.path])
            try await waitFor("the sentence that says what to do") {
                try daemon.log.read()
                return daemon.log.lines.contains { $0.contains("refused the password") && $0.contains("password_file") }
            }
            let file = captures.appendingPathComponent("main.capture")
            func passwords() throws -> Int {
                try String(contentsOf: file, encoding: .utf8).components(separatedBy: " > 01503102").count - 1
            }
            // It is tried once in a poll, and not a third time.
            try await waitFor("the second attempt") { try passwords() == 2 }
            try subscriber.read()
            #expect(subscriber.newest("main") == 0)
            #expect(try await daemon.terminate() == 0)
            // SOH P1 STX, and then nothing of the password.
            #expect(try passwords() == 2)
            #expect(try !String(contentsOf: file, encoding: .utf8).contains("3837363534333231"))
        }
    }
}
