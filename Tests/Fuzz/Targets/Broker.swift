import Foundation
import Logging
import MQTT
import OBIS
import Synchronization

/// Packets of a broker, through the library's callbacks to a whole session.
extension FuzzTarget {
    static let broker: [FuzzTarget] = [
        session("broker.v5", .v5, [[0, 0x20, 3, 0, 0, 0], accepted + message, accepted + [0x90, 4, 0, 1, 0, 1]]),
        session(
            "broker.v311", .v311,
            [[0, 0x20, 2, 0, 0], [0, 0x20, 2, 0, 5], [0, 0x20, 2, 0, 0, 0x30, 4, 0, 1, 97, 98]]),
        // The library's length is right: the first byte of each packet is its kind, the second the length of its content.
        FuzzTarget("broker.packets", .session, maximumLength: 1024) {
            [
                [0x20, 3, 0, 0, 0, 0x30, 5, 0, 1, 97, 0, 98, 0xE0, 2, 0x8E, 0],
                [0x20, 17, 0, 0, 14, 0x21, 0, 10, 0x27, 0, 0, 1, 0, 0x24, 1, 0x25, 0, 0x13, 0, 5],
                [0x20, 3, 0, 0, 0, 0x40, 3, 0, 1, 0x10, 0x90, 4, 0, 1, 0, 1, 0xD0, 0, 0x62, 2, 0, 1],
            ]
        } run: { bytes in
            FuzzedBroker.shared?.meet(packets(bytes), .v5)
        },
    ]

    private static func session(_ name: String, _ version: MQTTVersion, _ seeds: [[UInt8]]) -> FuzzTarget {
        FuzzTarget(name, .session, maximumLength: 1024) {
            seeds
        } run: { bytes in
            FuzzedBroker.shared?.meet(Array(bytes.dropFirst()), version)
        }
    }

    private static let accepted: [UInt8] = [0, 0x20, 3, 0, 0, 0]
    private static let message: [UInt8] = [0x32, 9, 0, 1, 97, 0, 7, 0, 98, 99, 100]

    private static func packets(_ bytes: [UInt8]) -> [UInt8] {
        var choices = Choices(bytes)
        var packets: [UInt8] = []
        while !choices.isUsedUp {
            let kind = choices.byte()
            let content = choices.run()
            let length = UInt8(content.count & 0x7F)
            packets += [kind] + (content.count < 0x80 ? [length] : [length | 0x80, 1]) + content
        }
        return packets
    }
}

/// A broker at a socket of this machine that says the input to whoever connects, and nothing more.
private final class FuzzedBroker: Sendable {
    static let shared = FuzzedBroker()

    private let path: String
    private let listener: Int32
    private let words = Mutex<[UInt8]>([])
    private let mailbox = Mailbox()
    private let wakeUp: WakeUp
    private let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    private init?() {
        path = Scratch.folder + "/broker"
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard let wakeUp = try? WakeUp(), Self.bind(listener, to: path), listen(listener, 4) == 0 else { return nil }
        self.wakeUp = wakeUp
        _ = mailbox.begin(wakeUp)
        mailbox.subscribe("obisd/+/command", qos: 1)
        Thread.detachNewThread { self.serve() }
    }

    private static func bind(_ descriptor: Int32, to path: String) -> Bool {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// One whole session with it. Port 0 is how the library is told of a path.
    func meet(_ bytes: [UInt8], _ version: MQTTVersion) {
        words.withLock { $0 = bytes }
        var settings = BrokerSettings(host: path, port: 0, clientID: "fuzz", version: version)
        settings.properties = MessageProperties(user: ["schema": "1"])
        let (events, eventSink) = AsyncStream.makeStream(
            of: MQTTClient.Event.self, bufferingPolicy: .bufferingNewest(16))
        let (messages, sink) = AsyncStream.makeStream(of: MQTTMessage.self, bufferingPolicy: .bufferingNewest(16))
        let log = ConnectionLog(logger, settings: settings)
        guard
            let session = try? BrokerSession(
                settings: settings, mailbox: mailbox, wakeUp: wakeUp, log: log, events: eventSink, messages: sink)
        else { preconditionFailure("the library takes no settings") }
        precondition(!session.run(onlyIPv4: false).sentence.isEmpty, "an end without a sentence")
        withExtendedLifetime((events, messages)) {}
    }

    // MARK: The other side

    private func serve() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let guest = accept(listener, nil, nil), guest >= 0 {
            let words = words.withLock { $0 }
            _ = words.withUnsafeBytes { send(guest, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            shutdown(guest, Int32(SHUT_WR))
            while recv(guest, &buffer, buffer.count, 0) > 0 {}
            close(guest)
        }
    }
}
