import Logging
import OBIS
import Synchronization
import Wire

/// Takes down what passes on lines.
public protocol LineRecording: Sendable {
    /// - Returns: for one link of the line of this name, which may be opened again and again.
    func recorder(of line: String, logger: Logger) -> any LineRecorder
}

/// Takes down what passes on one link. Whatever happens here, the link goes on.
public protocol LineRecorder: Sendable {
    func write(_ piece: Capture.Piece)
    /// What a person who reads the capture should know at this place; one line.
    func comment(_ text: String)
    func close()
}

/// Opens links through another opener and has what passes on them taken down.
public struct CapturingOpener: LinkOpening {
    private let base: any LinkOpening
    private let recording: any LineRecording
    private let now: @Sendable () -> Timestamp

    /// - Parameter now: the host's time.
    public init(
        _ base: any LinkOpening, to recording: any LineRecording, now: @escaping @Sendable () -> Timestamp
    ) {
        self.base = base
        self.recording = recording
        self.now = now
    }

    public func open(
        _ endpoint: Endpoint, options: LinkOptions, logger: Logger
    ) async throws(TransportError) -> any Link {
        let link = try await base.open(endpoint, options: options, logger: logger)
        let recorder = recording.recorder(of: options.name ?? "line", logger: logger)
        return CapturingLink(link, recorder: recorder, now: now)
    }
}

/// A link that writes down what passes.
private final class CapturingLink: Link {
    private let base: any Link
    private let recorder: any LineRecorder
    private let now: @Sendable () -> Timestamp
    private let veil = Mutex(PasswordVeil())

    init(_ base: any Link, recorder: any LineRecorder, now: @escaping @Sendable () -> Timestamp) {
        self.base = base
        self.recorder = recorder
        self.now = now
    }

    var inbound: LinkInbound {
        base.inbound.observed { [self] input in
            let bytes = veil.withLock { $0.hide(received: input.bytes) }
            recorder.write(Capture.Piece(time: now(), bytes: bytes, endsBurst: input.endsBurst))
        }
    }

    func send(_ bytes: [UInt8]) async throws(TransportError) {
        let written = veil.withLock { $0.hide(sent: bytes) }
        recorder.write(Capture.Piece(time: now(), bytes: written, isSent: true))
        try await base.send(bytes)
    }

    func setLine(_ line: LineSettings) async throws(TransportError) {
        recorder.comment("line \(line)")
        try await base.setLine(line)
    }

    func close() async {
        await base.close()
        recorder.close()
    }
}
