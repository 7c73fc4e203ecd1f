import COSEM
import IEC62056
import MBus
import MeterSimulator
import OBIS
import Synchronization
import Wire

/// A simulated meter that is asked over DLMS.
struct DLMSPeer: Peer {
    var meter: DLMSMeter
    let framing: ClientSettings.Framing

    mutating func hear(_ bytes: [UInt8]) -> [[UInt8]] {
        meter.receive(bytes, house: Sample.house, time: Sample.noon).compactMap {
            if case .send(let answer) = $0 { answer } else { nil }
        }
    }

    mutating func wait() -> [[UInt8]] {
        meter.lineFellSilent()
        return []
    }

    /// For HDLC the first byte is the control field.
    func framed(_ content: [UInt8]) -> [UInt8] {
        guard framing == .hdlc else { return FuzzTarget.wrapper(content) }
        return HDLCFrame(
            destination: [0x03], source: [0x03], control: content.first ?? 0,
            information: [0xE6, 0xE7, 0x00] + content.dropFirst()
        ).encoded() ?? []
    }
}

/// A simulated meter with an optical port.
struct OpticalPeer: Peer {
    private var meter: OpticalMeter

    init(_ configuration: OpticalMeter.Configuration, binary: OpticalMeter.Binary? = nil) {
        meter = OpticalMeter(configuration: configuration, time: { Sample.noon }, binary: binary) { Self.dataSets }
    }

    private static let dataSets: [OpticalMeter.DataSet] = [
        .init("F.F", "00"), .init("0.0.0", "12345678"), .init("0.9.1", "113456"), .init("0.9.2", "260115"),
        .init("1.8.0", "001234.567", unit: "kWh"), .init("16.7", "0.432", unit: "kW"),
    ]

    mutating func hear(_ bytes: [UInt8]) -> [[UInt8]] { answers(meter.receive(bytes)) }

    mutating func wait() -> [[UInt8]] { answers(meter.timer()) }

    /// The time that a meter takes for an answer passes at once, longer ones do not.
    private mutating func answers(_ actions: [OpticalMeter.Action]) -> [[UInt8]] {
        var answers: [[UInt8]] = []
        var actions = actions
        for _ in 0..<8 where !actions.isEmpty {
            var isDue = false
            for action in actions {
                switch action {
                case .send(let bytes): answers.append(bytes)
                case .arm(let duration): isDue = duration < .seconds(1)
                case .disarm: isDue = false
                case .setLine: break
                }
            }
            actions = isDue ? meter.timer() : []
        }
        return answers
    }

    /// `STX content ETX BCC`
    func framed(_ content: [UInt8]) -> [UInt8] {
        let checked = content + [0x03]
        return [0x02] + checked + [checked.reduce(0, ^) & 0x7F]
    }
}

/// A simulated slave of an M-Bus.
struct BusPeer: Peer {
    var slave: MBusSlave

    mutating func hear(_ bytes: [UInt8]) -> [[UInt8]] {
        slave.receive(bytes, house: Sample.house, time: Sample.noon)
    }

    mutating func wait() -> [[UInt8]] {
        slave.lineFellSilent()
        return []
    }

    /// A response whose first byte is the control information.
    func framed(_ content: [UInt8]) -> [UInt8] {
        LongFrame(
            control: Control.response, address: 1, controlInformation: content.first ?? 0x72,
            data: Array(content.dropFirst().prefix(250))
        ).encoded() ?? []
    }
}

/// Somebody who talks by himself: each time that is waited for, the next of these messages.
struct TalkingPeer: Peer {
    let messages: [[UInt8]]
    private var next = 0

    init(_ messages: [[UInt8]]) { self.messages = messages }

    mutating func hear(_ bytes: [UInt8]) -> [[UInt8]] { [] }

    mutating func wait() -> [[UInt8]] {
        defer { next += 1 }
        return messages.isEmpty ? [] : [messages[next % messages.count]]
    }

    func framed(_ content: [UInt8]) -> [UInt8] { content }
}
