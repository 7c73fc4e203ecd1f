import COSEM
import OBIS
import Wire

/// The meter's end of HDLC in normal response mode (IEC 62056-46): it speaks when it is polled.
///
///     93 SNRM → 73 UA      53 DISC → 73 UA, or 1F DM when nothing is connected
///     I N(R) P N(S) → I …, or RR where there is nothing to say
///
/// One session for each client. What the client has not confirmed is sent again at the next poll.
struct HDLCServerLink: Sendable {
    let configuration: DLMSMeter.LinkConfiguration
    private var input: [UInt8] = []
    private var sessions: [[UInt8]: HDLCSession] = [:]

    init(configuration: DLMSMeter.LinkConfiguration) {
        self.configuration = configuration
    }

    /// Half of a frame that the client does not go on with is none.
    mutating func lineFellSilent() {
        input = []
    }

    /// - Returns: the frames that the meter sends.
    mutating func receive(
        _ bytes: [UInt8], _ server: inout DLMSServer, house: Household, time: MeterTime
    ) -> [[UInt8]] {
        input += bytes
        var frames: [HDLCFrame] = []
        while let scanned = HDLCScan(&input) {
            switch scanned {
            case .damaged: server.memory.damagedFrames += 1
            case .frame(let frame):
                guard let client = HDLCAddress(frame.source)?.upper, isOwn(frame.destination) else { continue }
                frames += handle(frame, client, &server, DLMSServer.Moment(house: house, time: time))
            }
        }
        return server.memory.isSilent ? [] : frames.compactMap { $0.encoded() }
    }

    private func isOwn(_ address: [UInt8]) -> Bool {
        guard let address = HDLCAddress(address), address.upper == configuration.server else { return false }
        return address.lower == nil || configuration.physical == nil || address.lower == configuration.physical
    }

    // MARK: Frames

    private enum Control {
        static let poll: UInt8 = 0x10
        static let setNormalMode: UInt8 = 0x83
        static let disconnect: UInt8 = 0x43
        static let acknowledge: UInt8 = 0x63
        static let disconnected: UInt8 = 0x0F
        static let reject: UInt8 = 0x87
        static let unnumbered: UInt8 = 0x03
    }

    private mutating func handle(
        _ frame: HDLCFrame, _ client: UInt16, _ server: inout DLMSServer, _ moment: DLMSServer.Moment
    ) -> [HDLCFrame] {
        let isPoll = frame.control & Control.poll != 0
        switch frame.control & ~Control.poll {
        case Control.setNormalMode:
            server.disconnect(client)
            let session = HDLCSession(configuration, asked: HDLCParameters(frame.information))
            sessions[frame.source] = session
            return [answer(frame, Control.acknowledge, information: session.announced)]
        case Control.disconnect:
            let isConnected = sessions.removeValue(forKey: frame.source) != nil
            server.disconnect(client)
            return [answer(frame, isConnected ? Control.acknowledge : Control.disconnected)]
        case Control.unnumbered: return []
        default: break
        }
        guard var session = sessions[frame.source] else {
            return isPoll ? [answer(frame, Control.disconnected)] : []
        }
        defer { sessions[frame.source] = session }
        let isRejected = frame.control & 1 == 0 && server.memory.faults.frameRejects.take()
        guard !isRejected, let taken = session.take(frame) else {
            return [answer(frame, Control.reject, information: session.rejection(of: frame.control))]
        }
        var frames: [HDLCFrame] = []
        if case .message(let apdu) = taken {
            for message in server.receive(apdu: apdu, from: client, house: moment.house, at: moment.time) {
                // What the meter says unasked travels outside of the numbered frames, and does not end its turn.
                if message.first == DLMSServer.Tag.dataNotification {
                    frames.append(
                        HDLCFrame(
                            destination: frame.source, source: frame.destination, control: Control.unnumbered,
                            information: HDLCSession.header + message))
                } else {
                    session.queue(message)
                }
            }
        }
        return frames + (isPoll ? session.polled(by: frame) : [])
    }

    private func answer(_ frame: HDLCFrame, _ control: UInt8, information: [UInt8] = []) -> HDLCFrame {
        HDLCFrame(
            destination: frame.source, source: frame.destination, control: control | Control.poll,
            information: information)
    }
}

// MARK: - Session

/// Numbers, limits and frames of one connected client.
private struct HDLCSession {
    /// LLC of the meter.
    static let header: [UInt8] = [0xE6, 0xE7, 0x00]

    private struct Piece {
        let information: [UInt8]
        let isSegmented: Bool
    }

    enum Taken {
        case message([UInt8])
        case nothing
    }

    /// What the UA tells.
    let announced: [UInt8]
    private let maximumTransmit: Int
    private let maximumReceive: Int
    private let transmitWindow: Int
    private var nextReceived: UInt8 = 0
    private var nextSent: UInt8 = 0
    private var waiting: [Piece] = []
    /// Sent and not confirmed, oldest first; the newest has the number before `nextSent`.
    private var unconfirmed: [Piece] = []
    private var assembled: [UInt8] = []

    /// What neither side names is 128 bytes and a window of one.
    init(_ own: DLMSMeter.LinkConfiguration, asked: HDLCParameters) {
        maximumTransmit = min(own.maximumTransmit, asked.maximumReceive ?? 128)
        maximumReceive = min(own.maximumReceive, asked.maximumTransmit ?? own.maximumReceive)
        transmitWindow = max(1, min(own.transmitWindow, asked.receiveWindow ?? 1, 7))
        let receiveWindow = max(1, min(own.receiveWindow, asked.transmitWindow ?? own.receiveWindow, 7))
        announced =
            !own.announcesParameters
            ? []
            : HDLCParameters(
                maximumTransmit: min(own.maximumTransmit, asked.maximumReceive ?? own.maximumTransmit),
                maximumReceive: maximumReceive,
                transmitWindow: asked.receiveWindow.map { min(own.transmitWindow, $0) } ?? own.transmitWindow,
                receiveWindow: receiveWindow
            ).encoded(isLong: own.hasLongParameters)
    }

    // MARK: Taking

    /// - Returns: nil for a frame that is to be rejected.
    mutating func take(_ frame: HDLCFrame) -> Taken? {
        let isInformation = frame.control & 1 == 0
        // RR is 01, RNR 05.
        guard isInformation || [0x01, 0x05].contains(frame.control & 0x0F), confirm(frame.control >> 5),
            frame.information.count <= maximumReceive, assembled.count <= Limits.apdu
        else { return nil }
        guard isInformation else { return .nothing }
        // Another number is a repeated frame, or one behind a lost frame: the answer tells which is wanted.
        guard frame.control >> 1 & 7 == nextReceived else { return .nothing }
        nextReceived = (nextReceived + 1) & 7
        assembled += frame.information
        guard !frame.isSegmented else { return .nothing }
        defer { assembled = [] }
        waiting = []
        guard assembled.prefix(3) == [0xE6, 0xE6, 0x00] else { return .nothing }
        return .message(Array(assembled.dropFirst(3)))
    }

    /// - Returns: false for a number that was never sent.
    private mutating func confirm(_ number: UInt8) -> Bool {
        let open = Int((nextSent &- number) & 7)
        guard open <= unconfirmed.count else { return false }
        unconfirmed.removeFirst(unconfirmed.count - open)
        return true
    }

    /// The rejected control field, the numbers of this side, and why: not understood.
    func rejection(of control: UInt8) -> [UInt8] {
        [control, nextReceived << 5 | nextSent << 1, 0x01]
    }

    // MARK: Sending

    mutating func queue(_ apdu: [UInt8]) {
        let message = Self.header + apdu
        for start in stride(from: 0, to: message.count, by: maximumTransmit) {
            let end = min(message.count, start + maximumTransmit)
            waiting.append(Piece(information: Array(message[start..<end]), isSegmented: end < message.count))
        }
    }

    /// All that is not confirmed and fits the window, the last with the final bit; RR where there is nothing.
    mutating func polled(by poll: HDLCFrame) -> [HDLCFrame] {
        // RNR: it is not ready to take any.
        let isReady = poll.control & 0x0F != 0x05
        while isReady, unconfirmed.count < transmitWindow, !waiting.isEmpty {
            unconfirmed.append(waiting.removeFirst())
            nextSent = (nextSent + 1) & 7
        }
        func frame(_ control: UInt8, _ piece: Piece?) -> HDLCFrame {
            HDLCFrame(
                destination: poll.source, source: poll.destination, control: nextReceived << 5 | control,
                isSegmented: piece?.isSegmented ?? false, information: piece?.information ?? [])
        }
        guard !unconfirmed.isEmpty, isReady else { return [frame(0x11, nil)] }
        let first = nextSent &- UInt8(unconfirmed.count)
        return unconfirmed.enumerated().map { index, piece in
            let final: UInt8 = index == unconfirmed.count - 1 ? 0x10 : 0
            return frame(((first &+ UInt8(index)) & 7) << 1 | final, piece)
        }
    }
}
