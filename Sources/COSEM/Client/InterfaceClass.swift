/// The interface classes that are read (IEC 62056-6-2, 4.3 and 4.4).
enum InterfaceClass {
    static let data: UInt16 = 1
    static let register: UInt16 = 3
    static let extendedRegister: UInt16 = 4
    static let demandRegister: UInt16 = 5
    static let profileGeneric: UInt16 = 7
    static let clock: UInt16 = 8
    static let association: UInt16 = 15

    /// What an object may be of which only the name is known, the most likely first.
    static func candidates(d: UInt8, isElectricity: Bool) -> [UInt16] {
        guard isElectricity else { return [data, register, extendedRegister] }
        return switch d {
        case 4, 5: [demandRegister, register, extendedRegister, data]
        case 2, 6: [extendedRegister, register, demandRegister, data]
        default: [register, extendedRegister, demandRegister, data]
        }
    }

    /// Where a class has scale and unit; nil for one that has none.
    static func scalerUnit(of interfaceClass: UInt16) -> UInt8? {
        switch interfaceClass {
        case register, extendedRegister: 3
        case demandRegister: 4
        default: nil
        }
    }

    /// Whether the scale of the class holds for an attribute.
    static func isScaled(_ interfaceClass: UInt16, _ attribute: UInt8) -> Bool {
        switch interfaceClass {
        case register, extendedRegister: attribute == 2
        case demandRegister: attribute == 2 || attribute == 3
        default: false
        }
    }
}
