import OBIS
import Wire

/// The data of one attribute, walked.
struct Answer {
    let tape: AxdrTape
    let reader: AxdrReader

    /// - Returns: nil for what is no A-XDR; a GET gives only what is.
    init?(_ bytes: [UInt8]) {
        var wire = WireReader(bytes.rawSpan)
        guard let tape = try? AxdrTape(&wire, limit: Limits.answerElements) else { return nil }
        self.tape = tape
        reader = AxdrReader(tape: tape, bytes: bytes)
    }

    /// The indices of the elements of a container; empty for a scalar.
    func elements(of index: Int = 0) -> [Int] {
        guard tape[index].tag.isContainer else { return [] }
        var elements: [Int] = []
        var position = index + 1
        while position < tape[index].next {
            elements.append(position)
            position = tape[position].next
        }
        return elements
    }

    var scalerUnit: ScalerUnit? {
        reader.scalerUnit(at: 0).flatMap { abs(Int($0.scaler)) <= Limits.scaler ? $0 : nil }
    }

    /// Class, name and attribute of an element of an object list or of capture objects.
    ///
    ///     structure { class u16, version or name … }
    func object(at index: Int, nameAt position: Int) -> (interfaceClass: UInt16, name: ObisCode)? {
        let parts = elements(of: index)
        guard parts.count > position, let number = reader.integer(at: parts[0]).flatMap({ UInt16(exactly: $0) }),
            let name = reader.name(at: parts[position])
        else { return nil }
        return (number, name)
    }
}

extension AxdrReader {
    /// A logical name: any six octets.
    func name(at index: Int) -> ObisCode? {
        let item = tape[index]
        guard item.tag == .octetString, item.count == 6 else { return nil }
        let octets = Array(bytes[item.offset..<(item.offset + 6)])
        return ObisCode(octets[0], octets[1], octets[2], octets[3], octets[4], octets[5])
    }
}
