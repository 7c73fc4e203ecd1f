import Foundation
import OBIS
import TestSupport
import Testing
import Wire

@testable import COSEM

/// Recorded exchanges: what the client would send is made again byte for byte, what the meter sent is understood as an
/// independent decoder understood it.
@Suite("Client recordings")
struct ClientCorpusTests {
    private static func cases() throws -> [Corpus.Case] { try Corpus("dlms-client")?.cases() ?? [] }

    struct Frame {
        let isRequest: Bool
        let bytes: [UInt8]
        let json: [String: Any]

        func hex(_ name: String) -> [UInt8]? { (json[name] as? String).map(Corpus.bytes(hex:)) }
    }

    static func frames(_ item: Corpus.Case) -> [Frame] {
        (item.json["frames"] as? [[String: Any]] ?? []).map { json in
            Frame(
                isRequest: (json["direction"] as? String)?.hasPrefix("client") ?? false,
                bytes: Corpus.bytes(hex: json["hex"] as? String ?? ""), json: json)
        }
    }

    @Test("every frame of every recording is accounted for", arguments: try cases().map(\.name))
    func accounts(name: String) throws {
        let item = try #require(try Self.cases().first { $0.name == name })
        var replay = ExchangeReplay(item)
        for frame in Self.frames(item) {
            if item.json["layer"] as? String == "hdlc" || frame.bytes.first == HDLCFrame.flag {
                try replay.hdlc(frame, isValid: item.isValid)
            } else {
                try replay.message(frame.bytes, frame)
            }
        }
        #expect(replay.count >= Self.frames(item).count)
    }
}

/// One recording, frame after frame.
private struct ExchangeReplay {
    /// Frames that were checked.
    private(set) var count = 0
    private var exchange: GetExchange?
    private var clientTitle: [UInt8]?
    private var serverTitle: [UInt8]?
    private var newest: [UInt8: UInt32] = [:]
    private let keys: CipheringKeys
    private let dedicated: Secret?
    private let areKeysKnown: Bool

    init(_ item: Corpus.Case) {
        let encryption = item.key("guek")
        keys = CipheringKeys(encryption: encryption.map(Secret.init), authentication: item.key("gak").map(Secret.init))
        dedicated = item.key("dedicated").map(Secret.init)
        areKeysKnown = encryption != nil
        clientTitle = item.key("client_system_title")
    }

    // MARK: HDLC

    mutating func hdlc(_ frame: ClientCorpusTests.Frame, isValid: Bool) throws {
        count += 1
        var scanner = HDLCScanner()
        scanner.append(frame.bytes)
        guard case .frame(let decoded)? = scanner.next() else {
            // A damaged echo is none: nothing is taken from it.
            #expect(!isValid && !frame.isRequest, "no frame in \(Hex.string(frame.bytes))")
            return
        }
        #expect(decoded.encoded() == frame.bytes)
        if let destination = frame.hex("destination") { #expect(decoded.destination == destination) }
        if let source = frame.hex("source") { #expect(decoded.source == source) }
        switch decoded.control {
        case HDLCConnection.Control.snrm: setUp(decoded, frame)
        case HDLCConnection.Control.ua: try sizes(decoded)
        default:
            let apdu = try #require(frame.hex("apdu_hex"))
            #expect(Array(decoded.information.dropFirst(LLC.length)) == apdu)
            try message(apdu, frame)
            count -= 1
        }
    }

    /// The connection asks for the same.
    private func setUp(_ decoded: HDLCFrame, _ frame: ClientCorpusTests.Frame) {
        let address = decoded.destination
        let server =
            address.count == 1
            ? ServerAddress(logical: UInt16(address[0] >> 1))
            : ServerAddress(logical: UInt16(address[0] >> 1), physical: UInt16(address[1] >> 1))
        var asked = HDLCConnection.Settings(client: UInt16(decoded.source[0] >> 1), server: server)
        if decoded.information.isEmpty { (asked.maximumInformation, asked.window) = (128, 1) }
        var connection = HDLCConnection(asked)
        #expect(connection.connect().first == .send(frame.bytes))
    }

    private func sizes(_ decoded: HDLCFrame) throws {
        let sizes = try #require(HDLCSizes(decoded.information))
        let information = decoded.information
        // 06 is what the meter takes.
        let position = try #require(information.firstIndex(of: 0x06))
        let length = Int(information[position + 1])
        let value = information[(position + 2)..<(position + 2 + length)].reduce(0) { $0 << 8 | UInt16($1) }
        #expect(sizes.information == value && sizes.window == 1)
    }

    // MARK: Messages

    mutating func message(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        count += 1
        switch bytes.first {
        case 0x60: try request(bytes, frame)
        case 0x61: try response(bytes, frame)
        case 0x62: try release(bytes, frame)
        case 0x63, 0xC5, 0xC7, 0x0F: break
        case 0xC0: try ask(bytes)
        case 0xC4: try answer(bytes, frame)
        case 0xD0, 0xC8: try ciphered(bytes, frame)
        case 0xD4, 0xCC: try cipheredAnswer(bytes, frame)
        case 0x21: try initiate(bytes, frame)
        // Never sent by this program: nothing of it writes.
        case 0xC1, 0xC3: #expect(frame.isRequest)
        case ConfirmedServiceError.tag: #expect(ConfirmedServiceError(bytes) != nil)
        default:
            // Nonsense in place of an answer ends the request.
            #expect(!frame.isRequest)
            guard var current = exchange else { return }
            #expect(throws: WireError.self) { try current.take(bytes) }
        }
    }

    private mutating func request(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        exchange = nil
        var request = AssociationRequest(userInformation: [])
        var reader = WireReader(bytes.rawSpan)
        try reader.skip(1)
        _ = try reader.axdrLength()
        while !reader.isAtEnd {
            let tag = try reader.uint8()
            let length = try reader.axdrLength()
            let content = try reader.bytes(length)
            switch tag {
            case 0xA1: request.isCiphered = content.last == 3
            case 0xA6: request.systemTitle = Array(content[2...])
            case 0x8B:
                // Mechanism 2 is a maker's own, which is not asked for.
                guard let mechanism = content.last.flatMap(AuthenticationMechanism.init) else { return }
                request.mechanism = mechanism
            case 0xAC: request.authentication = Array(content[2...])
            case 0xBE: request.userInformation = Array(content[2...])
            default: break
            }
        }
        clientTitle = request.systemTitle ?? clientTitle
        #expect(request.encoded == bytes)
        if request.userInformation.first == InitiateRequest.tag {
            try plainInitiate(request.userInformation)
        } else if areKeysKnown {
            try initiate(request.userInformation, frame)
        }
    }

    private func plainInitiate(_ bytes: [UInt8]) throws {
        let conformance = bytes.suffix(5).prefix(3).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let key = bytes[1] == 1 ? Secret(Array(bytes[3..<19])) : nil
        let size = bytes.suffix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
        let again = InitiateRequest(
            dedicatedKey: key, conformance: Conformance(rawValue: conformance), maximumPDU: size)
        #expect(again.encoded == bytes)
    }

    /// A ciphered initiate request is sealed to the same bytes.
    private func initiate(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        guard areKeysKnown, let title = clientTitle else { return }
        var reader = WireReader(bytes.rawSpan)
        try reader.skip(1)
        let length = try reader.axdrLength()
        let content = try CipheredContent(&reader, length: length, from: title)
        guard let opened = try? content.open(with: keys, isMessage: { $0.first == InitiateRequest.tag }) else {
            // The source says itself that its key is another one.
            #expect(frame.json["gcm_tag_verified"] as? Bool != true)
            return
        }
        if let plain = frame.hex("plaintext_hex") { #expect(opened.plaintext == plain) }
        try plainInitiate(opened.plaintext)
        let again = try CipheredContent(
            sealing: opened.plaintext, securityControl: content.securityControl,
            invocationCounter: content.invocationCounter, from: title, with: keys)
        #expect([bytes[0]] + again.encoded.withLength == bytes)
    }

    private mutating func response(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        let response = try AssociationResponse(bytes)
        serverTitle = response.systemTitle
        let xml = frame.json["decoded_xml"] as? String ?? ""
        let isAccepted = xml.isEmpty ? response.result == 0 : xml.contains("<AssociationResult Value=\"00\"")
        if isAccepted {
            try response.requireAcceptance()
        } else {
            #expect(throws: WireError.self) { try response.requireAcceptance() }
        }
        guard let information = response.userInformation, information.first == InitiateResponse.tag else { return }
        _ = try InitiateResponse(information)
    }

    private func release(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        guard bytes.count > 2 else {
            #expect(ReleaseRequest.encoded(userInformation: nil) == bytes)
            return
        }
        let information = Array(bytes.dropFirst(9))
        #expect(ReleaseRequest.encoded(userInformation: information) == bytes)
        try initiate(information, frame)
    }

    // MARK: Reading

    private mutating func ask(_ bytes: [UInt8]) throws {
        if let exchange = GetExchange(request: bytes) {
            self.exchange = exchange
            #expect(exchange.request == bytes)
        } else {
            // The next block: the answer before asked for just this.
            #expect(bytes == expectedNext)
        }
    }

    private var expectedNext: [UInt8]? { nextRequest }
    private var nextRequest: [UInt8]?

    private mutating func answer(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        nextRequest = nil
        // Some recordings begin with the answer.
        let count = bytes[1] == 3 ? Int(bytes[3]) : 1
        let attribute = CosemAttribute(interfaceClass: 1, name: ObisCode(0, 0, 0, 0, 0), attribute: 2)
        var current = exchange ?? GetExchange(Array(repeating: attribute, count: count), invoke: bytes[2])
        switch Result(catching: { try current.take(bytes) }) {
        case .success(.request(let next)):
            nextRequest = next
            exchange = current
        case .success(.done(let results)):
            exchange = nil
            try compare(results, frame)
        case .success(.foreign): Issue.record("an answer to another request")
        case .failure: try refuses(bytes, frame)
        }
    }

    /// What this client refuses, the independent decoder saw as a block that does not fit, or not at all.
    private mutating func refuses(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        exchange = nil
        #expect(bytes[1] == 2 && frame.json["result"] == nil)
    }

    private func compare(_ results: [AttributeResult], _ frame: ClientCorpusTests.Frame) throws {
        if let code = frame.json["data_access_result"] as? Int {
            #expect(results == [.refused(DataAccessResult(rawValue: UInt8(code)))])
        }
        guard let expected = frame.json["result"] as? [String: Any] else { return }
        guard case .data(let data)? = results.first, let answer = Answer(data) else {
            Issue.record("no data, \(expected) expected")
            return
        }
        if let number = expected["value"] as? Int { #expect(answer.reader.integer(at: 0) == Int64(number)) }
        if let hex = expected["hex"] as? String, answer.tape[0].tag == .octetString {
            #expect(Array(data.suffix(answer.tape[0].count)) == Corpus.bytes(hex: hex))
        }
    }

    // MARK: Ciphered

    private func content(_ bytes: [UInt8], from title: [UInt8]) throws -> CipheredContent {
        var reader = WireReader(bytes.rawSpan)
        try reader.skip(1)
        let length = try reader.axdrLength()
        return try CipheredContent(&reader, length: length, from: title)
    }

    private func used(_ tag: UInt8) -> CipheringKeys {
        tag >= 0xD0 ? CipheringKeys(encryption: dedicated, authentication: keys.authentication) : keys
    }

    private mutating func ciphered(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        let title = try #require(clientTitle)
        let content = try content(bytes, from: title)
        let opened = try content.open(with: used(bytes[0])) { $0.first == GetExchange.requestTag }
        #expect(opened.plaintext == frame.hex("plaintext_hex") && opened.isAuthenticated)
        let again = try CipheredContent(
            sealing: opened.plaintext, securityControl: content.securityControl,
            invocationCounter: content.invocationCounter, from: title, with: used(bytes[0]))
        #expect([bytes[0]] + again.encoded.withLength == bytes)
        try ask(opened.plaintext)
    }

    private mutating func cipheredAnswer(_ bytes: [UInt8], _ frame: ClientCorpusTests.Frame) throws {
        let title = try #require(serverTitle)
        var ciphering = AssociationCiphering(
            securityControl: 0x30, keys: keys, dedicatedKey: dedicated, clientTitle: clientTitle ?? [])
        ciphering.serverTitle = title
        let number = try content(bytes, from: title).invocationCounter
        let plain = try ciphering.open(bytes)
        #expect(plain == frame.hex("plaintext_hex"))
        if newest[bytes[0]] == number {
            // It came before: one client that got both refuses the second.
            #expect(throws: WireError(.authentication, "")) { try ciphering.open(bytes) }
        } else {
            try answer(plain, frame)
        }
        newest[bytes[0]] = number
    }
}
