/// Gives the registers of one meter's telegrams the keys by which they stand in JSON: the OBIS code, else the name on the
/// wire or the position, with `#2`, `#3`… where one is repeated.
///
/// A meter sends the same few lists again and again: their keys are made once.
public struct RegisterNames: Sendable {
    private struct Known: Sendable {
        let names: [Register.Name]
        let keys: [String]
    }

    /// The newest first.
    private var known: [Known] = []
    /// As many lists as meters alternate between.
    private static let limit = 4

    public init() {}

    /// - Returns: a key for each register, all different.
    public mutating func keys(of registers: [Register]) -> [String] {
        if let place = known.firstIndex(where: { Self.fits($0.names, registers) }) {
            if place > 0 { known.insert(known.remove(at: place), at: 0) }
            return known[0].keys
        }
        let keys = Self.keys(of: registers)
        if known.count == Self.limit { known.removeLast() }
        known.insert(Known(names: registers.map(\.name), keys: keys), at: 0)
        return keys
    }

    private static func fits(_ names: [Register.Name], _ registers: [Register]) -> Bool {
        guard names.count == registers.count else { return false }
        for index in names.indices where names[index] != registers[index].name { return false }
        return true
    }

    /// The same without a memory.
    public static func keys(of registers: [Register]) -> [String] {
        var seen: [String: Int] = [:]
        var used: Set<String> = []
        return registers.map { register in
            let name =
                register.obis?.description ?? register.printedCode ?? register.index.map { "index:\($0)" } ?? "value"
            var count = seen[name, default: 0] + 1
            var key = count > 1 ? "\(name)#\(count)" : name
            // A meter may print a name that looks like a repetition.
            while !used.insert(key).inserted {
                count += 1
                key = "\(name)#\(count)"
            }
            seen[name] = count
            return key
        }
    }
}
