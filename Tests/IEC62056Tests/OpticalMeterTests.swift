import IEC62056
import MeterSimulator
import Testing
import Wire

@Suite("The simulated optical meter")
struct OpticalMeterTests {
    private func meter() -> OpticalMeter {
        OpticalMeter(configuration: .init(identification: "X")) { [.init("1.8.0", "1", unit: "kWh")] }
    }

    @Test("it answers a request after its reaction time, whatever came before")
    func request() {
        var meter = meter()
        #expect(meter.receive(Sample.bytes("\u{0}\u{7F}garbage/?!\r")) == [])
        #expect(meter.receive(Sample.bytes("\n")) == [.arm(OpticalMeter.reaction)])
        #expect(
            meter.timer() == [.send(Sample.bytes("/OBI5X\r\n")), .arm(OpticalMeter.acknowledgementTimeout)])
    }

    @Test("characters with parity bits are understood")
    func parity() {
        var meter = meter()
        #expect(meter.receive(Sample.withParity(Sample.bytes("/?!\r\n"))) == [.arm(OpticalMeter.reaction)])
    }

    @Test("without an acknowledgement the readout comes at the first rate")
    func noAcknowledgement() {
        var meter = meter()
        _ = meter.receive(Sample.bytes("/?!\r\n"))
        _ = meter.timer()
        #expect(meter.timer() == [.send(Sample.block("1.8.0(1*kWh)\r\n!\r\n")), .setLine(.signOn)])
        #expect(meter.timer() == [])
    }

    @Test("a rate that was not offered, or another procedure, is not answered")
    func foreignAcknowledgement() {
        for option in ["\u{6}060\r\n", "\u{6}051\r\n", "\u{6}150\r\n", "050\r\n"] {
            var meter = meter()
            _ = meter.receive(Sample.bytes("/?!\r\n"))
            _ = meter.timer()
            #expect(meter.receive(Sample.bytes(option)) == [])
        }
    }

    @Test(
        "modes A and B go on by themselves",
        arguments: [
            (OpticalMeter.Mode.a, "/OBI X\r\n", LineSettings.signOn),
            (.b, "/OBICX\r\n", LineSettings(baud: 2400, dataBits: 7, parity: .even)),
        ])
    func otherModes(_ mode: OpticalMeter.Mode, _ identification: String, _ line: LineSettings) {
        var meter = OpticalMeter(
            configuration: .init(
                identification: "X", offeredBaud: 2400, mode: mode, hasBlockCheck: false, reaction: .milliseconds(20))
        ) { [.init("1.8.0", "1", unit: "kWh")] }
        #expect(meter.receive(Sample.bytes("/?!\r\n")) == [.arm(.milliseconds(20))])
        let change = line == .signOn ? [] : [OpticalMeter.Action.setLine(line)]
        #expect(meter.timer() == [.send(Sample.bytes(identification))] + change + [.arm(.milliseconds(20))])
        #expect(meter.receive(Sample.bytes("\u{6}000\r\n")) == [])
        #expect(meter.timer() == [.send(Sample.bytes("1.8.0(1*kWh)\r\n!\r\n")), .setLine(.signOn)])
    }

    @Test("mode D has a blank line instead of STX, or a block like the others")
    func pushes() {
        for (hasBlockCheck, wanted) in [
            (false, Sample.bytes("/OBI3X\r\n\r\n1.8.0(1)\r\n!\r\n")),
            (true, Sample.bytes("/OBI3X\r\n") + Sample.block("1.8.0(1)\r\n!\r\n")),
        ] {
            var meter = OpticalMeter(
                configuration: .init(identification: "X", mode: .d, hasBlockCheck: hasBlockCheck)
            ) { [.init("1.8.0", "1")] }
            #expect(meter.push() == wanted)
        }
    }

    @Test("an echo comes in pieces, with gaps or with damage, as it is told to")
    func echo() {
        var meter = meter()
        meter.faults = .init(isSilent: true, echoes: true, echo: .init(pieceLength: 2))
        let request = Sample.bytes("/?!\r\n")
        #expect(meter.receive(request) == ["/?", "!\r", "\n"].map { .send(Sample.bytes($0)) })
        meter.faults.echo = .init(lostEvery: 3)
        #expect(meter.receive(Sample.bytes("abcd")) == [.send(Sample.bytes("bc"))])
        meter.faults.echo = .init(damagedEvery: 5)
        #expect(meter.receive(Sample.bytes("ab")) == [.send(Sample.bytes("qb"))])
    }

    @Test("above the rate that it keeps it is silent, or sends garbage")
    func keptRate() {
        for isSilent in [true, false] {
            var meter = meter()
            meter.faults.keptRate = .init(highest: 2400, isSilentAbove: isSilent)
            _ = meter.receive(Sample.bytes("/?!\r\n"))
            _ = meter.timer()
            _ = meter.receive(Sample.bytes("\u{6}040\r\n"))
            let garbage = Sample.block("1.8.0(1*kWh)\r\n!\r\n").map { ~$0 }
            #expect(meter.timer() == (isSilent ? [] : [.send(garbage)]) + [.setLine(.signOn)])
        }
    }

    @Test("a sleeping meter wakes at the last of the characters that it needs, and falls asleep again")
    func wakeUp() {
        let line = LineSettings(baud: 2400)
        var meter = OpticalMeter(
            configuration: .init(wakeUp: .init(line: line, characters: 4, listens: .seconds(3)))
        ) { [] }
        let request = Sample.bytes("/?!\r\n")
        let awake: [OpticalMeter.Action] = [.setLine(.signOn), .arm(.seconds(3))]
        #expect(meter.receive(request) == [])
        #expect(meter.receive([0, 0, 0, 1, 0, 0, 0]) == [])
        #expect(meter.receive([0, 0]) == awake)
        #expect(meter.timer() == [.setLine(line)])
        #expect(meter.receive(request) == [])
        #expect(meter.receive([0, 0, 0, 0]) == awake)
        #expect(meter.receive(request) == [.arm(OpticalMeter.reaction)])
        _ = meter.timer()
        #expect(meter.timer().last == .setLine(line))
        #expect(meter.receive(request) == [])
    }

    @Test("a break ends what was going on")
    func breaks() {
        var meter = meter()
        _ = meter.receive(Sample.bytes("/?!\r\n"))
        #expect(meter.receive(SignOn.breakMessage) == [.disarm, .setLine(.signOn)])
        #expect(meter.timer() == [])
    }
}
