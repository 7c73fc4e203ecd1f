import OBIS
import Wire

/// A meter that is asked over DLMS/COSEM at one line, without input or output of its own: bytes go in, what it does comes
/// out.
public struct DLMSMeter: Sendable {
    /// What carries the messages.
    public enum Framing: String, Sendable, CaseIterable {
        /// The header of TCP and UDP.
        case wrapper
        case hdlc
    }

    /// The meter's end of HDLC, as it is before a client negotiates. Sizes are information bytes of a frame.
    public struct LinkConfiguration: Sendable {
        /// The upper address.
        public var server: UInt16 = 1
        /// The lower address; nil: any.
        public var physical: UInt16?
        public var maximumTransmit = 128
        public var maximumReceive = 128
        /// Frames until the client has to confirm, up to 7.
        public var transmitWindow = 1
        public var receiveWindow = 1
        /// Whether UA has the parameters.
        public var announcesParameters = true
        /// Whether sizes below 256 take two bytes in UA.
        public var hasLongParameters = false

        public init() {}
    }

    /// What the meter does, in this order.
    public enum Action: Sendable, Hashable {
        case wait(Duration)
        case send([UInt8])
        /// The meter ends the connection.
        case close
    }

    public var server: DLMSServer
    private var link: Link

    private enum Link: Sendable {
        case wrapper(WrapperServerLink)
        case hdlc(HDLCServerLink)
    }

    public init(server: DLMSServer, framing: Framing, link: LinkConfiguration = LinkConfiguration()) {
        self.server = server
        self.link =
            framing == .wrapper
            ? .wrapper(WrapperServerLink(address: server.configuration.address))
            : .hdlc(HDLCServerLink(configuration: link))
    }

    /// What arrives in pieces comes without such a pause.
    public static let silence = Duration.milliseconds(500)

    /// Nothing arrived for longer than `silence`.
    public mutating func lineFellSilent() {
        switch link {
        case .wrapper(var wrapper):
            wrapper.lineFellSilent()
            link = .wrapper(wrapper)
        case .hdlc(var hdlc):
            hdlc.lineFellSilent()
            link = .hdlc(hdlc)
        }
    }

    /// Bytes arrived.
    public mutating func receive(_ bytes: [UInt8], house: Household, time: MeterTime) -> [Action] {
        let frames: [[UInt8]]
        switch link {
        case .wrapper(var wrapper):
            frames = wrapper.receive(bytes, &server, house: house, time: time)
            link = .wrapper(wrapper)
        case .hdlc(var hdlc):
            frames = hdlc.receive(bytes, &server, house: house, time: time)
            link = .hdlc(hdlc)
        }
        guard !frames.isEmpty else { return [] }
        let delay = server.memory.faults.delay
        let noise: [Action] = server.memory.faults.noise.take() ? [.send(Self.garbage)] : []
        return (delay > .zero ? [.wait(delay)] : []) + noise + send(frames)
    }

    private static let garbage: [UInt8] = [0x00, 0x7E, 0xA0, 0xFF, 0x55, 0x10]

    private mutating func send(_ frames: [[UInt8]]) -> [Action] {
        var actions: [Action] = []
        for var frame in frames {
            server.memory.frames += 1
            let (number, faults) = (server.memory.frames, server.memory.faults)
            if number == faults.lostFrame { continue }
            if number == faults.closedFrame {
                return actions + [.send(Array(frame.prefix(frame.count / 2))), .close]
            }
            // The check sequence stands before the closing flag.
            if number == faults.wrongCheckFrame, case .hdlc = link { frame[frame.count - 2] ^= 0x01 }
            actions.append(.send(frame))
            if number == faults.repeatedFrame { actions.append(.send(frame)) }
        }
        return actions
    }
}
