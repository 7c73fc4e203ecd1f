import OBIS
import Wire

// From the identification to the break.

extension ProgrammingSession: SignOnSession {
    var option: SignOn.Option { .programming }

    mutating func beginAttempt() {
        exchange = .operand
        turn = .meter
        findings = Findings()
        beginAnswer()
        repeats = 0
    }

    mutating func identified(_ meter: Identification, mode: SignOnMode) {
        guard case .c = mode else {
            signOn.attempts = signOn.settings.retries + 1
            return fail(
                WireError(
                    .unsupported,
                    "the meter offers no programming mode: its baud rate character says mode A or B; read it with "
                        + "`mode: auto`"))
        }
        pauseBeforeAcknowledgement()
    }

    mutating func acknowledged(at baud: Int) {
        change(to: baud)
        // The meter may have answered while the port still reported.
        if case .pause(let message) = turn { pause(before: message) } else { listen() }
    }

    func owesBreak(after error: WireError) -> Bool { signOn.agreedBaud != nil && signOn.phase != .breaking }

    // MARK: Turns

    mutating func receiveAnswer(_ bytes: [UInt8]) {
        if case .pause = turn { return tellNoise(bytes) }
        guard !bytes.isEmpty else { return }
        signOn.hasHeard = true
        for (index, byte) in bytes.enumerated() {
            guard let answer = scanner.consume(byte) else { continue }
            if scanner.noise > 0 { signOn.actions.append(.noise(scanner.noise)) }
            tellNoise(bytes[(index + 1)...])
            return take(answer)
        }
        if turn == .meter, signOn.phase == .reading { signOn.actions.append(.arm(SignOnTimes.betweenBytes)) }
    }

    mutating func answerDrained() {
        guard turn == .sending else { return }
        turn = .meter
        listen()
    }

    mutating func answerIsDue() {
        switch turn {
        case .pause(let message): say(message)
        case .sending: fail(portIsStuck)
        case .meter: hearNothing()
        }
    }

    /// The meter gets the time that it needs to turn to receiving.
    private mutating func pause(before message: Sending) {
        turn = .pause(message)
        signOn.actions.append(.arm(pause))
    }

    private mutating func say(_ message: Sending) {
        turn = .sending
        scanner = AnswerScanner(takesAcknowledgement: exchange == .password)
        switch message {
        case .request:
            guard let request else { return part(with: WireError(.unsupported, "nothing is left to ask")) }
            send(request)
        case .acknowledgement: send([Control.ack])
        case .repetition: send([Control.nak])
        case .parting: sendBreak()
        }
    }

    /// The message of this exchange; the acknowledgement of the sign-on asked for the operand.
    private var request: [UInt8]? {
        let command = settings.request ?? signOn.identification.map(ReadCommand.usual) ?? .r1
        switch exchange {
        case .operand: return nil
        case .password: return settings.password.flatMap(ProgrammingPassword.message)
        case .register(let index):
            return settings.registers.indices.contains(index)
                ? command.message(code: settings.registers[index]) : nil
        case .profile:
            guard case .profile(let span) = purpose, let profile = settings.profile else { return nil }
            return command.message(code: profile, data: LoadProfile.request(span))
        }
    }

    private mutating func beginAnswer() {
        scanner = AnswerScanner(takesAcknowledgement: exchange == .password)
        content = []
        partialBlocks = 0
    }

    private mutating func go(to next: Exchange) {
        exchange = next
        beginAnswer()
        repeats = 0
        pause(before: .request)
    }

    // MARK: Answers

    private mutating func take(_ answer: Answer) {
        switch answer {
        case .acknowledged: acceptPassword()
        case .refused: takeRefusal()
        case .data(let data, let isPartial): take(data, isPartial: isPartial)
        case .command(let command): take(command: command)
        case .damaged(let error): askAgain(error)
        }
    }

    /// Partial blocks are put together, and each but the last is acknowledged (6.3).
    private mutating func take(_ data: [UInt8], isPartial: Bool) {
        content += data
        guard isPartial else { return conclude(content) }
        partialBlocks += 1
        guard content.count <= Limits.programmingAnswer, partialBlocks < Limits.partialBlocks else {
            return part(
                with: WireError(
                    .limit,
                    "the meter sent more than \(Limits.programmingAnswer) characters or \(Limits.partialBlocks) partial "
                        + "blocks in one answer"),
                isFinal: true)
        }
        // Each block is repeated on its own account.
        repeats = 0
        pause(before: .acknowledgement)
    }

    private mutating func take(command: [UInt8]) {
        if command.starts(with: Array("B0".utf8)) { return takeBreak() }
        guard exchange == .operand, command.starts(with: Array("P0".utf8)) else {
            return part(with: WireError(.unsupported, "the meter sent a command where an answer was expected"))
        }
        if settings.password != nil { go(to: .password) } else { beginReading() }
    }

    private mutating func acceptPassword() {
        refusals = 0
        beginReading()
    }

    private mutating func beginReading() {
        go(to: purpose == .registers ? .register(0) : .profile)
    }

    private mutating func conclude(_ content: [UInt8]) {
        switch exchange {
        case .operand:
            part(
                with: WireError(
                    .unsupported,
                    "the meter sent its readout instead of entering programming mode; read it with `mode: auto`"),
                isFinal: true)
        case .password: refusePassword()
        case .register(let index): conclude(register: index, content)
        case .profile: concludeProfile(content)
        }
    }

    // MARK: Refusals

    private mutating func takeRefusal() {
        guard exchange != .operand else {
            return part(
                with: WireError(
                    .meterError,
                    "the meter refused programming mode (NAK); read it with `mode: auto` if it has a readout"),
                isFinal: true)
        }
        // A password is not tried again and again.
        guard exchange != .password else { return refusePassword() }
        guard repeats < Self.maximumRepeats else { return giveUpExchange() }
        repeats += 1
        content = []
        partialBlocks = 0
        pause(before: .request)
    }

    /// The meter understands none of it.
    private mutating func giveUpExchange() {
        switch exchange {
        case .register(let index):
            leaveOut(index, "the meter does not understand the request (NAK)")
        case .profile:
            part(
                with: WireError(
                    .unsupported,
                    "load profile: the meter does not understand the request (NAK); another `request:` may be what it wants"
                ),
                isFinal: true)
        case .operand, .password: break
        }
    }

    private mutating func takeBreak() {
        switch exchange {
        case .operand:
            part(
                with: WireError(.meterError, "the meter refused programming mode (break); read it with `mode: auto`"),
                isFinal: true)
        case .password: refusePassword()
        case .register, .profile:
            part(with: settings.password == nil ? passwordIsMissing : brokenOff, isFinal: settings.password == nil)
        }
    }

    private mutating func refusePassword() {
        refusals += 1
        part(
            with: WireError(
                .meterError,
                "programming mode: the meter refused the password; write the right one into the file that "
                    + "`password_file` names"),
            isFinal: true)
    }

    private var passwordIsMissing: WireError {
        WireError(
            .meterError,
            "programming mode: the meter asks for a password and lets nothing be read without one; name its file with "
                + "`password_file:`")
    }

    private var brokenOff: WireError {
        WireError(.meterError, "programming mode: the meter broke off the conversation")
    }

    // MARK: Damage and silence

    private mutating func askAgain(_ error: WireError) {
        guard error.code != .limit, repeats < Self.maximumRepeats else {
            return part(with: error, isFinal: error.code == .limit)
        }
        repeats += 1
        signOn.actions.append(.reject(error))
        pause(before: .repetition)
    }

    private mutating func hearNothing() {
        // A single character that looks like the end of what was sent may be the answer.
        if exchange == .password, let lone = signOn.echo.loneLast, let answer = scanner.consume(lone) {
            return take(answer)
        }
        guard !scanner.isInside else {
            return askAgain(WireError(.truncated, "the answer ends before it is complete"))
        }
        switch exchange {
        case .operand:
            fail(
                WireError(
                    .timeout, "the meter identified itself and then did not enter programming mode (no P0 message came)"
                ))
        case .password:
            // It may have been wrong: it is not tried again at once.
            signOn.attempts = signOn.settings.retries + 1
            fail(WireError(.timeout, "programming mode: the meter did not answer the password"))
        case .register(let index):
            fail(WireError(.timeout, "programming mode: the meter did not answer the request for \(name(of: index))"))
        case .profile:
            fail(WireError(.timeout, "programming mode: the meter did not answer the request for its load profile"))
        }
    }

    // MARK: Registers

    private func name(of index: Int) -> String {
        settings.registers.indices.contains(index) ? settings.registers[index] : "a register"
    }

    private mutating func conclude(register index: Int, _ content: [UInt8]) {
        do throws(RegisterAnswer.Fault) {
            let lines = try RegisterAnswer.lines(content, asked: name(of: index))
            guard findings.lines.count + lines.count <= Limits.programmingAnswer else {
                return leaveOut(index, "the registers have more than \(Limits.programmingAnswer) characters together")
            }
            findings.lines += lines
            goOn(behind: index)
        } catch {
            leaveOut(index, error.clause)
        }
    }

    private mutating func leaveOut(_ index: Int, _ reason: String) {
        findings.warnings.append("Register \(name(of: index)) is missing: \(reason).")
        goOn(behind: index)
    }

    private mutating func goOn(behind index: Int) {
        if index + 1 < settings.registers.count {
            go(to: .register(index + 1))
        } else {
            tell()
        }
    }

    /// All registers were asked for.
    private mutating func tell() {
        guard !findings.lines.isEmpty else {
            return part(with: nothingRead, isFinal: true)
        }
        do throws(WireError) {
            let telegram = try Readout.telegram(
                identification: signOn.identification, sets: DataSets(findings.lines), warnings: findings.warnings)
            signOn.actions.append(.emit(telegram))
            succeed()
        } catch {
            part(with: error, isFinal: true)
        }
    }

    private var nothingRead: WireError {
        let reason = findings.warnings.first ?? "No register is configured."
        let remedy =
            settings.password == nil
            ? " If the meter wants a password first, name its file with `password_file:`." : ""
        return WireError(.meterError, "programming mode: the meter gave none of the registers. \(reason)\(remedy)")
    }

    // MARK: Load profile

    private mutating func concludeProfile(_ content: [UInt8]) {
        guard case .profile(let span) = purpose, let profile = settings.profile else { return }
        do throws(WireError) {
            let entries = try LoadProfile.entries(
                content, code: profile, span: span, meter: signOn.identification?.meter ?? MeterIdentity())
            signOn.actions += entries.map { .emit($0) }
            succeed()
        } catch {
            part(with: error, isFinal: true)
        }
    }

    // MARK: End

    private mutating func succeed() {
        if let baud = signOn.agreedBaud { signOn.rates.succeeded(at: baud) }
        signOn.failure = nil
        pause(before: .parting)
    }

    /// - Parameter isFinal: whether the same would happen at the next attempt.
    private mutating func part(with error: WireError, isFinal: Bool = false) {
        if isFinal { signOn.attempts = signOn.settings.retries + 1 }
        signOn.failure = error
        if let baud = signOn.agreedBaud { signOn.rates.failed(at: baud, with: error.code) }
        pause(before: .parting)
    }
}
