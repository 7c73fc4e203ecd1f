import OBIS
import Rules

/// A family in a house: what it draws, feeds in and lets run, the same in every run.
struct Household {
    static let step = Duration.seconds(30)

    private var dice: Dice
    var hasPanels: Bool
    /// Energies in kWh, as the counters have them; those of the sub-meters behind the main meter, and water in m3.
    private(set) var activeImport = 12_000.0
    private(set) var activeExport = 4000.0
    private(set) var carEnergy = 800.0
    private(set) var homeEnergy = 11_000.0
    private(set) var volume = 310.0

    private var kettleLeft = 0
    private var ovenLeft = 0
    private var ovenIsHot = false
    private var carLeft = 0
    private var clouds = 0.7
    private var sag = 0.0
    private var list = 0

    init(seed: UInt64, hasPanels: Bool) {
        dice = Dice(seed: seed)
        self.hasPanels = hasPanels
    }

    /// What the meter shows half a minute later.
    mutating func scene(day: Int, minute: Int) -> Scene {
        live(day, minute)
        let home = base(minute) + (kettleLeft > 0 ? 2000 : 0) + (ovenIsHot ? 2500 : 0)
        let car = carLeft > 0 ? 3650.0 : 0
        let sun = hasPanels ? panels(minute) : 0
        count(home, car, sun)
        var scene = Scene.calm
        show(home, car, sun, in: &scene)
        scene.clockAhead = 1 + Int.random(in: 0...2, using: &dice)
        // One frame in two hundred is damaged, and a second list carries the voltages only.
        if Int.random(in: 0..<200, using: &dice) == 0 { scene.link = LinkObservation(rejectedFrames: ["checksum": 1]) }
        list += 1
        if list % 40 == 0 { scene.drop(.activePower, .activeImport, .activeExport, .currentL1, .currentL2, .currentL3) }
        return scene
    }

    /// People come and go, and switch things on.
    private mutating func live(_ day: Int, _ minute: Int) {
        let isAwake = minute >= 390 && minute < 1380
        kettleLeft = max(0, kettleLeft - 1)
        ovenLeft = max(0, ovenLeft - 1)
        carLeft = max(0, carLeft - 1)
        if isAwake, Int.random(in: 0..<300, using: &dice) == 0 { kettleLeft = 7 }
        if minute == 1080, ovenLeft == 0, day % 3 != 0 { ovenLeft = 110 }
        // A thermostat: four minutes on, three off.
        ovenIsHot = ovenLeft > 0 && ovenLeft % 14 < 8
        if minute == 1290, carLeft == 0, day % 2 == 0 { carLeft = 420 }
        if Int.random(in: 0..<40, using: &dice) == 0 { clouds = Double.random(in: 0.15...1, using: &dice) }
        sag = 0.98 * sag + Double.random(in: -0.25...0.25, using: &dice)
        if isAwake, Int.random(in: 0..<60, using: &dice) == 0 { volume += 0.02 }
    }

    private mutating func base(_ minute: Int) -> Double {
        let evening = minute >= 1020 && minute < 1370 ? 350.0 : 0
        let morning = minute >= 390 && minute < 540 ? 250.0 : 0
        let fridge = (minute + list / 7) % 60 < 25 ? 90.0 : 0
        return 110 + evening + morning + fridge + Double.random(in: 0...40, using: &dice)
    }

    /// Five kilowatts at noon, behind clouds.
    private func panels(_ minute: Int) -> Double {
        let x = (Double(minute) - 790) / 330
        return abs(x) < 1 ? 5000 * (1 - x * x) * clouds : 0
    }

    private mutating func count(_ home: Double, _ car: Double, _ sun: Double) {
        let hours = 30.0 / 3600 / 1000
        let net = home + car - sun
        activeImport += max(0, net) * hours
        activeExport += max(0, -net) * hours
        homeEnergy += home * hours
        carEnergy += car * hours
    }

    private mutating func show(_ home: Double, _ car: Double, _ sun: Double, in scene: inout Scene) {
        let kitchen = (kettleLeft > 0 ? 2000.0 : 0)
        let oven = ovenIsHot ? 2500.0 : 0
        let rest = home - kitchen - oven
        let loads = [car + rest / 3 - sun / 3, kitchen + rest / 3 - sun / 3, oven + rest / 3 - sun / 3]
        let currents = loads.map { $0 / 230 }
        // Half an ohm of line: what is drawn lowers the voltage, what is fed in raises it; the meter shows whole volts.
        let voltages = currents.map { (231 + sag - 0.25 * $0).rounded() }
        scene.setVoltages(voltages[0], voltages[1], voltages[2])
        scene.setCurrents(abs(currents[0]), abs(currents[1]), abs(currents[2]))
        scene[.activePower] = (home + car - sun).rounded()
        scene[.activeImport] = activeImport
        scene[.activeExport] = activeExport
        scene[.frequency] = 50 + Double.random(in: -0.04...0.04, using: &dice)
        scene[.thdVoltage] = 2 + Double.random(in: 0...1, using: &dice)
        scene[.powerFactor] = 0.93 + Double.random(in: 0...0.05, using: &dice)
    }
}

/// A household with its meters and the engines that watch them.
struct Neighbourhood {
    private(set) var house: Household
    private(set) var main: Stage
    private(set) var water: Stage
    private(set) var balance: BalanceRule
    private(set) var balanceChanges: [AnomalyChange] = []
    private var steps = 0

    init(seed: UInt64, hasPanels: Bool) {
        house = Household(seed: seed, hasPanels: hasPanels)
        let limits = InstallationLimits(
            contractedPower: 9000, fuse: 25, phases: 3, nominalVoltage: 230, hasGenerator: hasPanels)
        let start = "2026-03-10T17:00:00Z"
        let budget = RuleSettings.on("budget", ["energy": .quantity(1200, .kilowattHour)])
        main = Stage(
            settings: budget, limits: limits, interval: Household.step, start: start, calendar: CentralEurope())
        water = Stage(limits: limits, interval: .minutes(15), start: start, calendar: CentralEurope())
        // Behind panels, the sub-meters count what the main meter never sees.
        let subs = hasPanels ? [] : ["home", "car"]
        balance = BalanceRule(main: "main", subs: subs, limits: limits)
    }

    var changes: [AnomalyChange] { main.changes + water.changes + balanceChanges }

    /// Half a minute in the house.
    mutating func live(_ fault: Fault? = nil) {
        let seconds = main.wall.milliseconds / 1000 + Int64(CentralEurope().utcOffset(at: main.wall))
        let (day, minute) = (Int(seconds / 86_400), Int(seconds % 86_400 / 60))
        if fault?.stopsPanels == true { house.hasPanels = false }
        var scene = house.scene(day: day, minute: minute)
        fault?.act(&scene, Double(steps))
        main.show(scene, after: Household.step)
        steps += 1
        if steps % 30 == 0 { lookAtWater(fault) }
        feedBalance(scene)
        // The machine restarts every night, also in the one in which the clock changes.
        if minute == 150, seconds % 60 < 30 {
            main.restart(after: .seconds(5))
            water.restart(after: .seconds(5))
            balance = BalanceRule(
                main: "main", subs: house.hasPanels ? [] : ["home", "car"], state: EngineState(balance.stored))
        }
    }

    private mutating func lookAtWater(_ fault: Fault?) {
        var scene = Scene()
        scene.device.medium = .water
        scene[.volume] = house.volume
        fault?.leak(&scene, Double(steps))
        water.show(scene, after: .minutes(15))
    }

    private mutating func feedBalance(_ scene: Scene) {
        guard !house.hasPanels, steps % 10 == 0, let whole = scene.values[.activeImport] else { return }
        for (meter, energy) in [("home", house.homeEnergy), ("car", house.carEnergy)] {
            guard let energy = FixedDecimal((energy * 1000).rounded() / 1000) else { continue }
            balanceChanges += balance.observe(meter: meter, activeImport: energy, at: main.now, wall: main.wall)
        }
        balanceChanges += balance.observe(meter: "main", activeImport: whole, at: main.now, wall: main.wall)
    }
}

/// Something that goes wrong in the household.
struct Fault: Sendable {
    let type: String
    /// It must be found within this time.
    let within: Duration
    var hasPanels = true
    var stopsPanels = false
    /// Changes what the main meter shows; the number rises with each reading.
    var act: @Sendable (inout Scene, Double) -> Void = { _, _ in }
    var leak: @Sendable (inout Scene, Double) -> Void = { _, _ in }

    static let all: [Fault] = [
        Fault(type: "overload", within: .seconds(90)) { scene, _ in scene[.activePower] = 9500 },
        Fault(type: "fuse", within: .minutes(11)) { scene, _ in scene[.currentL2] = 27 },
        Fault(type: "voltage_band", within: .minutes(21)) { scene, _ in scene[.voltageL1] = 203 },
        Fault(type: "dip", within: .seconds(60)) { scene, _ in scene[.voltageL1] = 190 },
        Fault(type: "swell", within: .seconds(60)) { scene, _ in scene[.voltageL3] = 259 },
        Fault(type: "phase_lost", within: .seconds(60)) { scene, _ in scene[.voltageL2] = 1 },
        Fault(type: "neutral_fault", within: .seconds(60)) { scene, _ in scene.setVoltages(268, 184, 241) },
        Fault(type: "voltage_unbalance", within: .minutes(21)) { scene, _ in scene[.voltageL1] = 240 },
        Fault(type: "frequency", within: .seconds(60)) { scene, _ in scene[.frequency] = 49.2 },
        Fault(type: "thd_voltage", within: .minutes(21)) { scene, _ in scene[.thdVoltage] = 9.5 },
        Fault(type: "power_factor", within: .minutes(16)) { scene, _ in
            scene[.activePower] = 1500
            scene[.powerFactor] = 0.6
        },
        Fault(type: "current_unbalance", within: .minutes(11)) { scene, _ in scene.setCurrents(18, 6, 5) },
        Fault(type: "night_base_load", within: .hours(12)) { scene, _ in scene[.activePower] += 700 },
        Fault(
            type: "continuous_flow", within: .hours(26),
            leak: { scene, steps in scene[.volume] += steps * 0.0002 }),
        Fault(type: "peak", within: .minutes(16)) { scene, _ in scene[.activePower] = 7000 },
        Fault(type: "drop", within: .minutes(125), hasPanels: false) { scene, _ in scene[.activePower] = 15 },
        Fault(type: "unexpected_export", within: .minutes(11), hasPanels: false) { scene, _ in
            scene[.activePower] = -250
        },
        Fault(type: "missing_export", within: .days(4), stopsPanels: true),
        Fault(type: "counter_fault", within: .seconds(30)) { scene, _ in
            scene.drop(.activeImport)
            scene.issues = [Course.issue(.counterDecreased, "the counter went back from 9 to 3", .error)]
        },
        Fault(type: "meter_error", within: .seconds(30)) { scene, _ in scene.registers = [Course.errorRegister(1)] },
        Fault(type: "clock_drift", within: .minutes(11)) { scene, _ in scene.clockAhead = -50 },
        Fault(type: "stale", within: .seconds(120)) { scene, _ in scene.isSilent = true },
        Fault(type: "bad_link", within: .minutes(22)) { scene, steps in
            if Int(steps) % 8 == 0 { scene.link = LinkObservation(rejectedFrames: ["checksum": 1]) }
        },
        Fault(type: "decryption", within: .seconds(90)) { scene, _ in
            scene.isSilent = true
            scene.link = LinkObservation(rejectedFrames: ["authentication": 1])
        },
        Fault(type: "replay", within: .seconds(30)) { scene, _ in
            scene.issues = [Course.issue(.invocationCounter, "the message counter went from 9 to 3")]
        },
        Fault(type: "sub_meter_balance", within: .hours(2) + .minutes(15), hasPanels: false) { scene, steps in
            if scene.values[.activeImport] != nil { scene[.activeImport] += steps * 0.01 }
        },
        Fault(type: "budget", within: .hours(24)) { scene, steps in
            if scene.values[.activeImport] != nil { scene[.activeImport] += steps * 0.5 }
        },
    ]
}
