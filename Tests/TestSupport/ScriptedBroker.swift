import Foundation
import Synchronization

/// A broker that does to each connection what a test tells it to, on a thread of its own.
public final class ScriptedBroker: Sendable {
    private struct State {
        var sockets: [Int32] = []
        var isClosed = false
        var count = 0
    }

    public let port: Int
    private let listener: Int32
    private let state = Mutex(State())

    /// - Parameter script: what happens to a connection, which ends when it returns.
    public init(_ script: @escaping @Sendable (Guest) -> Void) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try FreePort.tcp()
        guard FreePort.bind(listener, to: port), listen(listener, 8) == 0 else {
            throw MosquittoBroker.Failure(description: "the scripted broker has no port: errno \(errno)")
        }
        Thread.detachNewThread { [self] in serve(script) }
    }

    /// Ends what is there; no further connection is taken.
    public func end() {
        let sockets = state.withLock { state in
            state.isClosed = true
            return state.sockets
        }
        for socket in sockets + [listener] { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    /// How many connections were made.
    public var guests: Int { state.withLock { $0.count } }

    private func serve(_ script: @escaping @Sendable (Guest) -> Void) {
        while case let socket = accept(listener, nil, nil), socket >= 0 {
            let number: Int? = state.withLock { state in
                guard !state.isClosed else { return nil }
                state.sockets.append(socket)
                state.count += 1
                return state.count
            }
            guard let number else {
                close(socket)
                continue
            }
            Thread.detachNewThread { [self] in
                script(Guest(socket, number: number))
                state.withLock { $0.sockets.removeAll { $0 == socket } }
                close(socket)
            }
        }
        close(listener)
    }

    /// One packet as a client sent it.
    public struct Packet: Sendable {
        /// Its kind (MQTT 5, 2.1.2): 1 CONNECT, 3 PUBLISH, 8 SUBSCRIBE, 12 PINGREQ, 14 DISCONNECT.
        public let kind: UInt8
        public let flags: UInt8
        public let body: [UInt8]

        /// The two bytes of its number; none where it has none.
        public var number: ArraySlice<UInt8> {
            switch kind {
            case 3 where flags & 0b110 != 0:
                let start = 2 + Int(body.first ?? 0) << 8 + Int(body.dropFirst().first ?? 0)
                return body.dropFirst(start).prefix(2)
            case 8, 10: return body.prefix(2)
            default: return []
            }
        }
    }

    /// One connection to it.
    public final class Guest {
        /// From 1.
        public let number: Int
        private let socket: Int32

        fileprivate init(_ socket: Int32, number: Int) {
            self.socket = socket
            self.number = number
        }

        /// Waits for the next packet. - Returns: nil at the end of the connection.
        public func packet() -> Packet? {
            guard let first = bytes(1)?.first else { return nil }
            var (length, shift) = (0, 0)
            repeat {
                guard shift <= 21, let byte = bytes(1)?.first else { return nil }
                length |= Int(byte & 0x7F) << shift
                shift = byte & 0x80 != 0 ? shift + 7 : -1
            } while shift >= 0
            return bytes(length).map { Packet(kind: first >> 4, flags: first & 0x0F, body: $0) }
        }

        private func bytes(_ count: Int) -> [UInt8]? {
            guard count > 0 else { return [] }
            var buffer = [UInt8](repeating: 0, count: count)
            let got = recv(socket, &buffer, count, Int32(MSG_WAITALL))
            return got == count ? buffer : nil
        }

        /// - Returns: whether all of it went out.
        @discardableResult
        public func send(_ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes { buffer in
                    Foundation.send(
                        socket, buffer.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }

        // MARK: What a broker does

        /// Takes the client's CONNECT and accepts it. - Returns: whether it came.
        @discardableResult
        public func accept() -> Bool {
            guard packet()?.kind == 1 else { return false }
            return send([0x20, 3, 0, 0, 0])
        }

        /// Answers subscriptions and pings until the connection ends; nothing is acknowledged.
        ///
        /// - Parameter publish: what to do with a message.
        public func serve(_ publish: (Packet) -> Void = { _ in }) {
            while let packet = packet() {
                switch packet.kind {
                case 3: publish(packet)
                case 8: send([0x90, 4] + packet.number + [0, 1])
                case 10: send([0xB0, 4] + packet.number + [0, 0])
                case 12: send([0xD0, 0])
                case 14: return
                default: break
                }
            }
        }

        /// Waits until the client has ended the connection, whatever it still sends.
        public func waitForEnd() {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while recv(socket, &buffer, buffer.count, 0) > 0 {}
        }
    }
}
