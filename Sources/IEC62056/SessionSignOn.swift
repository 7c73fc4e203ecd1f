import OBIS
import Wire

// From the wake-up to the acknowledgement.

extension ReadoutSession {
    // MARK: Wake-up and request

    /// At every attempt: a battery meter falls asleep again within seconds of silence.
    mutating func wakeUp() {
        guard let wakeUp = settings.wakeUp else {
            if let line = settings.line { setLine(line) }
            return request()
        }
        if let line = settings.line { setLine(wakeUp.line ?? line) }
        send(wakeUp.characters(on: wakeUp.line ?? settings.line ?? .signOn))
        state = .waking
    }

    mutating func rise() {
        restoreLine()
        state = .rising
        actions.append(.arm(settings.wakeUp?.pause ?? .zero))
    }

    mutating func request() {
        send(SignOn.request(address: settings.address))
        state = .requesting
    }

    // MARK: Identification

    mutating func receiveIdentification(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        if !hasHeard, Parity.stripped(first) == Control.nak {
            return fail(WireError(.meterError, "the meter refused the request (NAK)"))
        }
        hasHeard = true
        inbox.append(bytes)
        if let found = searchIdentification() { return identified(found) }
        guard inbox.streamOffset + inbox.count <= Limits.readoutLine else { return fail(silence) }
        if state == .identifying { actions.append(.arm(Self.betweenBytes)) }
    }

    /// What comes before the identification belongs to nothing: a head that is switched on, a damaged echo.
    private mutating func searchIdentification() -> Identification? {
        while !inbox.isEmpty {
            switch Identification.match(in: inbox, at: 0) {
            case .complete(let found, let length) where !inbox.hasWrongParity(in: 0..<length):
                inbox.consume(length)
                return found
            case .incomplete: return nil
            case .complete, .none: inbox.consume(1)
            }
        }
        return nil
    }

    var silence: WireError {
        if hasHeard {
            let count = inbox.streamOffset + inbox.count
            return WireError(
                .framing,
                "\(count) characters came, but no identification; check the line settings and where the head sits")
        }
        if echo.hasEchoed {
            return WireError(.timeout, "only the echo of the request came back; check where the head sits on the meter")
        }
        let address = settings.address.isEmpty ? "" : " to address \(settings.address)"
        return WireError(.timeout, "no meter answered the request\(address)")
    }

    private mutating func identified(_ found: Identification) {
        identification = found
        let mode = settings.mode.mode(rateCharacter: found.rateCharacter)
        self.mode = mode
        switch mode {
        case .c:
            expectReadout(of: found, requiresBlockCheck: true)
            state = .pausing
            actions.append(.arm(found.reactsFast ? Self.shortPause : Self.pause))
        case .b(let baud):
            guard baud <= settings.maximumBaud else {
                return fail(
                    WireError(.unsupported, "the meter changes to \(baud) baud by itself, faster than is allowed here"))
            }
            expectReadout(of: found, requiresBlockCheck: false)
            guard inbox.isEmpty else { return follow([], to: baud) }
            state = .following(baud: baud)
            actions.append(.arm(Self.lineFeed))
        case .a:
            expectReadout(of: found, requiresBlockCheck: false)
            readAtOnce()
        }
    }

    /// Changes to the rate of a meter of mode B. Any sooner, the end of its identification would arrive as garbage in
    /// front of the first data line.
    mutating func follow(_ bytes: [UInt8], to baud: Int) {
        inbox.append(bytes)
        change(to: baud)
        readAtOnce()
    }

    /// Modes A and B wait for no acknowledgement. What came behind the identification is part of the readout.
    private mutating func readAtOnce() {
        state = .reading
        hasHeard = false
        actions.append(.arm(Self.firstByte))
        let rest = inbox.bytes
        if rest.contains(where: { !Parity.stripped($0).isFiller }) { receiveReadout(rest) }
    }

    // MARK: Acknowledgement

    mutating func acknowledge() {
        guard case .c(let offered) = mode else { return }
        let rate = SignOnMode.rate(offered: offered, maximum: rates.bound(settings.maximumBaud))
        send(SignOn.acknowledgement(rateCharacter: rate.character))
        agreedBaud = rate.baud
        state = .acknowledging(baud: rate.baud)
    }
}
