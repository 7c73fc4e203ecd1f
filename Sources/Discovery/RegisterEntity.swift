import OBIS

extension RegisterTraits {
    /// The sensor that shows the register.
    func entity(_ entityKey: String, decimals: Int, medium: Medium?, form: DiscoveryForm, topics: MeterTopics) -> Entity
    {
        let meaning = RegisterMeaning(self)
        var entity = Entity(entityKey, name: meaning.name, dependence: .meter)
        entity.stateTopic = topics.state
        entity.isDiagnostic = meaning.isDiagnostic || meaning.behaviour == .stored
        entity.isEnabled = meaning.behaviour != .stored
        guard content == .number else {
            entity.template = Template.text("registers", key, "value")
            entity.isDiagnostic = true
            if content == .time { entity.isEnabled = false }
            return entity
        }
        entity.template = Template.value(isTotal ? "register_totals" : "registers", key, "value")
        let unitClass = UnitClass(unit.flatMap { Unit(printed: $0) }, medium: medium, form: form)
        entity.unit = unitClass.unit
        entity.deviceClass = unitClass.deviceClass
        entity.stateClass = stateClass(meaning.behaviour, unitClass)
        entity.decimals = decimals
        return entity
    }

    private func stateClass(_ behaviour: RegisterMeaning.Behaviour, _ unitClass: UnitClass) -> Entity.StateClass? {
        if isTotal { return .totalIncreasing }
        switch behaviour {
        case .count: return unitClass.unit == nil ? .totalIncreasing : nil
        case .present:
            // What is counted and yet no counter that is known to rise has no statistics.
            return unitClass.unit == nil || Self.counted.contains(unitClass.deviceClass ?? "") ? nil : .measurement
        case .other, .stored: return nil
        }
    }

    private static let counted: Set<String> = ["energy", "reactive_energy", "gas", "water", "volume"]
}
