/// What SNRM and UA negotiate: `81 80 len | 05 n size | 06 n size | 07 n window | 08 n window`, as their sender sees it.
struct HDLCParameters: Equatable {
    var maximumTransmit: Int?
    var maximumReceive: Int?
    var transmitWindow: Int?
    var receiveWindow: Int?

    init(maximumTransmit: Int?, maximumReceive: Int?, transmitWindow: Int?, receiveWindow: Int?) {
        self.maximumTransmit = maximumTransmit
        self.maximumReceive = maximumReceive
        self.transmitWindow = transmitWindow
        self.receiveWindow = receiveWindow
    }

    /// What is not understood counts as not there.
    init(_ information: [UInt8]) {
        var rest = information[...]
        guard rest.prefix(2) == [0x81, 0x80], rest.count > 3 else { return }
        rest = rest.dropFirst(3)
        while let name = rest.popFirst(), let length = rest.popFirst() {
            let value = rest.prefix(Int(length)).reduce(0) { ($0 << 8 | Int($1)) & 0xFFFF_FFFF }
            rest = rest.dropFirst(Int(length))
            // No frame carries nothing.
            guard value > 0 else { continue }
            switch name {
            case 0x05: maximumTransmit = value
            case 0x06: maximumReceive = value
            case 0x07: transmitWindow = value
            case 0x08: receiveWindow = value
            default: break
            }
        }
    }

    /// - Parameter isLong: whether sizes below 256 take two bytes too.
    func encoded(isLong: Bool) -> [UInt8] {
        func size(_ name: UInt8, _ value: Int?) -> [UInt8] {
            guard let value else { return [] }
            return isLong || value > 0xFF
                ? [name, 2, UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
                : [name, 1, UInt8(truncatingIfNeeded: value)]
        }
        func window(_ name: UInt8, _ value: Int?) -> [UInt8] {
            value.map { [name, 4, 0, 0, 0, UInt8(truncatingIfNeeded: $0)] } ?? []
        }
        let content =
            size(0x05, maximumTransmit) + size(0x06, maximumReceive) + window(0x07, transmitWindow)
            + window(0x08, receiveWindow)
        return [0x81, 0x80, UInt8(content.count)] + content
    }
}
