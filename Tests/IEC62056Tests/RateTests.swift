import IEC62056
import MeterSimulator
import OBIS
import Testing
import Wire

@Suite("Meters that do not keep the rate that they offer")
struct RateTests {
    @Test("each failure asks for one step less, and later polls begin where it worked", arguments: [true, false])
    func stepsDown(isSilent: Bool) {
        var conversation = Conversation(
            settings: .init(retries: 3), meter: .init(offeredBaud: 19200),
            faults: .init(keptRate: .init(highest: 2400, isSilentAbove: isSilent)))
        conversation.poll()
        #expect(conversation.agreed == [19200, 9600, 4800, 2400])
        #expect(conversation.telegrams.count == 1)
        conversation.poll()
        _ = conversation.session.handle(.closed)
        _ = conversation.session.handle(.opened)
        conversation.poll()
        #expect(conversation.agreed == [19200, 9600, 4800, 2400, 2400, 2400])
        #expect(conversation.telegrams.count == 3)
        #expect(values(conversation.telegrams.last) == ConversationTests.wanted)
    }

    @Test("polls without retries go on stepping down, to 300 baud and no lower")
    func acrossPolls() {
        var conversation = Conversation(
            settings: .init(retries: 0), faults: .init(keptRate: .init(highest: 300)))
        for _ in 0..<8 { conversation.poll() }
        #expect(conversation.agreed == [9600, 4800, 2400, 1200, 600, 300, 300, 300])
        #expect(conversation.telegrams.count == 3)
    }

    @Test("a meter that sends no readout at any rate is asked for its full rate again")
    func noRate() {
        var conversation = Conversation(
            settings: .init(maximumBaud: 1200, retries: 0), faults: .init(keptRate: .init(highest: 0)))
        for _ in 0..<5 { conversation.poll() }
        #expect(conversation.agreed == [1200, 600, 300, 1200, 600])
        conversation.meter.faults.keptRate = nil
        for _ in 0..<2 { conversation.poll() }
        #expect(conversation.agreed.suffix(2) == [300, 300])
    }

    @Test("wrong block checks get one more attempt at the same rate, then a lower one")
    func checksums() {
        var conversation = Conversation(
            settings: .init(retries: 4), meter: .init(offeredBaud: 4800), faults: .init(wrongBlockChecks: 4))
        conversation.poll()
        #expect(conversation.agreed == [4800, 4800, 2400, 2400, 1200])
        #expect(conversation.telegrams.count == 1)
    }

    @Test("a single failure at a rate that has worked is taken for a disturbance")
    func disturbance() {
        var conversation = Conversation(settings: .init(retries: 0))
        conversation.poll()
        for _ in 0..<3 {
            conversation.meter.faults.keptRate = .init(highest: 300)
            conversation.poll()
            conversation.meter.faults.keptRate = nil
            conversation.poll()
        }
        #expect(Set(conversation.agreed) == [9600])
        conversation.meter.faults.keptRate = .init(highest: 300)
        for _ in 0..<3 { conversation.poll() }
        #expect(conversation.agreed.suffix(3) == [9600, 9600, 4800])
    }

    @Test("after 50 good readouts a step up is tried, and kept where it works")
    func forgets() {
        var conversation = Conversation(
            settings: .init(retries: 5), faults: .init(keptRate: .init(highest: 2400)))
        for _ in 0..<50 { conversation.poll() }
        #expect(conversation.agreed == [9600, 4800] + Array(repeating: 2400, count: 50))
        conversation.poll()
        #expect(conversation.agreed.suffix(2) == [4800, 2400])
        conversation.meter.faults.keptRate = nil
        for _ in 0..<49 { conversation.poll() }
        #expect(conversation.agreed.suffix(50).allSatisfy { $0 == 2400 })
        for _ in 0..<50 { conversation.poll() }
        #expect(conversation.agreed.suffix(50).allSatisfy { $0 == 4800 })
        conversation.poll()
        #expect(conversation.agreed.last == 9600)
        #expect(conversation.telegrams.count == 151)
    }

    @Test("only good readouts in a row count")
    func inARow() {
        var conversation = Conversation(faults: .init(keptRate: .init(highest: 4800)))
        for _ in 0..<30 { conversation.poll() }
        conversation.meter.faults.wrongBlockChecks = 1
        for _ in 0..<50 { conversation.poll() }
        #expect(conversation.agreed.dropFirst().allSatisfy { $0 == 4800 })
        conversation.poll()
        #expect(conversation.agreed.suffix(2) == [9600, 4800])
    }

    @Test("what the meter says itself, or sends of another kind, lowers nothing")
    func otherFailures() {
        var session = ReadoutSession(settings: .init(retries: 0))
        for answer in [[0x15], Sample.block("(ER12)"), Sample.block("(1234)")] + [[0x15]] {
            for step in ReadoutSessionTests.acknowledged {
                // The same rate is asked for each time.
                #expect(session.handle(step.event) == step.actions)
            }
            let isOver = session.handle(.received(answer)).contains(.disarm)
            if !isOver { _ = session.handle(.drained) }
        }
        var silent = Conversation(settings: .init(retries: 0), faults: .init(isSilent: true))
        for _ in 0..<3 { silent.poll() }
        silent.meter.faults.isSilent = false
        silent.poll()
        #expect(silent.agreed == [9600])
    }
}
