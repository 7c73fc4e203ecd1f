import Configuration
import Journal
import LogMessages
import Logging
import MQTT
import Metering
import OBIS
import Rules
import Transport
import Wire

/// What becomes of the telegrams of one meter: judged, journaled, merged into the state, announced.
///
/// The reader calls it for one telegram after the other.
actor MeterPipeline {
    nonisolated let meter: Meter
    /// Whether what was missed is read from the meter's load profile.
    nonisolated let fillsHoles: Bool
    /// What is not live neither shows in the state nor is judged by what was.
    private let source: Reading.Source
    private let node: String
    private let topics: Topics
    private let journal: Journal
    private let live: LiveTopics
    private let discovery: DiscoveryDesk?
    private let clock: any HostClock
    private let meterClock: MeterClock
    /// How far the meter's clock is ahead of UTC by its own word, in minutes.
    private var meterOffset: Int?
    private let mapping: NamedMapping
    private var names = RegisterNames()
    private let log: PacedLog

    private var validator: Validator
    private var state: LiveState
    private var availability: Availability
    private var staleRegisters = 0
    /// Of the newest reading in `state`.
    private var stateSeq: Int64?
    /// Of the meter that `state` is about.
    private var stateEpoch: Int
    /// As they were with the newest reading that was shown: the validator may be ahead.
    private var totals = Totals()
    private let gap: WaitingGap
    /// Where not every reading is journaled.
    private var thinning: Thinning?
    /// Readings that the journal has been given and has not answered for.
    private var underWay = 0
    private var waitingForJournal: [CheckedContinuation<Void, Never>] = []
    private(set) var figures = MeterFigures()

    /// What a device behind another meter said last.
    private var fingerprint: [UInt8]?
    private var hasHeard = false
    /// Whether the reading of what has that fingerprint was right as a whole.
    private var isRepeatedValid = false

    /// Nil where what is read is not live.
    private var anomalies: AnomalyDesk?
    private var summaries: SummaryDesk?
    /// Those that the meter is compared by with others, in front of them or behind.
    private var balances: [BalanceDesk] = []
    /// Nil where the meter's holes are not filled.
    private var backfill: BackfillDesk?
    /// What the session keeps of its meter across restarts.
    private(set) var sessionMemory: [UInt8]?
    /// When the meter is to be asked next, as the journal has it, in ms since 1970.
    private var keptPoll: Int64?
    /// The same, as a daemon before this one kept it; told once.
    private var formerPoll: Timestamp?
    /// Whether what was kept before a restart is known: not while the journal cannot be opened.
    private var isRestored: Bool

    static let stateKey = "validator"
    static let fingerprintKey = "fingerprint"
    static let sessionKey = "session"
    static let pollKey = "poll"

    /// - Parameters:
    ///   - waiting: nil where no reader follows in this process.
    ///   - hasLoadProfile: whether the meter can be asked for what was missed.
    ///   - kept: by key, what the reader before in this process knew.
    init(
        meter: Meter, mapping: NamedMapping, source: Reading.Source = .live, node: String, topics: Topics,
        journal: Journal, waiting: WaitingRoom? = nil, live: LiveTopics, discovery: DiscoveryDesk? = nil,
        clock: any HostClock, hasLoadProfile: Bool = false, kept: [String: [UInt8]] = [:], logger: Logger
    ) async {
        self.meter = meter
        // Entries have no other time than that of the meter's clock.
        fillsHoles = hasLoadProfile && source == .live && meter.usesMeterClock && meter.settings.loadProfile != .off
        self.source = source
        self.node = node
        self.topics = topics
        self.journal = journal
        let waiting = waiting ?? WaitingRoom(journal)
        gap = waiting.gap(of: meter.id)
        self.live = live
        self.discovery = discovery
        self.clock = clock
        log = PacedLog(logger) { clock.monotonic }
        meterClock = MeterClock(zone: meter.timeZone)
        self.mapping = mapping
        thinning = meter.recordsEvery.map(Thinning.init)
        state = LiveState(mapping: mapping)
        availability = Availability(
            interval: meter.interval ?? Schedule.longestPause(of: meter.times.map(\.minutesSinceMidnight)))
        isRestored = source != .live || journal.stream != nil
        let memory = await Memory(meter: meter.id, journal: source == .live ? journal : nil, kept: kept)
        fingerprint = memory[Self.fingerprintKey]
        let known = memory[Self.stateKey].flatMap(ValidatorState.init(stored:))
        validator = Validator(
            limits: InstallationLimits(meter.limits), bounds: meter.plausibility, serial: meter.serial,
            protection: DemandedProtection(of: meter),
            startOffsets: meter.offsets, state: known ?? ValidatorState())
        stateEpoch = known?.epoch ?? 1
        guard source == .live else { return }
        sessionMemory = memory[Self.sessionKey]
        recallPoll(memory)
        backfill = desk(memory[BackfillDesk.stateKey], epoch: stateEpoch)
        live.set(topics.availability(meter.id), "offline")
        let calendar = ZonedCalendar(zone: meter.timeZone)
        anomalies = AnomalyDesk(
            meter: meter,
            teller: AnomalyTeller(
                meter: meter.id, node: node, topics: topics,
                events: waiting.events(of: meter.id, stateKey: AnomalyDesk.stateKey), live: live, logger: logger),
            calendar: calendar, state: memory[AnomalyDesk.stateKey])
        summaries = SummaryDesk(
            meter: meter, node: node, topics: topics, journal: journal,
            events: waiting.events(of: meter.id, stateKey: SummaryDesk.stateKey), live: live, calendar: calendar,
            state: memory[SummaryDesk.stateKey])
    }

    private func desk(_ stored: [UInt8]?, epoch: Int) -> BackfillDesk? {
        guard fillsHoles else {
            // Who switches it on again later has no hole that began now.
            if stored != nil { journal.set(nil, forKey: BackfillDesk.stateKey, meter: meter.id) { _ in } }
            return nil
        }
        return BackfillDesk(stored.flatMap(Backfill.init(stored:)) ?? Backfill(epoch: epoch))
    }

    // MARK: Telegrams

    /// Takes a telegram that arrived at `capturedAt`. Returns when its reading is in the journal or cannot be, at once
    /// where it is held back.
    ///
    /// - Parameter hasClock: whether its time is that of a clock, and not that of a value.
    /// - Returns: false when the reading is wrong as a whole: another meter sent it.
    @discardableResult
    func accept(_ telegram: Telegram, capturedAt: Timestamp, hasClock: Bool = true) async -> Bool {
        let reading = judge(telegram, capturedAt: capturedAt, hasClock: hasClock)
        figures.telegrams += 1
        figures.link.arrived()
        figures.lastReading = capturedAt
        figures.device = telegram.meter.id ?? figures.device
        if meter.usesMeterClock, let time = telegram.meterTime, !time.isDoubtful { meterOffset = time.utcOffset }
        say(reading.issues)
        if !reading.isWrong { lookForHole(before: reading) }
        // Live readings say that the meter is there, also while the disk is slow.
        heard()
        let body = ReadingBody(reading)
        let seq = await take(draft(of: reading, body))
        show(reading, body, seq: seq)
        await watch(reading, seq: seq)
        return !reading.isWrong
    }

    /// Takes what another meter's telegram says of this one, which it repeats with every telegram: a reading only when
    /// something of it changed.
    func acceptChange(_ telegram: Telegram, capturedAt: Timestamp) async {
        let isFirst = !hasHeard
        hasHeard = true
        guard telegram.fingerprint == fingerprint else {
            fingerprint = telegram.fingerprint
            isRepeatedValid = await accept(telegram, capturedAt: capturedAt, hasClock: false)
            return
        }
        heard()
        state.confirm(now: clock.monotonic)
        // After a restart the broker may have lost what was said before.
        if isFirst {
            let reading = judge(telegram, capturedAt: capturedAt, hasClock: false)
            isRepeatedValid = !reading.isWrong
            show(reading, ReadingBody(reading), seq: nil)
        }
        if isRepeatedValid { anomalies?.repeated() }
    }

    private func heard() {
        guard source == .live else { return }
        let silence = availability.silence(at: clock.monotonic)
        guard availability.read(at: clock.monotonic) else { return }
        if let silence {
            log.say(
                "online", .notice, .meterOnline,
                "Readings arrive again after \(silence.components.seconds) s: the meter is online.")
            log.over("offline")
        }
        announceAvailability()
    }

    /// Rules and summaries see what is live only.
    private func watch(_ reading: Reading, seq: Int64?) async {
        guard source == .live else { return }
        let now = clock.monotonic
        anomalies?.accepted()
        let changes = anomalies?.observe(reading, seq: seq, at: now) ?? []
        summaries?.note(changes)
        let totals = totals.applied(to: reading.values)
        summaries?.observe(reading, totals: totals, at: now)
        guard let total = totals[.activeImport] else { return }
        for balance in balances {
            await balance.observe(meter.id, total: total, seq: seq, at: now, wall: reading.capturedAt)
        }
    }

    private func show(_ reading: Reading, _ body: ReadingBody, seq: Int64?) {
        guard source == .live else { return }
        if reading.epoch != stateEpoch {
            // Nothing that the meter before said is true of this one.
            state = LiveState(mapping: mapping)
            stateEpoch = reading.epoch
        }
        totals = validator.state.totals
        let isGood = state.merge(reading, now: clock.monotonic)
        if isGood { stateSeq = seq }
        guard let shown = announceState(newest: isGood ? body : nil), isGood else { return }
        discovery?.observe(meter.id, shown.state, registerTotals: shown.registerTotals, at: clock.monotonic)
    }

    /// What is wrong with whole readings; single values are told in the reading itself.
    private func say(_ issues: [QualityIssue]) {
        for issue in issues where issue.register == nil {
            log.say(
                issue.code.rawValue + issue.text.prefix(24), .warning, .readingDoubtful,
                "Readings have the quality \(issue.level.rawValue): \(issue.text).",
                metadata: ["issue": "\(issue.code.rawValue)"])
        }
    }

    private func judge(_ telegram: Telegram, capturedAt: Timestamp, hasClock: Bool) -> Reading {
        // Of the host that captured it nothing is known.
        let isSynchronized = source == .live && clock.isSynchronized
        let knowsTime = hasClock && (isSynchronized || source != .live)
        let meterClock = knowsTime ? meterClock.showing(telegram.meterTime, at: capturedAt) : meterClock
        var reading = Reading(
            source: source, device: telegram.meter, time: capturedAt, capturedAt: capturedAt,
            isClockSynchronized: isSynchronized,
            meterTime: meter.usesMeterClock ? telegram.meterTime.map(meterClock.complete) : nil,
            registers: completed(telegram.registers, by: meterClock), registerKeys: names.keys(of: telegram.registers))
        let keys = reading.registerKeys
        let arrival = Arrival(
            monotonic: source == .live ? clock.monotonic : nil, wall: reading.isClockSynchronized ? capturedAt : nil)
        reading.issues = validator.issues(of: telegram, keys: keys, at: arrival)
        name(telegram, keys, in: &reading)
        validator.complete(&reading, at: arrival)
        return reading
    }

    /// Fills the named values with those that can be used.
    private func name(_ telegram: Telegram, _ keys: [String], in reading: inout Reading) {
        let unusable = reading.issues.unusable
        guard !unusable.contains(nil) else { return }
        reading.values = mapping.values(of: telegram.registers, medium: telegram.meter.medium) {
            !unusable.contains(keys[$0])
        }
    }

    /// The time of a value is the meter's too.
    private func completed(_ registers: [Register], by meterClock: MeterClock) -> [Register] {
        var registers = registers
        for (index, register) in registers.enumerated() {
            guard let time = register.time else { continue }
            registers[index].time = meterClock.complete(time)
        }
        return registers
    }

    private func draft(of reading: Reading, _ body: ReadingBody) -> ReadingDraft {
        let (node, id) = (node, meter.id)
        var values: [String: [UInt8]?] = [:]
        // An entry of the load profile is older than all this.
        if reading.source == .live, isRestored {
            values[Self.stateKey] = validator.state.stored
            if let fingerprint { values[Self.fingerprintKey] = fingerprint }
        }
        return ReadingDraft(meter: id, capturedAt: reading.capturedAt, values: values) { stream, seq in
            ReadingPayload.reading(body, node: node, meter: id, stream: stream, seq: seq)
        }
    }

    /// - Returns: the number of the reading; nil while it is held back, and where it cannot be journaled.
    private func take(_ draft: ReadingDraft) async -> Int64? {
        guard thinning != nil else { return await journal(draft) }
        if let due = thinning?.hold(draft) { _ = await journal(due) }
        return nil
    }

    /// Hands over what is held back: nothing comes any more.
    ///
    /// - Returns: by key, what the next reader of the same meter goes on with.
    @discardableResult
    func end() -> [String: [UInt8]] {
        if let last = thinning?.end() { hand(last) }
        // The disk may have room again, and no reading came since.
        gap.record(isLast: true)
        guard isRestored, source == .live else { return [:] }
        anomalies?.end()
        summaries?.end()
        var kept = [Self.stateKey: validator.state.stored]
        kept[Self.fingerprintKey] = fingerprint
        kept[AnomalyDesk.stateKey] = anomalies?.stored
        kept[SummaryDesk.stateKey] = summaries?.stored
        kept[BackfillDesk.stateKey] = backfill?.backfill.stored
        kept[Self.sessionKey] = sessionMemory
        kept[Self.pollKey] = keptPoll.map(Self.stored)
        return kept
    }

    /// Waits until what the journal was given so far is there, or cannot be.
    func journaled() async {
        guard underWay > 0 else { return }
        await withCheckedContinuation { waitingForJournal.append($0) }
    }

    /// The reader waits for the disk, so that it takes no more than that can; where the journal gathers, only when it
    /// has enough for one transaction.
    private func journal(_ draft: ReadingDraft) async -> Int64? {
        guard !journal.gathers || underWay >= Self.gatheredLimit else {
            hand(draft)
            return nil
        }
        let draft = begin(draft)
        let result = await withCheckedContinuation { waiting in
            journal.append(draft) { waiting.resume(returning: $0) }
        }
        return answered(draft, result)
    }

    private static let gatheredLimit = 255

    private func hand(_ draft: ReadingDraft) {
        let draft = begin(draft)
        journal.append(draft) { result in
            Task.onLoop { await self.answered(draft, result) }
        }
    }

    /// What could not be journaled before is told of first.
    ///
    /// - Returns: what is to be journaled. As it is now: a reading that was held back must not bring back the state of
    ///   then.
    private func begin(_ draft: ReadingDraft) -> ReadingDraft {
        gap.record()
        underWay += 1
        var draft = draft
        if isRestored, let carried = backfill?.carried { draft.values[BackfillDesk.stateKey] = carried }
        if thinning != nil, draft.values[Self.stateKey] != nil {
            draft.values[Self.stateKey] = validator.state.stored
        }
        return draft
    }

    @discardableResult
    private func answered(_ draft: ReadingDraft, _ result: Result<JournaledReading, JournalError>) -> Int64? {
        underWay -= 1
        if underWay == 0 {
            for waiting in waitingForJournal { waiting.resume() }
            waitingForJournal = []
        }
        switch result {
        case .success(let journaled):
            figures.journaled += 1
            figures.lastSeq = max(figures.lastSeq ?? 0, journaled.seq)
            return journaled.seq
        case .failure(let error):
            figures.unjournaled += 1
            gap.extend(
                by: GapDraft(
                    meter: meter.id, fromTime: draft.capturedAt, toTime: draft.capturedAt, count: 1,
                    reason: error.code == .full ? .journalFull : .journalUnavailable))
            return nil
        }
    }

    // MARK: What was missed

    /// What to ask the load profile for now; nil where nothing is missing or the answer could not be journaled.
    ///
    /// What is returned is asked for: `profileEnded` tells how that ended.
    func nextProfileSpan() -> ProfileSpan? {
        guard isRestored, journal.lastError == nil else { return nil }
        return backfill?.ask(at: clock.now, monotonic: clock.monotonic, clock: meterClock, offset: meterOffset)
    }

    /// Takes an entry of the load profile. It says nothing of the present, and so reaches nothing but the journal.
    func acceptEntry(_ telegram: Telegram, endingAt end: MeterTime, capturedAt: Timestamp) async {
        guard source == .live else { return await acceptRecorded(telegram, endingAt: end, capturedAt: capturedAt) }
        // Without a question it is an answer that is too late, and comes again.
        guard let time = backfill?.time(of: end, by: meterClock) else { return }
        let reading = judgeEntry(telegram, source: .loadProfile, endingAt: end, time, capturedAt)
        guard !reading.isWrong else {
            say(reading.issues)
            backfill?.refuse()
            return
        }
        backfill?.take(draft(of: reading, ReadingBody(reading)), at: time)
        if backfill?.isFull == true { await journalEntries() }
    }

    /// A recording was played: nothing was asked for, and everything is taken.
    private func acceptRecorded(_ telegram: Telegram, endingAt end: MeterTime, capturedAt: Timestamp) async {
        guard let time = meterClock.intervalEnds(end).last else { return }
        figures.telegrams += 1
        let reading = judgeEntry(telegram, source: source, endingAt: end, time, capturedAt)
        _ = await journal(draft(of: reading, ReadingBody(reading)))
    }

    private func judgeEntry(
        _ telegram: Telegram, source: Reading.Source, endingAt end: MeterTime, _ time: Timestamp,
        _ capturedAt: Timestamp
    ) -> Reading {
        let offset = Timestamp.milliseconds(from: time, to: end.timestamp(utcOffset: 0)) / 60_000
        var reading = Reading(
            source: source, epoch: validator.state.epoch, device: telegram.meter, time: time, capturedAt: capturedAt,
            isClockSynchronized: source == .loadProfile && clock.isSynchronized,
            meterTime: meter.usesMeterClock ? end.at(utcOffset: Int(offset)) : nil,
            registers: completed(telegram.registers, by: meterClock), registerKeys: names.keys(of: telegram.registers))
        let keys = reading.registerKeys
        reading.issues = validator.issues(ofEntry: telegram, keys: keys)
        name(telegram, keys, in: &reading)
        return reading
    }

    /// The question of `nextProfileSpan` is answered, or is not going to be.
    ///
    /// - Returns: whether the next one may follow at once.
    func profileEnded(_ error: WireError?) async -> Bool {
        guard backfill?.isAsking == true else { return false }
        guard error?.code != .unsupported else {
            await giveUpHoles()
            return false
        }
        if let setBack = backfill?.setBack, setBack > 0 {
            log.say(
                "profile set back", .notice, nil,
                "The meter's clock was set back: entries of its load profile that are not later than the one before are left "
                    + "out, \(setBack) in this answer.")
        }
        let isWhole = error == nil && backfill?.isBroken == false
        guard await journalEntries(end: isWhole ? clock.now : nil), isWhole else {
            profileFailed(error?.message)
            return false
        }
        backfill?.close()
        log.over("profile failed")
        return true
    }

    /// - Parameter end: the time, where the whole of the question is answered.
    /// - Returns: whether all that waited is in the journal.
    @discardableResult
    private func journalEntries(end: Timestamp? = nil) async -> Bool {
        guard let batch = backfill?.batch(end: end) else { return true }
        do throws(JournalError) {
            if batch.drafts.isEmpty {
                try await journal.set(batch.backfill.stored, forKey: BackfillDesk.stateKey, meter: meter.id)
            } else {
                let readings = try await journal.append(batch.drafts)
                figures.journaled += Int64(readings.count)
                figures.backfilled += Int64(readings.count)
                figures.lastSeq = readings.map(\.seq).max() ?? figures.lastSeq
            }
            backfill?.journaled(batch, isDone: true)
            return true
        } catch {
            // Nothing is lost: the meter still has them.
            backfill?.journaled(batch, isDone: false)
            return false
        }
    }

    private func profileFailed(_ reason: String?) {
        let rests = backfill?.failed(monotonic: clock.monotonic) == true
        log.say(
            "profile failed", .warning, .loadProfileNotRead,
            "The load profile could not be read: \(reason ?? "an entry could not be taken"). It is tried again "
                + (rests ? "in an hour." : "after the next reading."))
    }

    private func giveUpHoles() async {
        backfill?.giveUp()
        if let stored = backfill?.carried {
            try? await journal.set(stored, forKey: BackfillDesk.stateKey, meter: meter.id)
        }
        log.say(
            "profile unsupported", .notice, .loadProfileNotRead,
            "The meter has no load profile that can be read: what was missed stays missing. `load_profile:` names another "
                + "one, or `off`.")
    }

    private func lookForHole(before reading: Reading) {
        guard isRestored, source == .live,
            let found = backfill?.read(reading, monotonic: clock.monotonic, patience: availability.patience)
        else { return }
        log.say(
            "hole", .notice, .holeFound,
            "The meter was not read from \(found.hole.after) to \(found.hole.through): its load profile is asked for that."
        )
        if let lost = found.givenUp {
            log.say(
                "hole given up", .warning, .holeFound,
                "More than \(Backfill.mostHoles) times in which the meter was not read wait: that until \(lost.through) is "
                    + "given up.")
        }
    }

    /// Keeps what the session wants to find after a restart, in place of what was kept before.
    ///
    /// - Returns: whether it is synced.
    func keep(_ bytes: [UInt8]) async -> Bool {
        guard source == .live else { return false }
        do throws(JournalError) {
            try await journal.setAtOnce(bytes, forKey: Self.sessionKey, meter: meter.id)
        } catch {
            return false
        }
        sessionMemory = bytes
        return true
    }

    // MARK: Polls that are rare

    private func recallPoll(_ memory: Memory) {
        keptPoll = memory[Self.pollKey].flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        formerPoll = keptPoll.map(Timestamp.init(milliseconds:))
    }

    private static func stored(_ milliseconds: Int64) -> [UInt8] { Array("\(milliseconds)".utf8) }

    /// - Returns: when the daemon before would have asked; nil the second time.
    func takeDuePoll() -> Timestamp? {
        defer { formerPoll = nil }
        return formerPoll
    }

    /// Keeps when the meter is to be asked next.
    func keep(duePoll: Timestamp) {
        let due = duePoll.milliseconds
        guard isRestored, source == .live, formerPoll == nil, keptPoll.map({ abs($0 - due) > 1000 }) ?? true else {
            return
        }
        keptPoll = due
        journal.set(Self.stored(due), forKey: Self.pollKey, meter: meter.id) { _ in }
    }

    // MARK: What else happens on the line

    func rejected(_ error: WireError) {
        figures.rejected[error.code.rawValue, default: 0] += 1
        figures.link.rejected(error.code)
        anomalies?.rejected(error.code.rawValue)
    }

    func noise(_ count: Int) {
        figures.noise += Int64(count)
        anomalies?.noise(count)
    }

    func linkOpened() {
        figures.linkError = nil
    }

    func linkFailed(_ message: String) {
        figures.linkError = message
    }

    /// Looks at the time: what was not heard of for long is unknown, and what was held back long enough is journaled.
    ///
    /// - Returns: whether the meter is online.
    @discardableResult
    func tick() async -> Bool {
        if !isRestored, journal.stream != nil { await restore() }
        if source == .live, let due = thinning?.due(at: clock.now) { hand(due) }
        let now = clock.monotonic
        if isRestored {
            let changes = anomalies?.tick(at: now, wall: clock.now) ?? []
            summaries?.note(changes)
            summaries?.tick(at: now, wall: clock.now)
            for balance in balances where balance.main == meter.id { await balance.tick(at: now, wall: clock.now) }
        }
        if availability.check(at: now) {
            log.say(
                "offline", .warning, .meterOffline,
                "No reading for \(availability.patience.components.seconds) s: the meter counts as offline.")
            log.over("online")
            announceAvailability()
        }
        if state.staleCount(now: now, fallback: availability.expected) != staleRegisters { announceState() }
        return availability.isOnline
    }

    /// The journal has been opened later than the meter was read: what it kept goes on.
    private func restore() async {
        guard let known = try? await journal.value(forKey: Self.stateKey, meter: meter.id) else {
            isRestored = journal.lastError == nil
            return
        }
        isRestored = true
        let memory = await Memory(meter: meter.id, journal: source == .live ? journal : nil)
        if let known = ValidatorState(stored: known) { validator.restore(known) }
        fingerprint = memory[Self.fingerprintKey] ?? fingerprint
        sessionMemory = memory[Self.sessionKey] ?? sessionMemory
        recallPoll(memory)
        backfill = desk(memory[BackfillDesk.stateKey], epoch: validator.state.epoch)
        anomalies?.restore(memory[AnomalyDesk.stateKey])
        summaries?.restore(memory[SummaryDesk.stateKey])
        await discovery?.restore(meter.id)
    }

    // MARK: What people say

    /// The meter was exchanged: what follows is of another one.
    func replaced() {
        validator.replaced()
        backfill?.begin(validator.state.epoch)
        guard isRestored else { return }
        journal.set(validator.state.stored, forKey: Self.stateKey, meter: meter.id) { _ in }
        if let backfill {
            journal.set(backfill.backfill.stored, forKey: BackfillDesk.stateKey, meter: meter.id) { _ in }
        }
        log.say(
            "exchanged", .notice, .meterExchanged,
            "The meter was exchanged, says the operator: epoch \(validator.state.epoch) begins.")
    }

    /// - Returns: false where no such anomaly is open on this meter.
    func ignore(anomaly id: String, reason: String?, until: Timestamp?) async -> Bool {
        if anomalies?.ignore(id, reason: reason, until: until, wall: clock.now) == true { return true }
        for balance in balances where balance.main == meter.id {
            if await balance.ignore(id, reason: reason, until: until, wall: clock.now) { return true }
        }
        return false
    }

    /// - Returns: false where no such anomaly is open on this meter.
    func resolve(anomaly id: String) async -> Bool {
        if anomalies?.resolve(id, wall: clock.now) == true { return true }
        for balance in balances where balance.main == meter.id {
            if await balance.resolve(id, wall: clock.now) { return true }
        }
        return false
    }

    /// The meter is compared with others.
    func join(_ balance: BalanceDesk) {
        balances.removeAll { $0.main == balance.main }
        balances.append(balance)
    }

    /// No meter is behind this one any more.
    func leaveBalance() { balances.removeAll { $0.main == meter.id } }

    // MARK: What `info` shows

    var isOnline: Bool { availability.isOnline }

    /// The active power by now, in W; nil where it is not known.
    var power: FixedDecimal? {
        state.reading(now: clock.monotonic, fallback: availability.expected)?.values[.activePower]
    }

    /// Those that are ignored too, and those of the comparison with the meters behind this one.
    func openAnomalies() async -> [Anomaly] {
        var open = anomalies?.open ?? []
        for balance in balances where balance.main == meter.id { open += await balance.open }
        return open
    }

    /// How long a meter that talks by itself may be silent before its port is opened anew.
    var silenceLimit: Duration {
        max(availability.patience, availability.isIntervalKnown ? .seconds(60) : Self.longestUnknownSilence)
    }

    /// Meters that push once an hour are left alone until their habit is known.
    private static let longestUnknownSilence = Duration.seconds(3900)

    // MARK: Announcing

    private func announceAvailability() {
        live.set(topics.availability(meter.id), availability.isOnline ? "online" : "offline")
    }

    /// - Parameter newest: the text of the newest reading, where it is at hand.
    /// - Returns: what is shown; nil before the first good reading.
    @discardableResult
    private func announceState(newest: ReadingBody? = nil) -> (state: Reading, registerTotals: [RegisterTotal])? {
        let now = clock.monotonic
        staleRegisters = state.staleCount(now: now, fallback: availability.expected)
        let expected = availability.expected
        guard let reading = state.reading(now: now, fallback: expected) else { return nil }
        let known = state.isNewest(now: now, fallback: expected) ? newest : nil
        let registerTotals = totals.applied(to: reading.registers, keys: reading.registerKeys)
        let payload = ReadingPayload.state(
            known ?? ReadingBody(reading), totals: totals.applied(to: reading.values), of: reading.device.medium,
            registerTotals: registerTotals, node: node, meter: meter.id, stream: journal.stream, seq: stateSeq)
        live.set(topics.state(meter.id), payload)
        return (reading, registerTotals)
    }
}

/// What was kept of a meter: by the reader before in this process, or by the journal. Nothing where what is read is not
/// live.
private struct Memory {
    /// By key.
    private var values: [String: [UInt8]] = [:]

    init(meter: String, journal: Journal?, kept: [String: [UInt8]] = [:]) async {
        guard let journal else { return }
        values = (try? await journal.values(of: meter)) ?? [:]
        values.merge(kept) { $1 }
    }

    subscript(key: String) -> [UInt8]? { values[key] }
}

/// What happened on one meter's line since the daemon started.
struct MeterFigures: Sendable {
    var telegrams: Int64 = 0
    var journaled: Int64 = 0
    /// Those of them that were read from the load profile.
    var backfilled: Int64 = 0
    var unjournaled: Int64 = 0
    /// By error code.
    var rejected: [String: Int64] = [:]
    var quality = LinkQuality()
    /// Bytes that belonged to no message.
    var noise: Int64 = 0
    var lastReading: Timestamp?
    var lastSeq: Int64?
    var device: String?
    /// Why the line is not open; nil while it is.
    var linkError: String?
    var link = LinkQuality()
}

extension Reading {
    /// As a whole: another meter sent it.
    fileprivate var isWrong: Bool { issues.contains { $0.register == nil && $0.level == .error } }
}

extension DemandedProtection {
    /// Behind an open port an address is no proof, and the keys are the only one. On a line, meters mix plain and
    /// ciphered messages, and who is on it is at the meter.
    fileprivate init(of meter: Meter) {
        switch meter.endpoint {
        // A meter that is asked for plain messages gives such.
        case .udp where meter.settings.association.asksPlain: self = .none
        case .udp where meter.settings.association.asksWithoutTag: self = .encrypted
        case .listen, .udp:
            self =
                meter.settings.authenticationKey != nil
                ? .authenticated : meter.settings.encryptionKey != nil ? .encrypted : .none
        case .serial, .tcp, .rfc2217, .file: self = .none
        }
    }
}
