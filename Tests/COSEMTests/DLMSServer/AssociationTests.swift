import Crypto
import MeterSimulator
import OBIS
import TestSupport
import Testing

@Suite("The simulated DLMS meter lets in whom it should")
struct AssociationTests {
    private static let password = Secret(Array("12345678".utf8))

    private static func server(_ client: DLMSServer.Client, counter: UInt32? = nil) -> DLMSServer {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [client]
        configuration.clientCounters = counter.map { [client.address: $0] } ?? [:]
        configuration.challenge = Array("P6wRJ21F".utf8)
        return DLMSServer(configuration: configuration)
    }

    /// Result and diagnostic of an AARE.
    private static func verdict(_ response: [UInt8]?) -> [UInt8]? {
        guard let response, response.first == 0x61,
            let start = response.indices.first(where: { response[$0...].prefix(3) == [0xA2, 0x03, 0x02] })
        else { return nil }
        return [response[start + 4], response[start + 11]]
    }

    @Test("and says why it does not, as the Green Book has it")
    func diagnostics() {
        let low = DLMSServer.Client(address: 1, mechanism: .password, secret: Self.password)
        let high = DLMSServer.Client(address: 1, mechanism: .md5, secret: Self.password)
        let right = Array("12345678".utf8)
        let cases: [(DLMSServer.Client, [UInt8], [UInt8])] = [
            (.init(address: 1), Asking.associate(), [0, 0]),
            (.init(address: 1), Asking.associate(context: 2), [1, 2]),
            (.init(address: 1), Asking.associate(mechanism: 1, authentication: right), [1, 11]),
            (.init(address: 2), Asking.associate(), [1, 1]),
            (low, Asking.associate(mechanism: 1, authentication: right), [0, 0]),
            (low, Asking.associate(mechanism: 1, authentication: Array("12345679".utf8)), [1, 13]),
            (low, Asking.associate(mechanism: 5, authentication: right), [1, 11]),
            (low, Asking.associate(), [1, 14]),
            (low, Asking.associate(authentication: right), [1, 12]),
            (high, Asking.associate(mechanism: 3, authentication: right), [0, 14]),
            (high, Asking.associate(mechanism: 3, authentication: [1, 2, 3]), [1, 13]),
        ]
        for (client, request, expected) in cases {
            var server = Self.server(client)
            #expect(Self.verdict(server.ask(request).first) == expected, "\(request.hex)")
            #expect(server.memory.associations == (expected[0] == 0 ? 1 : 0))
        }
    }

    @Test("the public client reads what leads to an association, and nothing else")
    func publicClient() {
        var server = Self.server(.init(address: 1))
        #expect(server.ask(Asking.get(8, "0000010000FF", 2), from: 16) == [[0xD8, 1, 1]])
        _ = server.ask(Asking.associate(), from: 16)
        for (classID, code) in [(8, "0000010000FF"), (1, "00002A0000FF"), (1, "0000600100FF"), (1, "00002B0100FF")]
            as [(UInt8, String)]
        {
            let answer = server.ask(Asking.get(classID, code, 2), from: 16)
            #expect(answer.first?.prefix(4) == [0xC4, 1, 0xC1, 0], "\(code)")
        }
        #expect(server.ask(Asking.get(3, "0100010800FF", 2), from: 16) == [[0xC4, 1, 0xC1, 1, 13]])
        #expect(server.ask(Asking.get(3, "0100630800FF", 2), from: 16) == [[0xC4, 1, 0xC1, 1, 4]])
    }

    @Test("both sides prove themselves with a hash", arguments: [DLMSServer.Mechanism.md5, .sha1, .sha256])
    func hashes(mechanism: DLMSServer.Mechanism) {
        let secret = Array("12345678".utf8)
        let (meter, client) = (DLMSServer.Configuration().systemTitle, Asking.title)
        let (byClient, byMeter) = (Array("K56iVagY".utf8), Array("P6wRJ21F".utf8))
        func hash(_ own: [UInt8], _ other: [UInt8], _ challenge: [UInt8], _ answered: [UInt8]) -> [UInt8] {
            switch mechanism {
            case .md5: Array(Insecure.MD5.hash(data: challenge + secret))
            case .sha1: Array(Insecure.SHA1.hash(data: challenge + secret))
            default: Array(SHA256.hash(data: secret + own + other + challenge + answered))
            }
        }
        let right = hash(client, meter, byMeter, byClient)
        for (proof, isRight) in [(right, true), (hash(meter, client, byClient, byMeter), false), ([0], false)] {
            var server = Self.server(.init(address: 1, mechanism: mechanism, secret: Self.password))
            _ = server.ask(
                Asking.associate(title: client, mechanism: mechanism.rawValue, authentication: byClient))
            // Nothing is read before the proof.
            #expect(server.ask(Asking.get(8, "0000010000FF", 2)) == [[0xD8, 1, 1]])
            let answer = hash(meter, client, byClient, byMeter)
            #expect(
                server.ask(Asking.prove(proof))
                    == [isRight ? [0xC7, 1, 0xC1, 0, 1, 0, 9, UInt8(answer.count)] + answer : [0xC7, 1, 0xC1, 250, 0]])
            #expect((server.ask(Asking.get(8, "0000010000FF", 2)).first?.first == 0xC4) == isRight)
            #expect(server.memory.writesAttempted == 0)
        }
    }

    @Test("both sides prove themselves with a message code")
    func messageCode() {
        var configuration = DLMSServer.Configuration()
        configuration.clients = [.init(address: 1, mechanism: .gmac, keys: Asking.keys)]
        configuration.challenge = Array("P6wRJ21F".utf8)
        configuration.systemTitle = Asking.hex("4D4D4D0000BC614E")
        configuration.invocationCounter = 0x0123_4567
        var server = DLMSServer(configuration: configuration)
        _ = server.ask(
            Asking.associate(title: Asking.title, mechanism: 5, authentication: Array("K56iVagY".utf8)))
        #expect(
            server.ask(Asking.prove(Asking.hex("10000000011A52FE7DD3E72748973C1E28"))).map(\.hex)
                == ["C701C1000100091110" + "01234567" + "FE1466AFB3DBCD4F9389E2B7"])
    }

    // MARK: Ciphering

    private static func secured(counter: UInt32? = nil) -> DLMSServer {
        server(
            .init(
                address: 1, mechanism: .password, secret: password, keys: Asking.keys, isCiphered: true),
            counter: counter)
    }

    private static func associate(
        counter: UInt32, dedicatedKey: [UInt8]? = nil, damage: Bool = false, size: Int = 0xFFFF
    ) throws -> [UInt8] {
        var user = Asking.ciphered(
            0x21, try Asking.seal(Asking.initiate(size: size, dedicatedKey: dedicatedKey), counter: counter))
        if damage { user[user.count - 1] ^= 1 }
        return Asking.associate(
            context: 3, title: Asking.title, mechanism: 1, authentication: Array("12345678".utf8), user: user)
    }

    @Test("a counter that does not rise is refused with the lowest that would be taken")
    func counters() throws {
        var server = Self.secured(counter: 7)
        let get = Asking.get(8, "0000010000FF", 2)
        #expect(server.ask(try Self.associate(counter: 7)) == [[0xD8, 1, 6, 0, 0, 0, 8]])
        #expect(Self.verdict(server.ask(try Self.associate(counter: 8)).first) == [0, 0])
        #expect(
            server.ask(Asking.ciphered(0xC8, try Asking.seal(get, counter: 8))) == [[0xD8, 1, 6, 0, 0, 0, 9]])
        let answer = try #require(server.ask(Asking.ciphered(0xC8, try Asking.seal(get, counter: 9))).first)
        #expect(answer.first == 0xCC)
        let plain = try Asking.open(answer, title: server.configuration.systemTitle)
        #expect(plain?.prefix(5) == [0xC4, 1, 0xC1, 0, 9])
        #expect(server.memory.clientCounters == [1: 9])
    }

    @Test("a wrong tag, a wrong key and a plain request are refused")
    func ciphering() throws {
        var server = Self.secured()
        let get = Asking.get(8, "0000010000FF", 2)
        #expect(server.ask(try Self.associate(counter: 1, damage: true)) == [[0xD8, 1, 5]])
        #expect(Self.verdict(server.ask(try Self.associate(counter: 1)).first) == [0, 0])
        #expect(server.ask(get) == [[0xD8, 1, 1]])
        let foreign = try Asking.seal(get, counter: 2, key: Asking.authenticationKey)
        #expect(server.ask(Asking.ciphered(0xC8, foreign)) == [[0xD8, 1, 5]])
        // Without a dedicated key there is none to use.
        #expect(server.ask(Asking.ciphered(0xD0, try Asking.seal(get, counter: 2))) == [[0xD8, 1, 5]])
        #expect(server.ask(Asking.ciphered(0xC8, try Asking.seal(get, counter: 2))).first?.first == 0xCC)
    }

    @Test("what comes under a dedicated key or in the general service goes back so")
    func services() throws {
        var configuration = Self.secured().configuration
        configuration.conformance.insert(.generalProtection)
        var server = DLMSServer(configuration: configuration)
        let key = Asking.hex("5E168412318BA71848C99B2B2AB33294")
        let get = Asking.get(8, "0000010000FF", 2)
        _ = server.ask(try Self.associate(counter: 1, dedicatedKey: key))
        let dedicated = try #require(
            server.ask(Asking.ciphered(0xD0, try Asking.seal(get, counter: 1, key: key))).first)
        #expect(dedicated.first == 0xD4)
        #expect(try Asking.open(dedicated, title: configuration.systemTitle, key: key)?.first == 0xC4)
        let sealed = try Asking.seal(get, counter: 2)
        let general = try #require(
            server.ask([0xDB, 8] + Asking.title + [UInt8(sealed.count)] + sealed).first)
        #expect(Array(general.prefix(10)) == [0xDB, 8] + configuration.systemTitle)
        #expect(try Asking.open(Array(general.dropFirst(9)), title: configuration.systemTitle)?.first == 0xC4)
    }

    @Test("ciphered answers keep to the message size of both sides")
    func sizes() throws {
        var server = Self.secured()
        _ = server.ask(try Self.associate(counter: 1, size: 80))
        let list = Asking.get(15, "0000280000FF", 2)
        var blocks = 0
        var answer = try #require(server.ask(Asking.ciphered(0xC8, try Asking.seal(list, counter: 2))).first)
        while blocks < 200 {
            blocks += 1
            #expect(answer.count <= 80)
            let plain = try #require(try Asking.open(answer, title: server.configuration.systemTitle))
            #expect(plain.prefix(3) == [0xC4, 2, 0xC1])
            if plain[3] == 1 { break }
            let next: [UInt8] = [0xC0, 2, 0xC1] + plain[4..<8]
            answer = try #require(
                server.ask(Asking.ciphered(0xC8, try Asking.seal(next, counter: UInt32(2 + blocks)))).first)
        }
        #expect((5..<200).contains(blocks))
    }
}
