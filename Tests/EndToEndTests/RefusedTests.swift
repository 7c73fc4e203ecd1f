import Foundation
import TestSupport
import Testing

/// A broker that does not want what it gets.
@Suite("Refused readings")
struct RefusedTests {
    @Test("a meter whose topic is not allowed waits by itself, also over a kill, and comes in order when it is")
    func accessList() async throws {
        try await withFolder { folder in
            let allowed = "topic readwrite #\n"
            let broker = try await MosquittoBroker(
                [
                    "acl_file FOLDER/acl", "persistence true", "persistence_location FOLDER/",
                    "max_queued_messages 100000",
                ],
                files: ["acl": "topic deny obisd/e2e/mute/reading\n" + allowed])
            let meters = try MetersProcess(
                folder: folder, ["dlms-push,tcp=0,interval=200ms", "dlms-push,tcp=0,interval=200ms,serial=2"])
            let ports = try await meters.ports(of: 2)
            let subscriber = try Subscriber(port: broker.port, folder: folder, session: "keeper")
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: zip(["loud", "mute"], ports).map { id, port in
                    #"id: \#(id), protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                })
            try daemon.start()
            try await daemon.waitForLog("The readings of mute stay in the journal")
            try await subscriber.wait(for: "the other meter's readings") { $0.newest("loud") >= 20 }
            #expect(subscriber.newest("mute") == 0)
            let status = try #require(try await daemon.status())
            #expect(status["degraded"]?.bool == true)
            let waiting = Int(status["journal"]?["backlog"]?.digits ?? "") ?? 0
            #expect(waiting >= 10)

            daemon.kill()
            try broker.write(allowed, to: "acl")
            broker.reload()
            let known = subscriber.newest("loud")
            try daemon.start()
            try await subscriber.wait(for: "readings of both") { $0.newest("mute") >= 20 && $0.newest("loud") > known }
            meters.end()
            try subscriber.read()
            for meter in ["loud", "mute"] { #expect(subscriber.sequenceProblems(meter).isEmpty) }
            #expect(subscriber.readings("mute").first?.seq == 1)
            #expect(subscriber.repeats("mute") == 0 && subscriber.repeats("loud") <= 20)
            #expect(try await daemon.terminate() == 0)
        }
    }

    @Test("a reading that is too large for the broker is told as a gap, and those behind it come")
    func tooLarge() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker(["max_packet_size 1200"])
            let meters = try MetersProcess(folder: folder, ["dlms-push,tcp=0,interval=100ms,list=objects"])
            let port = try #require(try await meters.ports(of: 1).first)
            let subscriber = try Subscriber(port: broker.port, folder: folder)
            let daemon = try DaemonProcess(
                folder: folder, brokerPort: broker.port,
                meters: [
                    #"id: main, protocol: dlms-push, transport: {tcp: "127.0.0.1:\#(port)"}, profile: lg-e450"#
                ])
            try daemon.start()
            try await subscriber.wait(for: "gaps in the place of readings") { subscriber in
                subscriber.messages.count { $0.kind == "gap" } >= 3
            }
            meters.end()
            let gaps = subscriber.messages.filter { $0.kind == "gap" }.compactMap(\.json)
            #expect(gaps.allSatisfy { $0["reason"]?.string == "set-aside" && $0["from_seq"] != nil })
            let told = gaps.compactMap { $0["from_seq"]?.digits }.compactMap { Int($0) }
            let given = Set(told + subscriber.readings("main").map(\.seq))
            let newest = try #require(given.max())
            #expect(given == Set(1...newest))
            #expect(try await daemon.terminate() == 0)
        }
    }
}
