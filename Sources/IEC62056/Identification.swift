import OBIS
import Wire

/// Who answers a sign-on, and how fast it can talk (IEC 62056-21, 6.3.2):
///
///     '/' X X X Z ['\' W]… identification CR LF
///
/// `MMM` is the maker, `Z` the baud rate character, `\W` an enhanced capability.
public struct Identification: Hashable, Sendable {
    /// The three letters of the FLAG registry, as printed: a lower-case third letter promises a reaction
    /// within 20 ms instead of 200 ms.
    public let manufacturer: String
    /// The baud rate character `Z`.
    public let rateCharacter: UInt8
    /// The characters `W` of the escape sequences; `2` announces the binary mode E.
    public let escapes: [UInt8]
    /// What follows: type and firmware, as the maker likes.
    public let text: String
    /// The line without its end.
    let line: [UInt8]

    /// Whether the meter needs no more than 20 ms between messages.
    public var reactsFast: Bool {
        manufacturer.utf8.last.map { $0 >= UInt8(ascii: "a") } ?? false
    }

    /// What the line says about the meter itself.
    var meter: MeterIdentity {
        MeterIdentity(manufacturer: manufacturer.uppercased(), version: text.isEmpty ? nil : text)
    }

    /// - Parameter line: `/MMMZ…` without its end.
    init(line: [UInt8]) {
        self.line = line
        manufacturer = line.dropFirst().prefix(3).text
        rateCharacter = line.count > 4 ? line[4] : 0
        var rest = line.dropFirst(5)
        var escapes: [UInt8] = []
        while rest.first == UInt8(ascii: "\\"), let character = rest.dropFirst().first {
            escapes.append(character)
            rest = rest.dropFirst(2)
        }
        self.escapes = escapes
        text = rest.text
    }

    enum Match {
        /// A whole line of `length` bytes with the first character of its end.
        case complete(Identification, length: Int)
        /// It could become one.
        case incomplete
        case none
    }

    /// Looks whether an identification line starts at `start`.
    ///
    /// The line holds neither `/` nor `!`, as the standard has it, nor parentheses: so `(1000*imp/kWh)` is
    /// never taken for one.
    static func match(in buffer: CharacterBuffer, at start: Int) -> Match {
        var length = 0
        while let byte = buffer[start + length] {
            if byte.isLineEnd {
                guard length > 4 else { return .none }
                let line = buffer.characters(from: start, to: start + length)
                return .complete(Identification(line: line), length: length + 1)
            }
            guard length < Limits.identification, isAllowed(byte, at: length) else { return .none }
            length += 1
        }
        return .incomplete
    }

    private static func isAllowed(_ byte: UInt8, at position: Int) -> Bool {
        switch position {
        case 0: byte == UInt8(ascii: "/")
        case 1...3: byte.isLetter
        default: byte.isOfIdentification
        }
    }
}
