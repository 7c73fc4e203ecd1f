import Wire

/// A frame of fixed length, by which a master calls a slave (EN 13757-2, FT 1.2 of IEC 60870-5-1).
///
///     10 | C | A | checksum | 16
///
/// The checksum is C + A modulo 256.
public struct ShortFrame: Sendable, Hashable {
    /// The field C, see `Control`.
    public var control: UInt8
    /// The field A, see `LinkAddress`.
    public var address: UInt8

    public init(control: UInt8, address: UInt8) {
        self.control = control
        self.address = address
    }

    public static let start: UInt8 = 0x10
    /// With start and stop.
    public static let length = 5

    /// SND_NKE: the slave forgets its frame count bit and answers E5. To `LinkAddress.selected` it ends a selection.
    public static func reset(_ address: UInt8) -> ShortFrame {
        ShortFrame(control: Control.reset, address: address)
    }

    /// REQ_UD2: the slave answers with its data.
    ///
    /// - Parameter frameCountBit: set in the first request after SND_NKE, then toggled after each good answer. The same
    ///   again asks for the last telegram once more.
    public static func requestData(_ address: UInt8, frameCountBit: Bool) -> ShortFrame {
        ShortFrame(control: Control.requestData | (frameCountBit ? Control.frameCountBit : 0), address: address)
    }

    /// REQ_UD1: the slave answers with its alarms, or E5 where there are none.
    public static func requestAlarm(_ address: UInt8, frameCountBit: Bool) -> ShortFrame {
        ShortFrame(control: Control.requestAlarm | (frameCountBit ? Control.frameCountBit : 0), address: address)
    }

    /// FCB: by it a slave tells a new request from a repeated one.
    public var frameCountBit: Bool { control & Control.frameCountBit != 0 }

    /// The frame as bytes.
    public func encoded() -> [UInt8] {
        [Self.start, control, address, control &+ address, LongFrame.stop]
    }
}

/// What stands at one place of a buffer, judged as a short frame.
public enum ShortFrameCandidate: Sendable, Hashable {
    /// A whole frame with a right checksum.
    case frame(ShortFrame)
    /// A beginning that more bytes will decide.
    case incomplete
    case none

    /// Judges the bytes from `offset` on.
    public init(at offset: Int, in bytes: RawSpan) {
        let available = bytes.byteCount - offset
        guard offset >= 0, available >= 1, bytes[byte: offset] == ShortFrame.start else { self = .none; return }
        guard available >= 4 else { self = .incomplete; return }
        let frame = ShortFrame(control: bytes[byte: offset + 1], address: bytes[byte: offset + 2])
        guard bytes[byte: offset + 3] == frame.control &+ frame.address else { self = .none; return }
        guard available >= ShortFrame.length else { self = .incomplete; return }
        self = bytes[byte: offset + 4] == LongFrame.stop ? .frame(frame) : .none
    }
}

/// The control field C (EN 13757-2, control field).
public enum Control {
    /// SND_NKE.
    public static let reset: UInt8 = 0x40
    /// SND_UD.
    public static let sendData: UInt8 = 0x53
    /// REQ_UD1.
    public static let requestAlarm: UInt8 = 0x5A
    /// REQ_UD2.
    public static let requestData: UInt8 = 0x5B
    /// RSP_UD.
    public static let response: UInt8 = 0x08
    /// FCB, of a master's frame that has FCV.
    public static let frameCountBit: UInt8 = 0x20
    /// The frame goes from the master to a slave.
    public static let fromMaster: UInt8 = 0x40

    /// The single character by which a slave acknowledges.
    public static let acknowledge: UInt8 = 0xE5
}

/// The address field A (EN 13757-2, address field). 1 to 250 are the primary addresses of slaves.
public enum LinkAddress {
    /// A slave that was given none yet.
    public static let unconfigured: UInt8 = 0
    public static let slaves: ClosedRange<UInt8> = 1...250
    /// The slave that was selected by its secondary address.
    public static let selected: UInt8 = 253
    /// All slaves, and all answer: with one slave on the line.
    public static let allAnswer: UInt8 = 254
    /// All slaves, and none answers.
    public static let broadcast: UInt8 = 255
}
