import OBIS
import Wire

// From the wake-up to the acknowledgement.

extension SignOnSession {
    // MARK: Wake-up and request

    /// At every attempt: a battery meter falls asleep again within seconds of silence.
    mutating func wakeUp() {
        let settings = signOn.settings
        guard let wakeUp = settings.wakeUp else {
            if let line = settings.line { setLine(line) }
            return request()
        }
        if let line = settings.line { setLine(wakeUp.line ?? line) }
        send(wakeUp.characters(on: wakeUp.line ?? settings.line ?? .signOn))
        signOn.phase = .waking
    }

    mutating func rise() {
        restoreLine()
        signOn.phase = .rising
        signOn.actions.append(.arm(signOn.settings.wakeUp?.pause ?? .zero))
    }

    mutating func request() {
        send(SignOn.request(address: signOn.settings.address))
        signOn.phase = .requesting
    }

    // MARK: Identification

    mutating func receiveIdentification(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        if !signOn.hasHeard, Parity.stripped(first) == Control.nak {
            return fail(WireError(.meterError, "the meter refused the request (NAK)"))
        }
        signOn.hasHeard = true
        signOn.inbox.append(bytes)
        if let found = searchIdentification() {
            let mode = signOn.settings.mode.mode(rateCharacter: found.rateCharacter)
            signOn.identification = found
            signOn.mode = mode
            return identified(found, mode: mode)
        }
        guard signOn.inbox.streamOffset + signOn.inbox.count <= Limits.readoutLine else { return fail(silence) }
        if signOn.phase == .identifying { signOn.actions.append(.arm(SignOnTimes.betweenBytes)) }
    }

    /// What comes before the identification belongs to nothing: a head that is switched on, a damaged echo.
    private mutating func searchIdentification() -> Identification? {
        while !signOn.inbox.isEmpty {
            switch Identification.match(in: signOn.inbox, at: 0) {
            case .complete(let found, let length) where !signOn.inbox.hasWrongParity(in: 0..<length):
                signOn.inbox.consume(length)
                return found
            case .incomplete: return nil
            case .complete, .none: signOn.inbox.consume(1)
            }
        }
        return nil
    }

    var silence: WireError {
        if signOn.hasHeard {
            let count = signOn.inbox.streamOffset + signOn.inbox.count
            return WireError(
                .framing,
                "\(count) characters came, but no identification; check the line settings and where the head sits")
        }
        if signOn.echo.hasEchoed {
            return WireError(.timeout, "only the echo of the request came back; check where the head sits on the meter")
        }
        let address = signOn.settings.address.isEmpty ? "" : " to address \(signOn.settings.address)"
        return WireError(.timeout, "no meter answered the request\(address)")
    }

    // MARK: Modes A and B

    /// Waits for the end of the identification of a meter of mode B, and for its rate.
    mutating func follow(to baud: Int) {
        guard signOn.inbox.isEmpty else { return follow([], to: baud) }
        signOn.phase = .following(baud: baud)
        signOn.actions.append(.arm(SignOnTimes.lineFeed))
    }

    /// Changes to the rate of a meter of mode B. Any sooner, the end of its identification would arrive as garbage in
    /// front of the first data line.
    mutating func follow(_ bytes: [UInt8], to baud: Int) {
        signOn.inbox.append(bytes)
        change(to: baud)
        readAtOnce()
    }

    /// Modes A and B wait for no acknowledgement. What came behind the identification is part of the readout.
    mutating func readAtOnce() {
        signOn.phase = .reading
        signOn.hasHeard = false
        signOn.actions.append(.arm(SignOnTimes.firstByte))
        let rest = signOn.inbox.bytes
        if rest.contains(where: { !Parity.stripped($0).isFiller }) { receiveAnswer(rest) }
    }

    // MARK: Acknowledgement

    /// The meter of this identification is acknowledged after the pause that it needs.
    mutating func pauseBeforeAcknowledgement() {
        signOn.phase = .pausing
        signOn.actions.append(.arm(pause))
    }

    /// Before a message to the meter that identified itself.
    var pause: Duration {
        signOn.identification?.reactsFast == true ? SignOnTimes.shortPause : SignOnTimes.pause
    }

    mutating func acknowledge() {
        guard case .c(let offered) = signOn.mode else { return }
        let rate = SignOnMode.rate(offered: offered, maximum: signOn.rates.bound(signOn.settings.maximumBaud))
        send(SignOn.acknowledgement(option, rateCharacter: rate.character))
        signOn.agreedBaud = rate.baud
        signOn.phase = .acknowledging(baud: rate.baud)
    }
}
