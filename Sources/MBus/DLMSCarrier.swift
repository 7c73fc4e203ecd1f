import Wire

/// DLMS messages in long frames of M-Bus, as customer interfaces in Austria and Poland send them
/// (EN 13757-3: CI 00 to 1F carries a DLMS application).
///
///     68 | L | L | 68 | 53 | FF | CI | STSAP | DTSAP | piece of an APDU … | checksum | 16
///
///     CI    bits 3–0 number of the piece, bit 4 last piece
///     SAPs  source (01, the management device) and destination (67, consumer information)
///
/// C and A are those of a master that sends to all and waits for no answer: SND_UD to address FF.
public struct DLMSCarrier: CarrierFrames {
    public init() {}

    public var start: UInt8 { LongFrame.start }

    static let accessPoints = 2
    private static let lastPiece: UInt8 = 0x10
    static let sequence: UInt8 = 0x0F
    static let dlms: ClosedRange<UInt8> = 0x00...0x1F

    public func candidate(at offset: Int, in bytes: RawSpan) -> CarrierCandidate {
        switch LongFrameCandidate(at: offset, in: bytes) {
        case .frame(let frame, let length): Self.judge(frame, length: length)
        case .incomplete(let isHeader): .incomplete(isHeader: isHeader)
        case .damaged(let error, let length): .damaged(error, length: length)
        case .none: .none
        }
    }

    private static func judge(_ frame: LongFrame, length: Int) -> CarrierCandidate {
        let information = frame.controlInformation
        guard dlms.contains(information) else {
            return .foreign(
                WireError(.unsupported, "an M-Bus telegram of CI \(information) carries no DLMS: it is read as mbus"),
                length: length)
        }
        guard frame.data.count > accessPoints else {
            return .foreign(WireError(.malformed, "an M-Bus frame without a piece of a message"), length: length)
        }
        return .frame(
            CarrierFrame(
                payload: Array(frame.data[accessPoints...]), sequence: Int(information & sequence),
                isLast: information & lastPiece != 0), length: length)
    }

    /// The frames of one message.
    ///
    /// - Parameter pieceLength: bytes of the message in one frame.
    /// - Returns: empty when the message needs more pieces than can be numbered, or a piece is too long for a frame.
    public static func frames(
        of message: [UInt8], pieceLength: Int, source: UInt8 = 0x01, destination: UInt8 = 0x67
    ) -> [[UInt8]] {
        let starts = Array(stride(from: 0, to: message.count, by: max(1, pieceLength)))
        guard starts.count <= Int(sequence) + 1 else { return [] }
        let frames = starts.enumerated().compactMap { index, start in
            let isLast = index == starts.count - 1
            return LongFrame(
                control: 0x53, address: 0xFF,
                controlInformation: UInt8(truncatingIfNeeded: index) | (isLast ? lastPiece : 0),
                data: [source, destination] + message[start..<min(message.count, start + pieceLength)]
            ).encoded()
        }
        return frames.count == starts.count ? frames : []
    }
}
