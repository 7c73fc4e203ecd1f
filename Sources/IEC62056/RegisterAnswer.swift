import OBIS
import Wire

/// What a meter answers to the request for one register in programming mode: `code(value*unit)`, or `(value*unit)` for the
/// one that was asked for.
enum RegisterAnswer {
    /// Why it gives no value, as a clause.
    struct Fault: Error {
        let clause: String
    }

    /// The data sets of the answer as lines of a readout, each under its code.
    ///
    /// - Parameter asked: the code in the request.
    static func lines(_ content: [UInt8], asked: String) throws(Fault) -> [UInt8] {
        let sets = DataSets(content)
        if let limit = sets.limitError { throw Fault(clause: limit.message) }
        guard sets.isWellFormed, !sets.sets.isEmpty else {
            throw Fault(clause: "the meter's answer is no data set")
        }
        if sets.valueCount == 1, let value = sets.values.first.map({ sets[$0].trimmed.text }),
            Readout.isErrorMessage(value)
        {
            throw Fault(clause: "the meter answered with the error message (\(value))")
        }
        let addresses = sets.sets.map { Array(sets[$0.address]) }
        guard addresses.allSatisfy({ $0.isEmpty || isSame($0, asked) }) else {
            let name = addresses.first { !isSame($0, asked) }?.text ?? ""
            throw Fault(clause: "the meter answered with another register, \(name)")
        }
        return zip(addresses, sets.sets).flatMap { line(of: sets.values(of: $1), address: $0, asked: asked) }
    }

    private static func line(of values: [[UInt8]], address: [UInt8], asked: String) -> [UInt8] {
        var line = address.isEmpty ? Array(asked.utf8) : address
        for value in values { line += [UInt8(ascii: "(")] + value + [UInt8(ascii: ")")] }
        return line + [Control.carriageReturn, Control.lineFeed]
    }

    /// A reduced code leaves out the medium and the channel, which the meter may print.
    static func isSame(_ answered: [UInt8], _ asked: String) -> Bool {
        let bytes = Array(asked.utf8)
        guard answered != bytes else { return true }
        guard let found = ObisCode(ascii: answered.span), let wanted = ObisCode(ascii: bytes.span) else { return false }
        let isReduced = !bytes.contains(UInt8(ascii: ":"))
        return found == wanted || isReduced && found.quantity == wanted.quantity && found.f == wanted.f
    }
}
