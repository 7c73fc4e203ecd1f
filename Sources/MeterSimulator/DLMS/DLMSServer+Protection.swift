import OBIS
import Wire

extension DLMSServer {
    /// How a request came, and its answer goes.
    struct Protection {
        enum Key {
            case none
            case global
            case dedicated
        }

        var key = Key.none
        /// Whether the message names nothing but its ciphering (DB, DC).
        var isGeneral = false

        static let none = Protection()
    }

    /// Takes the ciphering away, and checks it: tag, policy and counter.
    func unseal(
        _ bytes: ArraySlice<UInt8>, _ cipher: DLMSCipher, title: [UInt8], above last: UInt32?
    ) throws(ServiceException) -> DLMSCipher.Opened {
        guard let opened = cipher.open(bytes, title: title),
            opened.control & configuration.securityControl == configuration.securityControl
        else { throw .deciphering }
        if let last, opened.counter <= last { throw .invocationCounter(last == .max ? last : last + 1) }
        return opened
    }

    /// The plain request in a message of an association.
    mutating func open(
        _ apdu: [UInt8], _ association: inout Association
    ) throws(ServiceException) -> (plain: [UInt8], protection: Protection) {
        guard let tag = apdu.first, let protection = Self.protection(of: tag) else {
            // Who associated with ciphering has to use it.
            guard !association.client.isCiphered else { throw .notAssociated }
            return (apdu, .none)
        }
        guard association.client.isCiphered, let cipher = association.cipher(protection.key),
            !protection.isGeneral || association.conformance.contains(.generalProtection),
            let (title, content) = Self.content(of: apdu, isGeneral: protection.isGeneral)
        else { throw .deciphering }
        let last =
            protection.key == .dedicated
            ? association.dedicatedCounters.client : memory.clientCounters[association.client.address]
        let opened = try unseal(content, cipher, title: title ?? association.clientTitle, above: last)
        if protection.key == .dedicated {
            association.dedicatedCounters.client = opened.counter
        } else {
            memory.clientCounters[association.client.address] = opened.counter
        }
        return (opened.plain, protection)
    }

    mutating func protect(
        _ plain: [UInt8], _ protection: Protection, _ association: inout Association
    ) -> [UInt8] {
        guard protection.key != .none, let tag = plain.first, let cipher = association.cipher(protection.key) else {
            return plain
        }
        let isDedicated = protection.key == .dedicated
        let sealed =
            isDedicated
            ? seal(plain, cipher, Self.counter(&association.dedicatedCounters.server, &memory.faults))
            : seal(plain, cipher)
        let content = AxdrWriter.length(sealed.count) + sealed
        guard protection.isGeneral else {
            return [Self.ciphered(tag, isDedicated: isDedicated)] + content
        }
        let title = [UInt8(configuration.systemTitle.count)] + configuration.systemTitle
        return [isDedicated ? Tag.generalDedicated : Tag.generalGlobal] + title + content
    }

    /// With the meter's next counter under a global key.
    mutating func seal(_ plain: [UInt8], _ cipher: DLMSCipher) -> [UInt8] {
        seal(plain, cipher, Self.counter(&memory.nextCounter, &memory.faults))
    }

    private mutating func seal(_ plain: [UInt8], _ cipher: DLMSCipher, _ counter: UInt32) -> [UInt8] {
        var sealed =
            cipher.seal(
                plain, control: configuration.securityControl, title: configuration.systemTitle, counter: counter)
            ?? []
        if !sealed.isEmpty, memory.faults.wrongTags.take() { sealed[sealed.count - 1] ^= 0x01 }
        return sealed
    }

    static func counter(_ next: inout UInt32, _ faults: inout Faults) -> UInt32 {
        if faults.repeatedCounters.take() { return next >= 2 ? next - 2 : 0 }
        defer { next &+= 1 }
        return next
    }

    // MARK: Tags

    private static func protection(of tag: UInt8) -> Protection? {
        switch tag {
        case 0xC8...0xCB: Protection(key: .global)
        case 0xD0...0xD3: Protection(key: .dedicated)
        case Tag.generalGlobal: Protection(key: .global, isGeneral: true)
        case Tag.generalDedicated: Protection(key: .dedicated, isGeneral: true)
        default: nil
        }
    }

    /// C4, C5 and C7 become CC, CD and CF under the global key, D4, D5 and D7 under a dedicated one.
    private static func ciphered(_ tag: UInt8, isDedicated: Bool) -> UInt8 {
        isDedicated ? tag + 0x10 : tag + 0x08
    }

    /// The sender's title where the message has one, and what stands behind its length.
    private static func content(of apdu: [UInt8], isGeneral: Bool) -> (title: [UInt8]?, content: ArraySlice<UInt8>)? {
        var reader = WireReader(apdu.rawSpan)
        do throws(WireError) {
            try reader.skip(1)
            var title: [UInt8]?
            if isGeneral {
                title = try reader.bytes(Int(try reader.uint8()))
                if title?.isEmpty == true { title = nil }
            }
            let length = try reader.berLength()
            guard length == reader.remaining else { return nil }
            return (title, apdu[reader.offset...])
        } catch {
            return nil
        }
    }
}

extension WireReader {
    /// One byte below 128, else the number of bytes and those.
    mutating func berLength() throws(WireError) -> Int {
        let first = try uint8()
        guard first >= 0x80 else { return Int(first) }
        let count = Int(first & 0x7F)
        guard (1...3).contains(count) else { throw WireError(.malformed, "a length of \(count) bytes", offset: offset) }
        var length = 0
        for _ in 0..<count { length = length << 8 | Int(try uint8()) }
        return length
    }
}
