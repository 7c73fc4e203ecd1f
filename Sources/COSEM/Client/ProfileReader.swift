import OBIS
import Wire

/// Reads entries of a load profile (IEC 62056-6-2, 4.3.6: profile generic).
///
/// Columns, capture period and scales are asked for with each span, since a meter may be exchanged or set up anew between
/// two of them.
struct ProfileReader: Sendable {
    private struct Column: Sendable {
        let target: CosemAttribute
        var scale: ScalerUnit?
        var isScaleKnown: Bool

        var isTime: Bool { target.interfaceClass == InterfaceClass.clock && target.attribute == 2 }
    }

    private let profile: ObisCode
    private let span: ProfileSpan
    private var columns: [Column]?
    private var period: Int64?
    private var isPeriodKnown = false
    private(set) var entries: [Telegram]?

    init(_ profile: ObisCode, _ span: ProfileSpan) {
        self.profile = profile
        self.span = span
    }

    private func attribute(_ number: UInt8) -> CosemAttribute {
        CosemAttribute(interfaceClass: InterfaceClass.profileGeneric, name: profile, attribute: number)
    }

    private static let maximumColumns = 64
    /// A year, in seconds.
    private static let longestPeriod: Int64 = 366 * 86_400

    // MARK: Questions

    /// What is to be asked next, and which part of it; nil when everything is known.
    func next(limit: Int) -> (attributes: [CosemAttribute], part: RangeDescriptor?)? {
        guard entries == nil else { return nil }
        guard let columns else { return ([attribute(3)], nil) }
        guard isPeriodKnown else { return ([attribute(4)], nil) }
        let scales = columns.filter { !$0.isScaleKnown }.compactMap(\.target.scale)
        guard scales.isEmpty else { return (Array(scales.prefix(limit)), nil) }
        guard let time = columns.first(where: \.isTime) else { return nil }
        let range = RangeDescriptor(
            column: time.target, from: MeterTime(localSeconds: span.start), to: MeterTime(localSeconds: span.end))
        return ([attribute(2)], range)
    }

    // MARK: Answers

    /// - Throws: `unsupported` where the meter has no such profile.
    mutating func take(_ results: [AttributeResult], for attributes: [CosemAttribute]) throws(WireError) {
        for (asked, result) in zip(attributes, results) {
            switch asked {
            case attribute(3): try takeColumns(result)
            case attribute(4): takePeriod(result)
            case attribute(2): try takeBuffer(result)
            default: try takeScale(result, of: asked)
            }
        }
    }

    private func data(_ result: AttributeResult, _ what: String) throws(WireError) -> Answer {
        switch result {
        case .data(let bytes):
            guard let answer = Answer(bytes) else { throw WireError(.malformed, "\(what) cannot be read") }
            return answer
        case .refused(let reason):
            throw WireError(
                reason.meansMissing ? .unsupported : .meterError,
                "the meter does not give \(what) of the load profile \(profile): \(reason.name)")
        }
    }

    private mutating func takeColumns(_ result: AttributeResult) throws(WireError) {
        let answer = try data(result, "the columns")
        let elements = answer.elements()
        guard elements.count <= Self.maximumColumns else {
            throw WireError(.limit, "a load profile of too many columns")
        }
        var columns: [Column] = []
        for element in elements {
            let parts = answer.elements(of: element)
            guard let (interfaceClass, name) = answer.object(at: element, nameAt: 1), parts.count >= 3,
                let number = answer.reader.integer(at: parts[2]).flatMap({ UInt8(exactly: $0) })
            else { throw WireError(.malformed, "a column of the load profile that is no object") }
            let target = CosemAttribute(interfaceClass: interfaceClass, name: name, attribute: number)
            columns.append(Column(target: target, scale: nil, isScaleKnown: target.scale == nil))
        }
        guard columns.contains(where: \.isTime) else {
            throw WireError(.unsupported, "the load profile \(profile) has no times")
        }
        self.columns = columns
    }

    private mutating func takePeriod(_ result: AttributeResult) {
        isPeriodKnown = true
        guard case .data(let bytes) = result, let seconds = Answer(bytes)?.reader.integer(at: 0),
            (1...Self.longestPeriod).contains(seconds)
        else { return }
        period = seconds
    }

    private mutating func takeScale(_ result: AttributeResult, of attribute: CosemAttribute) throws(WireError) {
        if case .refused(let reason) = result, reason.isTemporary { _ = try data(result, "a scale") }
        for index in (columns ?? []).indices where columns?[index].target.scale == attribute {
            if case .data(let bytes) = result { columns?[index].scale = Answer(bytes)?.scalerUnit }
            columns?[index].isScaleKnown = true
        }
    }

    // MARK: Entries

    private mutating func takeBuffer(_ result: AttributeResult) throws(WireError) {
        let answer = try data(result, "the entries")
        guard let columns, answer.tape[0].tag == .array else {
            throw WireError(.malformed, "the entries of the load profile are no array")
        }
        var found: [Telegram] = []
        var undated = 0
        var before: Row?
        for element in answer.elements() {
            let row = try Row(answer, element, columns, after: before, period: period)
            before = row
            if row.end == nil { undated += 1 }
            guard let end = row.end, end.localSeconds > span.start, end.localSeconds <= span.end else { continue }
            found.append(row.telegram)
        }
        // Entries without a time are not those of an empty span.
        guard undated == 0 || !found.isEmpty else {
            throw WireError(.malformed, "the times of the load profile cannot be read")
        }
        entries = found
    }

    /// One entry. A null stands for what follows from the entry before: its time plus the period, the same value.
    private struct Row {
        let end: MeterTime?
        let telegram: Telegram
        /// Which element of the answer each column was taken from.
        private let sources: [Int]

        init(
            _ answer: Answer, _ element: Int, _ columns: [Column], after before: Row?, period: Int64?
        ) throws(WireError) {
            let values = answer.elements(of: element)
            guard values.count == columns.count else {
                throw WireError(
                    .malformed, "an entry of \(values.count) values in a load profile of \(columns.count) columns")
            }
            var sources: [Int] = []
            var body = PushBody()
            var end: MeterTime?
            for (position, (column, value)) in zip(columns, values).enumerated() {
                // A null would multiply what it stands for.
                guard !answer.tape[value].tag.isContainer else {
                    throw WireError(.unsupported, "a column of the load profile that holds several values")
                }
                let isNull = answer.tape[value].tag == .null
                let source = isNull ? before?.sources[position] ?? value : value
                sources.append(source)
                if column.isTime {
                    end = isNull ? before?.end.flatMap { $0.later(by: period) } : Self.time(answer, value)
                } else {
                    body.append(
                        column.target.name, answer.tape, at: source, of: answer.reader.bytes, scalerUnit: column.scale)
                }
            }
            self.end = end
            self.sources = sources
            telegram = Telegram(
                meter: PushIdentity.identity(of: body.registers), registers: body.registers, intervalEnd: end,
                warnings: body.warnings)
        }

        private static func time(_ answer: Answer, _ index: Int) -> MeterTime? {
            if case .time(let time) = answer.reader.value(at: index) { time } else { nil }
        }
    }
}

extension MeterTime {
    /// - Parameter seconds: nil where the period is not known: then the time is not either.
    fileprivate func later(by seconds: Int64?) -> MeterTime? {
        guard let seconds else { return nil }
        let later = MeterTime(localSeconds: localSeconds &+ seconds)
        guard later.year <= 9999 else { return nil }
        return utcOffset.map { later.at(utcOffset: $0) } ?? later
    }
}
