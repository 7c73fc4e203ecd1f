import OBIS

/// Whether the meter that answers is the one of before.
///
/// Lists of one meter may name it in different ways, so names are compared within a list. Another name there is another
/// meter: one that took its place, or a second one on the same line. Until that is clear its telegrams are errors as a
/// whole, because nothing of them belongs to the meter of before, and nobody has said yet that they belong to the next.
/// It is believed to have taken the place
///
/// * after twelve telegrams in a row, as with counters, or three that span an hour, so that a meter that is read once
///   an hour or a day is not doubted for days. Two meters that take turns on a line never get there, nor does a meter
///   that interjects: what it costs at most is one exchange that was none, when the rarer one was heard first;
/// * at once, where its number has been configured since: the operator has said so.
struct IdentityCheck {
    static let believedAfter = Validator.believedAfter
    static let believedEarly = (count: 3, after: Duration.seconds(3600))
    static let rememberedLists = 16

    enum Verdict {
        /// The meter of before, or one that says no name.
        case known
        /// Another meter has taken its place with this telegram.
        case exchanged(QualityIssue)
        /// A telegram of another meter.
        case foreign(QualityIssue)
    }

    /// The configured number; nil accepts any.
    let serial: String?

    func judge(_ telegram: Telegram, at arrival: Arrival, _ state: inout ValidatorState) -> Verdict {
        guard let id = telegram.meter.id else { return .known }
        if let serial, !telegram.names(serial) { return .foreign(Self.wrongSerial(id, serial)) }
        // Whatever a list calls it, the meter of the configured number is one meter.
        let isConfirmed = serial != nil && serial == state.serial
        state.serial = serial
        let list = telegram.list ?? ""
        guard let known = state.devices[list], !isConfirmed, !known.isSameNumber(as: id) else {
            if state.devices[list] != nil || state.devices.count < Self.rememberedLists { state.devices[list] = id }
            state.newcomers[list] = nil
            return .known
        }
        if serial == nil {
            let newcomer = Self.count(id, in: state.newcomers[list], at: arrival)
            guard isBelieved(newcomer, at: arrival) else {
                state.newcomers[list] = newcomer
                return .foreign(Self.doubt(id, known, newcomer.count))
            }
        }
        state.beginEpoch()
        state.devices[list] = id
        return .exchanged(
            QualityIssue(
                register: nil, level: .warning, code: .meterChanged,
                text: "meter \(id) has taken the place of \(known): epoch \(state.epoch) begins, and the totals go on"))
    }

    private static func count(
        _ id: String, in known: ValidatorState.Newcomer?, at arrival: Arrival
    ) -> ValidatorState.Newcomer {
        guard var newcomer = known, newcomer.id.isSameNumber(as: id) else {
            return ValidatorState.Newcomer(id: id, since: arrival)
        }
        newcomer.count += 1
        return newcomer
    }

    private func isBelieved(_ newcomer: ValidatorState.Newcomer, at arrival: Arrival) -> Bool {
        if newcomer.count >= Self.believedAfter { return true }
        guard newcomer.count >= Self.believedEarly.count, let span = arrival.elapsed(since: newcomer.since) else {
            return false
        }
        return span >= Self.believedEarly.after
    }

    private static func wrongSerial(_ id: String, _ serial: String) -> QualityIssue {
        QualityIssue(
            register: nil, level: .error, code: .wrongSerial,
            text: "meter \(id) answers where \(serial) is configured: check the cable, or change `serial`")
    }

    private static func doubt(_ id: String, _ known: String, _ count: Int) -> QualityIssue {
        QualityIssue(
            register: nil, level: .error, code: .meterChanged,
            text: "meter \(id) answers where \(known) did: either there are two on the line, or it was exchanged. That "
                + "is believed after \(believedAfter) telegrams (this is number \(count)) or an hour without the other")
    }
}

extension ValidatorState {
    /// Another physical meter: nothing that the one before counted is compared any more.
    mutating func beginEpoch() {
        epoch += 1
        devices = [:]
        newcomers = [:]
        counters = [:]
        totals.beginEpoch()
    }
}

extension Telegram {
    /// Whether any of the names by which the meter identifies itself is this number, leading zeros aside.
    fileprivate func names(_ serial: String) -> Bool {
        let identifying: Set<ObisCode.Quantity> = [
            .init(c: 42, d: 0, e: 0), .init(c: 96, d: 1, e: 0), .init(c: 96, d: 1, e: 1), .init(c: 0, d: 0, e: 0),
            .init(c: 96, d: 1, e: 255), .init(c: 0, d: 0, e: 5),
        ]
        let names = registers.filter {
            $0.obis.map { identifying.contains($0.quantity) && !($0.a == 0 && $0.b != 0) } ?? false
        }.compactMap(\.plainText)
        return ([meter.id].compactMap { $0 } + names).contains { $0.isSameNumber(as: serial) }
    }
}

extension String {
    /// Leading zeros aside.
    fileprivate func isSameNumber(as other: String) -> Bool {
        drop { $0 == "0" } == other.drop { $0 == "0" }
    }
}

extension Register {
    fileprivate var plainText: String? {
        switch value {
        case .text(let text), .wide(let text): text
        case .number(let number): text?.filter { $0 != " " } ?? number.description
        default: nil
        }
    }
}
