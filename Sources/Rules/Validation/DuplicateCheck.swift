import OBIS

/// Whether a telegram is the one before once more: repeated on the way, or played back by a gateway.
///
/// A meter at rest sends the same values again and again, so the same content proves nothing: the telegram must carry
/// something that every new one changes.
///
/// * The message counter of a ciphered telegram never repeats.
/// * The access number of M-Bus changes with every answer, but not in every make.
/// * The meter's clock moves on, but a clock that shows minutes or stands still shows one time many times, and one of
///   a meter that speaks every second may show the same second twice.
///
/// So the latter two count only after they have changed with each of the last telegrams, the clock by two of its
/// smallest steps.
struct DuplicateCheck {
    /// So many telegrams in a row prove that something changes with every one.
    static let provenAfter = 12

    fileprivate struct Last {
        var telegram: Telegram
        var timesMoved = 0
        var accessNumbersMoved = 0
        /// Whether the clock ever showed any: else it may have none.
        var showsSeconds = false
    }

    /// By list.
    private var last: [String: Last] = [:]

    mutating func objection(to telegram: Telegram) -> QualityIssue? {
        let list = telegram.list ?? ""
        guard var known = last[list] else {
            if last.count < IdentityCheck.rememberedLists { last[list] = Last(telegram: telegram) }
            return nil
        }
        if let mark = known.mark(of: telegram), telegram.hasSameContent(as: known.telegram) {
            return QualityIssue(
                register: nil, level: .warning, code: .duplicate,
                text: "the telegram is the one before once more: the same values and the same \(mark)")
        }
        known.follow(telegram)
        last[list] = known
        return nil
    }
}

extension DuplicateCheck.Last {
    /// What proves that a telegram is this one; nil where nothing does.
    fileprivate func mark(of next: Telegram) -> String? {
        if let ciphering = next.ciphering, let before = telegram.ciphering {
            return ciphering.invocationCounter == before.invocationCounter
                && ciphering.systemTitle == before.systemTitle ? "message counter" : nil
        }
        if let number = next.meter.accessNumber, number == telegram.meter.accessNumber,
            accessNumbersMoved >= DuplicateCheck.provenAfter
        {
            return "access number"
        }
        if let time = next.meterTime, time == telegram.meterTime, timesMoved >= DuplicateCheck.provenAfter {
            return "time of the meter"
        }
        return nil
    }

    fileprivate mutating func follow(_ next: Telegram) {
        let hasNewNumber = next.meter.accessNumber != nil && next.meter.accessNumber != telegram.meter.accessNumber
        accessNumbersMoved = hasNewNumber ? min(accessNumbersMoved + 1, DuplicateCheck.provenAfter) : 0
        showsSeconds = showsSeconds || next.meterTime.map { $0.second != 0 } ?? false
        timesMoved = hasMovedClock(next) ? min(timesMoved + 1, DuplicateCheck.provenAfter) : 0
        telegram = next
    }

    private func hasMovedClock(_ next: Telegram) -> Bool {
        guard let time = next.meterTime, let before = telegram.meterTime else { return false }
        return time.localSeconds - before.localSeconds >= (showsSeconds ? 2 : 120)
    }
}

extension Telegram {
    fileprivate func hasSameContent(as other: Telegram) -> Bool {
        registers == other.registers && meter == other.meter
    }
}
