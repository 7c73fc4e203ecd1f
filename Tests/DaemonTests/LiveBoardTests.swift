import TestSupport
import Testing

@testable import Daemon
@testable import MQTT

@Suite("The retained topics")
struct LiveBoardTests {
    private func next(_ board: inout LiveBoard) -> String? {
        board.next().map { "\($0.topic)=\(String(decoding: $0.payload, as: UTF8.self))" }
    }

    private func all(_ board: inout LiveBoard) -> [String] {
        var sent: [String] = []
        while let message = next(&board) { sent.append(message) }
        return sent
    }

    @Test("wait for a connection, then go out once, retained, in the order in which they were first set")
    func first() {
        var board = LiveBoard()
        board.set("a", [0x31])
        board.set("b", [0x32])
        board.set("a", [0x33])
        #expect(board.next() == nil)
        board.connected()
        let message = board.next()
        #expect(message == MQTTMessage(topic: "a", payload: [0x33], qos: 1, retain: true))
        #expect(all(&board) == ["b=2"])
    }

    @Test("that matter most come first with a new connection, and those that say that nothing is wrong come last")
    func urgency() {
        var board = LiveBoard()
        board.set("fine", [0x30], urgency: .last)
        board.set("open", [0x30], urgency: .last)
        board.set("state", [0x31])
        board.set("status", [0x32], urgency: .first)
        board.set("open", [0x33])
        board.connected()
        #expect(all(&board) == ["status=2", "open=3", "state=1", "fine=0"])
    }

    @Test("of one topic only the newest value waits while another is under way")
    func newest() {
        var board = LiveBoard()
        board.connected()
        board.set("a", [0x31])
        #expect(next(&board) == "a=1")
        board.set("a", [0x32])
        board.set("a", [0x33])
        #expect(next(&board) == nil)
        board.completed("a", succeeded: true)
        #expect(next(&board) == "a=3")
        board.completed("a", succeeded: true)
        #expect(next(&board) == nil)
    }

    @Test("that the broker did not take are sent again when it is asked once more, and only those")
    func retried() {
        var board = LiveBoard()
        board.connected()
        board.set("a", [0x31])
        board.set("b", [0x32])
        #expect(all(&board) == ["a=1", "b=2"])
        board.completed("a", succeeded: false)
        board.completed("b", succeeded: true)
        #expect(next(&board) == nil)
        board.retry()
        #expect(all(&board) == ["a=1"])
        board.completed("a", succeeded: true)
        board.retry()
        #expect(next(&board) == nil)
    }

    @Test("take no more than their share of the window")
    func share() {
        var board = LiveBoard()
        board.connected()
        for index in 0..<10 { board.set("t\(index)", [0x30]) }
        #expect(all(&board).count == LiveBoard.share)
        board.completed("t2", succeeded: true)
        #expect(all(&board) == ["t4=0"])
    }

    @Test("are all sent again to a broker that may have forgotten them")
    func reconnected() {
        var board = LiveBoard()
        board.connected()
        for topic in ["a", "b"] { board.set(topic, [0x31]) }
        #expect(all(&board) == ["a=1", "b=1"])
        board.completed("a", succeeded: true)
        board.disconnected()
        board.completed("b", succeeded: false)
        board.set("b", [0x32])
        #expect(next(&board) == nil)
        board.connected()
        #expect(all(&board) == ["a=1", "b=2"])
    }

    @Test("a topic that the broker refuses is left alone until it changes")
    func refused() {
        var board = LiveBoard()
        board.connected()
        board.set("a", [0x31])
        #expect(next(&board) == "a=1")
        board.completed("a", succeeded: false)
        #expect(next(&board) == nil)
        board.set("a", [0x32])
        #expect(next(&board) == "a=2")
    }

    @Test("any order of events ends with the newest value of each topic at the broker", arguments: 1...40)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var board = LiveBoard()
        var wanted: [String: UInt8] = [:]
        var broker: [String: UInt8] = [:]
        var underWay: [String] = []
        var isConnected = false
        func deliver() {
            while let message = board.next() {
                #expect(isConnected)
                broker[message.topic] = message.payload.first
                underWay.append(message.topic)
                #expect(Set(underWay).count == underWay.count && underWay.count <= LiveBoard.share)
            }
        }
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let (topic, value) = (
                    "t\(Int.random(in: 0..<9, using: &random))", UInt8.random(in: 0...255, using: &random)
                )
                wanted[topic] = value
                board.set(topic, [value])
            case 4 where !isConnected:
                isConnected = true
                board.connected()
            case 5 where isConnected:
                // What was under way is told as lost before the end of the connection is.
                for topic in underWay { board.completed(topic, succeeded: false) }
                (underWay, isConnected) = ([], false)
                board.disconnected()
            default:
                guard let index = underWay.indices.randomElement(using: &random) else { continue }
                board.completed(underWay.remove(at: index), succeeded: true)
            }
            deliver()
        }
        if !isConnected {
            isConnected = true
            board.connected()
        }
        deliver()
        while let topic = underWay.popLast() {
            board.completed(topic, succeeded: true)
            deliver()
        }
        #expect(broker == wanted)
    }

    @Test("what follows goes out behind everything that waits, once the broker has what it follows")
    func following() {
        var board = LiveBoard()
        board.set("old", [0x31], following: [])
        board.set("new", [0x32])
        #expect(board.holds("new", [0x32]) && !board.holds("old", [0x31]) && board.isWaiting("old"))
        board.connected()
        #expect(next(&board) == "old=1")
        board.completed("old", succeeded: false)
        board.retry()
        #expect(all(&board) == ["new=2", "old=1"])
        board.completed("old", succeeded: true)
        #expect(next(&board) == "old=")
        board.completed("old", succeeded: true)
        #expect(!board.isWaiting("old"))
    }

    @Test("a topic that is set again forgets what was to follow")
    func overtaken() {
        var board = LiveBoard()
        board.connected()
        board.set("old", [0x31], following: [])
        #expect(next(&board) == "old=1")
        board.set("old", [0x33])
        board.completed("old", succeeded: true)
        #expect(next(&board) == "old=3")
        board.completed("old", succeeded: true)
        #expect(next(&board) == nil && !board.isWaiting("old"))
    }

    @Test("everything is sent again for a subscriber that has lost what it knew, what is under way once more")
    func again() {
        var board = LiveBoard()
        board.connected()
        board.set("a", [0x31])
        board.set("b", [0x32])
        #expect(next(&board) == "a=1")
        board.completed("a", succeeded: true)
        #expect(next(&board) == "b=2")
        board.sendAgain()
        #expect(all(&board) == ["a=1"])
        board.completed("b", succeeded: true)
        #expect(next(&board) == "b=2")
    }
}
