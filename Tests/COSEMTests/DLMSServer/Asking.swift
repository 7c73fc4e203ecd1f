import Crypto
import MeterSimulator
import OBIS
import TestSupport

/// What a client sends, byte by byte, for tests of the simulated meter. It shares no code with the meter.
enum Asking {
    static func hex(_ text: String) -> [UInt8] { Corpus.bytes(hex: text) }

    static let time = MeterTime(year: 2026, month: 1, day: 15, hour: 12, minute: 34, second: 56)
    static let encryptionKey = hex("000102030405060708090A0B0C0D0E0F")
    static let authenticationKey = hex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
    static let keys = DLMSServer.Keys(
        encryption: Secret(encryptionKey), authentication: Secret(authenticationKey))
    static let title = hex("4D4D4D0000000001")

    // MARK: Associations

    /// `01 00 00 00 06 5F1F0400 conformance size`
    static func initiate(
        version: UInt8 = 6, conformance: String = "FFFFFF", size: Int = 0xFFFF, dedicatedKey: [UInt8]? = nil
    ) -> [UInt8] {
        [1] + (dedicatedKey.map { [1, UInt8($0.count)] + $0 } ?? [0]) + [0, 0, version] + hex("5F1F0400\(conformance)")
            + [UInt8(size >> 8), UInt8(size & 0xFF)]
    }

    static func associate(
        context: UInt8 = 1, title: [UInt8]? = nil, mechanism: UInt8? = nil, authentication: [UInt8]? = nil,
        user: [UInt8] = initiate()
    ) -> [UInt8] {
        var content = hex("A1090607608574050801") + [context]
        if let title { content += [0xA6, UInt8(title.count + 2), 0x04, UInt8(title.count)] + title }
        if mechanism != nil || authentication != nil { content += hex("8A020780") }
        if let mechanism { content += hex("8B07608574050802") + [mechanism] }
        if let authentication {
            content += [0xAC, UInt8(authentication.count + 2), 0x80, UInt8(authentication.count)] + authentication
        }
        content += [0xBE, UInt8(user.count + 2), 0x04, UInt8(user.count)] + user
        return [0x60, UInt8(content.count)] + content
    }

    // MARK: Requests

    static func get(_ classID: UInt8, _ code: String, _ attribute: UInt8, selection: [UInt8]? = nil) -> [UInt8] {
        [0xC0, 1, 0xC1] + descriptor(classID, code, attribute, selection: selection)
    }

    static func descriptor(
        _ classID: UInt8, _ code: String, _ attribute: UInt8, selection: [UInt8]? = nil
    ) -> [UInt8] {
        [0, classID] + hex(code) + [attribute] + (selection.map { [1] + $0 } ?? [0])
    }

    static func next(_ number: UInt8) -> [UInt8] { [0xC0, 2, 0xC1, 0, 0, 0, number] }

    static func prove(_ proof: [UInt8]) -> [UInt8] {
        hex("C301C1000F0000280000FF010109") + [UInt8(proof.count)] + proof
    }

    // MARK: Ciphering

    /// `30 | counter | ciphertext | tag 12` under suite 0.
    static func seal(
        _ plain: [UInt8], counter: UInt32, title: [UInt8] = title, key: [UInt8] = encryptionKey
    ) throws -> [UInt8] {
        let octets = (0..<4).map { UInt8(truncatingIfNeeded: counter >> (24 - 8 * $0)) }
        let sealed = try AES.GCM.seal(
            plain, using: SymmetricKey(data: key), nonce: AES.GCM.Nonce(data: title + octets),
            authenticating: [0x30] + authenticationKey)
        return [0x30] + octets + [UInt8](sealed.ciphertext) + Array(sealed.tag.prefix(12))
    }

    static func ciphered(_ tag: UInt8, _ sealed: [UInt8]) -> [UInt8] { [tag, UInt8(sealed.count)] + sealed }

    /// The plain message in one that the meter ciphered, after a look at its tag.
    static func open(_ message: [UInt8], title: [UInt8], key: [UInt8] = encryptionKey) throws -> [UInt8]? {
        let start = message.count > 1 && message[1] >= 0x80 ? 2 + Int(message[1] & 0x7F) : 2
        let content = Array(message.dropFirst(start))
        guard content.count > 17, content[0] == 0x30 else { return nil }
        let counter = content[1...4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let twice = try seal(Array(content[5..<(content.count - 12)]), counter: counter, title: title, key: key)
        let plain = Array(twice[5..<(twice.count - 12)])
        return try seal(plain, counter: counter, title: title, key: key) == content ? plain : nil
    }
}

extension DLMSServer {
    /// One question, and what comes back.
    mutating func ask(
        _ apdu: [UInt8], from client: UInt16 = 1, at time: MeterTime? = Asking.time
    ) -> [[UInt8]] {
        receive(
            apdu: apdu, from: client, house: Household(seed: 1), at: time ?? MeterTime(localSeconds: 1_768_480_496))
    }

    /// A meter whose client 1 has associated without security.
    static func open(_ change: (inout Configuration) -> Void = { _ in }, faults: Faults = Faults()) -> DLMSServer {
        var configuration = Configuration()
        configuration.clients = [Client(address: 1)]
        change(&configuration)
        var server = DLMSServer(configuration: configuration, faults: faults)
        _ = server.ask(Asking.associate())
        return server
    }
}

extension [UInt8] {
    var hex: String { Hex.string(self).uppercased() }
}
