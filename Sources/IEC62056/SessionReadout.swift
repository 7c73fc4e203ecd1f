import OBIS
import Wire

// From the identification to the telegram.

extension ReadoutSession {
    /// The decoder gets the identification line first, so that the telegram says whose it is.
    mutating func expectReadout(of meter: Identification, requiresBlockCheck: Bool) {
        decoder = ReadoutDecoder(source: .line, requiresBlockCheck: requiresBlockCheck)
        decoder.append(meter.line + [Control.carriageReturn, Control.lineFeed])
    }

    mutating func receiveReadout(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        if !hasHeard, Parity.stripped(first) == Control.nak {
            return fail(WireError(.meterError, "the meter did not understand the acknowledgement (NAK)"))
        }
        hasHeard = true
        decoder.append(bytes)
        readFindings()
        if state == .reading { actions.append(.arm(Self.betweenBytes)) }
    }

    /// The meter fell silent: what came so far is all there is.
    mutating func endReadout() {
        decoder.finish()
        if hasHeard { readFindings() }
        if state == .reading {
            fail(WireError(.timeout, "the meter identified itself and then sent no readout"))
        }
    }

    private mutating func readFindings() {
        while let output = decoder.next() {
            switch output {
            case .noise(let count): actions.append(.noise(count))
            case .rejected(let error, _): return fail(error)
            case .frame(let telegram): return succeed(telegram)
            }
        }
    }

    private mutating func succeed(_ telegram: Telegram) {
        guard telegram.registers.contains(where: { $0.code != nil }) else {
            return fail(WireError(.unsupported, "the meter answered with something else than a readout"))
        }
        if let agreedBaud { rates.succeeded(at: agreedBaud) }
        actions.append(.emit(telegram))
        end(with: nil)
    }
}
