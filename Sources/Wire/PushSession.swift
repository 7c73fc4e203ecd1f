/// The conversation with a meter that talks by itself: listen, and never send.
public struct PushSession<Decoder: Framer>: Session {
    private let makeDecoder: @Sendable () -> Decoder
    private let silence: Duration
    private var decoder: Decoder

    /// - Parameters:
    ///   - silence: how long a message may pause before what came of it is given up.
    ///   - makeDecoder: a decoder that knows of no bytes yet.
    public init(silence: Duration, makeDecoder: @escaping @Sendable () -> Decoder) {
        self.makeDecoder = makeDecoder
        self.silence = silence
        decoder = makeDecoder()
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Decoder.Frame>] {
        switch event {
        case .opened:
            decoder = makeDecoder()
            return []
        case .received(let bytes):
            decoder.append(bytes)
            return findings() + [decoder.isIdle ? .disarm : .arm(silence)]
        case .boundary:
            decoder.endBurst()
            return findings() + [decoder.isIdle ? .disarm : .arm(silence)]
        case .timer:
            decoder.finish()
            return findings()
        case .closed:
            decoder.finish()
            return findings() + [.disarm]
        case .drained, .poll, .readProfile, .recalled, .kept:
            return []
        }
    }

    private mutating func findings() -> [SessionAction<Decoder.Frame>] {
        var actions: [SessionAction<Decoder.Frame>] = []
        while let output = decoder.next() {
            switch output {
            case .frame(let message): actions.append(.emit(message))
            case .rejected(let error, _): actions.append(.reject(error))
            case .noise(let count): actions.append(.noise(count))
            }
        }
        return actions
    }
}
