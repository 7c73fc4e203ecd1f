import OBIS

/// What a message must be that comes over a network: whoever reaches the port could have sent another one.
public enum DemandedProtection: String, Sendable, Hashable {
    case none, encrypted, authenticated

    func objection(to telegram: Telegram) -> QualityIssue? {
        let isMet =
            switch self {
            case .none: true
            case .encrypted: telegram.ciphering != nil
            case .authenticated: telegram.ciphering?.isAuthenticated == true
            }
        guard !isMet else { return nil }
        return QualityIssue(
            register: nil, level: .error, code: .unprotected,
            text: "the message came over a network and is not \(rawValue), although a key for that is "
                + "configured: anybody could have sent it")
    }
}

/// Whether the message counter of a ciphered message rose.
enum InvocationCounterCheck {
    static let rememberedSenders = 16

    static func objection(
        to ciphering: Ciphering, _ senders: inout [String: ValidatorState.InvocationCounter]
    ) -> QualityIssue? {
        let title = Hex.string(ciphering.systemTitle)
        let counter = ciphering.invocationCounter
        guard var known = senders[title] else {
            if senders.count < rememberedSenders { senders[title] = .init(highest: counter) }
            return nil
        }
        defer { senders[title] = known }
        if counter > known.highest {
            known = .init(highest: counter)
            return nil
        }
        let issue = QualityIssue(
            register: nil, level: .warning, code: .invocationCounter,
            text: "the message counter of \(title) went from \(known.highest) to \(counter): "
                + "a repeated message, or its key or meter was exchanged")
        // A new key begins anew and rises; so does a recording that is played, but not for long.
        known.below = counter > known.last ? known.below + 1 : 1
        known.last = counter
        if known.below >= Validator.believedAfter { known = .init(highest: counter) }
        return issue
    }
}
