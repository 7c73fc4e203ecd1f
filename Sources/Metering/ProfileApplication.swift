import OBIS

extension Profile {
    /// Names the values of a list that came without codes, then adds units and scales where the wire had none.
    public func apply(to telegram: inout Telegram) {
        nameBareValues(of: &telegram)
        for index in telegram.registers.indices {
            telegram.registers[index] = scaled(telegram.registers[index])
        }
    }

    private func nameBareValues(of telegram: inout Telegram) {
        guard let types = telegram.list, !telegram.registers.isEmpty,
            telegram.registers.allSatisfy({ $0.obis == nil && $0.index != nil })
        else { return }
        guard let rule = lists.first(where: { $0.types.joined(separator: ",") == types }),
            rule.codes.count == telegram.registers.count
        else {
            telegram.warnings.append(
                "the list of \(telegram.registers.count) values (\(types)) is not in the profile \(name): "
                    + "its values stay without names")
            return
        }
        for (index, code) in rule.codes.enumerated() {
            guard let code else { continue }
            telegram.registers[index].obis = code
            telegram.registers[index].index = nil
        }
    }

    /// What the wire says about a unit or a scale stands above the profile.
    private func scaled(_ register: Register) -> Register {
        guard let code = register.obis, register.unit == nil, !register.isScaled,
            case .number(let sent)? = register.wireValue, let rule = units.first(where: { $0.matches(code) }),
            let number = sent.scaled(byPowerOfTen: rule.power)
        else { return register }
        var register = register
        register.value = .number(number)
        register.unit = rule.unit
        return register
    }
}
