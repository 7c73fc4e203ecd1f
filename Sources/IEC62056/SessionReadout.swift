import OBIS
import Wire

// From the identification to the telegram.

extension ReadoutSession: SignOnSession {
    var option: SignOn.Option { .readout }

    mutating func beginAttempt() {}

    mutating func identified(_ meter: Identification, mode: SignOnMode) {
        switch mode {
        case .c:
            expectReadout(of: meter, requiresBlockCheck: true)
            pauseBeforeAcknowledgement()
        case .b(let baud):
            guard baud <= signOn.settings.maximumBaud else {
                return fail(
                    WireError(.unsupported, "the meter changes to \(baud) baud by itself, faster than is allowed here"))
            }
            expectReadout(of: meter, requiresBlockCheck: false)
            follow(to: baud)
        case .a:
            expectReadout(of: meter, requiresBlockCheck: false)
            readAtOnce()
        }
    }

    /// The decoder gets the identification line first, so that the telegram says whose it is.
    private mutating func expectReadout(of meter: Identification, requiresBlockCheck: Bool) {
        decoder = ReadoutDecoder(source: .line, requiresBlockCheck: requiresBlockCheck)
        decoder.append(meter.line + [Control.carriageReturn, Control.lineFeed])
    }

    mutating func acknowledged(at baud: Int) {
        change(to: baud)
        listen()
    }

    mutating func receiveAnswer(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        if !signOn.hasHeard, Parity.stripped(first) == Control.nak {
            return fail(WireError(.meterError, "the meter did not understand the acknowledgement (NAK)"))
        }
        signOn.hasHeard = true
        decoder.append(bytes)
        readFindings()
        if signOn.phase == .reading { signOn.actions.append(.arm(SignOnTimes.betweenBytes)) }
    }

    mutating func answerDrained() {}

    /// The meter fell silent: what came so far is all there is.
    mutating func answerIsDue() {
        decoder.finish()
        if signOn.hasHeard { readFindings() }
        if signOn.phase == .reading {
            fail(WireError(.timeout, "the meter identified itself and then sent no readout"))
        }
    }

    /// A whole block is the end of the conversation, whatever is in it.
    func owesBreak(after error: WireError) -> Bool {
        signOn.phase == .reading && signOn.agreedBaud != nil && error.code != .checksum && error.code != .meterError
    }

    private mutating func readFindings() {
        while let output = decoder.next() {
            switch output {
            case .noise(let count): signOn.actions.append(.noise(count))
            case .rejected(let error, _): return fail(error)
            case .frame(let telegram): return succeed(telegram)
            }
        }
    }

    private mutating func succeed(_ telegram: Telegram) {
        guard telegram.registers.contains(where: { $0.code != nil }) else {
            return fail(WireError(.unsupported, "the meter answered with something else than a readout"))
        }
        if let agreedBaud = signOn.agreedBaud { signOn.rates.succeeded(at: agreedBaud) }
        signOn.actions.append(.emit(telegram))
        end(with: nil)
    }
}
