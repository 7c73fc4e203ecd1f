import Wire

extension PortProbe {
    /// What a step gave that did not find a meter.
    public struct Trace: Sendable {
        enum Kind: Sendable {
            case refused(String)
            case heard(Listening)
            case notAnswered(WireError?)
        }

        private let place: String
        private let kind: Kind

        init(_ step: Step, kind: Kind) {
            place = step.place
            self.kind = kind
        }

        /// Whether anything arrived by itself.
        public var hasBytes: Bool {
            if case .heard(let listening) = kind { listening.evidence.count > 0 } else { false }
        }

        /// A sentence for a person; nil where there is nothing to say.
        public var sentence: String? {
            switch kind {
            case .refused(let why): return "\(place): \(why)"
            case .notAnswered(let error):
                guard let error, error.code != .timeout else { return nil }
                return "\(place): \(error.message)"
            case .heard(let listening):
                guard hasBytes else { return nil }
                let looks = listening.looks.map { "; \($0)" }.joined()
                return "\(place): \(listening.evidence.count) bytes, and no message\(looks)"
            }
        }

        /// Whether the bytes look like text turned upside down.
        public var looksInverted: Bool {
            if case .heard(let listening) = kind { listening.evidence.looksInverted } else { false }
        }
    }
}

extension PortProbe.Step {
    /// Where and what, for a person.
    public var place: String {
        switch self {
        case .listen(let line?): "listening at \(line)"
        case .listen(nil): "listening"
        case .ask(let question, _, let line?): "\(question.name) at \(line)"
        case .ask(let question, _, nil): question.name
        case .done: "done"
        }
    }
}

extension Listening {
    /// What its bytes look like, for a person.
    fileprivate var looks: [String] {
        var looks: [String] = []
        // Wrong speeds give headers by chance, but no messages of which only the check is wrong.
        if let ear = ears.max(by: { $0.damaged < $1.damaged }), ear.damaged > 0 {
            looks.append("some of it begins like \(ear.meterProtocol.name) and is damaged")
        }
        if line?.parity == LineSettings.Parity.none, let parity = evidence.sevenBitParity {
            looks.append("it looks like seven data bits and \(parity == .even ? "even" : "odd") parity")
        }
        if line?.parity != LineSettings.Parity.none, evidence.hasParityErrors {
            looks.append("many have a wrong parity")
        }
        if evidence.looksInverted { looks.append("it looks inverted") }
        return looks
    }
}

extension Ear {
    fileprivate var damaged: Int { rejected.count { $0.code == .checksum || $0.code == .truncated } }
}
