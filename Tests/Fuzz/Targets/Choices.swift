/// The bytes of one execution, taken from the front as choices. Behind their end all choices are 0.
struct Choices {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isUsedUp: Bool { place >= bytes.count }

    mutating func byte() -> UInt8 {
        guard place < bytes.count else { return 0 }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func flag() -> Bool { byte() & 1 == 1 }

    /// - Parameter end: above 0, and at most 256.
    mutating func number(below end: Int) -> Int { Int(byte()) % end }

    /// Eight bytes, the lowest first.
    mutating func integer() -> Int64 {
        var bits: UInt64 = 0
        for index in 0..<8 { bits |= UInt64(byte()) << UInt64(8 * index) }
        return Int64(bitPattern: bits)
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, place + count)
        defer { place = end }
        return Array(bytes[place..<end])
    }

    /// As many as the next byte says.
    mutating func run() -> [UInt8] { take(Int(byte())) }

    mutating func text() -> String { String(decoding: run(), as: UTF8.self) }

    mutating func rest() -> [UInt8] { take(bytes.count) }

    mutating func element<Element>(of elements: [Element]) -> Element { elements[number(below: elements.count)] }
}
