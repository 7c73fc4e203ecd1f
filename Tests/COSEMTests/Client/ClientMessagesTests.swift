import OBIS
import TestSupport
import Testing
import Wire

@testable import COSEM

/// Messages of associations against published vectors.
@Suite("Client messages")
struct ClientMessagesTests {
    static func bytes(_ hex: String) -> [UInt8] { Corpus.bytes(hex: hex) }

    static let encryptionKey = Secret(bytes("000102030405060708090A0B0C0D0E0F"))
    static let authenticationKey = Secret(bytes("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"))
    static let keys = CipheringKeys(encryption: encryptionKey, authentication: authenticationKey)
    static let meterTitle = bytes("4D4D4D0000BC614E")
    static let clientTitle = bytes("4D4D4D0000000001")

    @Test(
        "protects a request as the Green Book does",
        arguments: [
            (UInt8(0x30), "3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"),
            (0x10, "1001234567C0010000080000010000FF020006725D910F9221D263877516"),
            (0x20, "2001234567411312FF935A47566827C467BC"),
        ])
    func seals(control: UInt8, expected: String) throws {
        let plain = Self.bytes("C0010000080000010000FF0200")
        let sealed = try CipheredContent(
            sealing: plain, securityControl: control, invocationCounter: 0x0123_4567, from: Self.meterTitle,
            with: Self.keys)
        #expect(Hex.string(sealed.encoded).uppercased() == expected)
        var reader = WireReader(sealed.encoded.rawSpan)
        let again = try CipheredContent(&reader, length: sealed.encoded.count, from: Self.meterTitle)
        let opened = try again.open(with: Self.keys) { $0 == plain }
        #expect(opened.plaintext == plain && opened.isAuthenticated == (control != 0x20))
    }

    @Test("proves by GMAC what the Green Book's client and server prove")
    func gmac() throws {
        let proof = ChallengeProof(
            mechanism: .hlsGMAC, password: nil, keys: Self.keys, clientChallenge: Self.bytes("4B35366956616759"),
            serverChallenge: Self.bytes("503677524A323146"), clientTitle: Self.clientTitle,
            serverTitle: Self.meterTitle)
        let client = try proof.ofClient(invocationCounter: 1)
        #expect(Hex.string(client).uppercased() == "10000000011A52FE7DD3E72748973C1E28")
        #expect(try proof.isRight(Self.bytes("1001234567FE1466AFB3DBCD4F9389E2B7")))
        #expect(try !proof.isRight(Self.bytes("1001234567FE1466AFB3DBCD4F9389E2B6")))
        #expect(try !proof.isRight(client) && !proof.isRight([]))
    }

    @Test(
        "proves by a hash of challenge and secret, each side its own",
        arguments: [
            // Computed by another implementation of the hashes.
            (AuthenticationMechanism.hlsMD5, 16), (.hlsSHA1, 20), (.hlsSHA256, 32),
        ])
    func hashes(mechanism: AuthenticationMechanism, length: Int) throws {
        func proof(_ password: String, swapped: Bool = false) -> ChallengeProof {
            ChallengeProof(
                mechanism: mechanism, password: Secret(Array(password.utf8)), keys: CipheringKeys(),
                clientChallenge: swapped ? [5, 6, 7, 8] : [1, 2, 3, 4],
                serverChallenge: swapped ? [1, 2, 3, 4] : [5, 6, 7, 8],
                clientTitle: swapped ? Self.meterTitle : Self.clientTitle,
                serverTitle: swapped ? Self.clientTitle : Self.meterTitle)
        }
        let client = try proof("secret").ofClient(invocationCounter: 0)
        #expect(client.count == length)
        // The other side checks what this side proves, and only with the same secret.
        #expect(try proof("secret", swapped: true).isRight(client))
        #expect(try !proof("secreT", swapped: true).isRight(client))
        #expect(try !proof("secret").isRight(client))
    }

    @Test("asks for an association without security as the standard's example does")
    func plainRequest() throws {
        var counter: InvocationCounter?
        let association = Association(ClientSettings(), isPublic: true)
        let request = try association.request(&counter)
        #expect(Hex.string(request).uppercased().hasPrefix("601DA109060760857405080101BE10040E01000000065F1F0400"))
        #expect(counter == nil)
    }

    @Test("numbers are reserved before they are used, and never used twice")
    func counter() throws {
        var counter = InvocationCounter(next: 7)
        #expect(counter.take() == nil)
        let first = try #require(try counter.reservation())
        counter.reserve(upTo: first.end)
        #expect(counter.take() == 7 && counter.take() == 8)
        #expect(try counter.reservation() == nil)
        // After a crash only what was kept is known.
        var after = try #require(InvocationCounter(kept: first.kept))
        #expect(after.next == first.end && after.take() == nil)
        after.exceed(first.end + 1000)
        #expect(after.next == first.end + 1001)
        after.exceed(3)
        #expect(after.next == first.end + 1001 && after.take() == nil)
        #expect(InvocationCounter(kept: [2, 0, 0, 0, 1]) == nil && InvocationCounter(kept: []) == nil)
        #expect(throws: WireError(.limit, "")) { try InvocationCounter(next: .max - 5).reservation() }
    }

    @Test(
        "addresses have one, two or four bytes",
        arguments: [
            (ServerAddress(logical: 1), "03"), (ServerAddress(logical: 1, physical: 17), "0223"),
            (ServerAddress(logical: 16, physical: 32), "2041"), (ServerAddress(logical: 1, physical: 0x91), "00020223"),
            (ServerAddress(logical: 0x90), "0221"),
        ])
    func addresses(address: ServerAddress, expected: String) {
        #expect(Hex.string(address.octets) == expected)
    }

    @Test("says in words why an association is refused, and takes no downgrade")
    func refusals() throws {
        func response(_ hex: String) throws -> AssociationResponse { try AssociationResponse(Self.bytes(hex)) }
        let wrongPassword = try response(
            "6129A109060760857405080101A203020101A305A10302010DBE10040E0800065F1F040000101400800007")
        #expect(throws: WireError(.authentication, "")) { try wrongPassword.require(isCiphered: false) }
        let plain = try response(
            "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007")
        #expect(throws: Never.self) { try plain.require(isCiphered: false) }
        #expect(throws: WireError(.authentication, "")) { try plain.require(isCiphered: true) }
        let shortNames = try response(
            "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F4FA00")
        let information = try #require(shortNames.userInformation)
        #expect(throws: WireError(.unsupported, "")) { try InitiateResponse(information) }
    }

    @Test("refuses answers that are plain, less protected, replayed, or of another meter")
    func refusesDowngrades() throws {
        func sealed(_ control: UInt8, _ number: UInt32, title: [UInt8] = Self.meterTitle) throws -> [UInt8] {
            let content = try CipheredContent(
                sealing: Self.bytes("C401C100120001"), securityControl: control, invocationCounter: number,
                from: title, with: Self.keys)
            return [0xCC] + content.encoded.withLength
        }
        func ciphering() -> AssociationCiphering {
            var ciphering = AssociationCiphering(
                securityControl: 0x30, keys: Self.keys, dedicatedKey: nil, clientTitle: Self.clientTitle)
            ciphering.serverTitle = Self.meterTitle
            return ciphering
        }
        var good = ciphering()
        #expect(try good.open(sealed(0x30, 5)) == Self.bytes("C401C100120001"))
        #expect(try good.open(sealed(0x30, 6)) == Self.bytes("C401C100120001"))
        #expect(throws: WireError(.authentication, "")) { try good.open(sealed(0x30, 6)) }
        #expect(throws: WireError(.authentication, "")) { try good.open(sealed(0x30, 3)) }
        for control: UInt8 in [0x10, 0x20] {
            var strict = ciphering()
            #expect(throws: WireError(.authentication, "")) { try strict.open(sealed(control, 1)) }
        }
        var strict = ciphering()
        #expect(throws: WireError(.authentication, "")) { try strict.open(Self.bytes("C401C100120001")) }
        #expect(throws: WireError.self) { try strict.open(sealed(0x30, 1, title: Self.clientTitle)) }
        #expect(throws: WireError(.unsupported, "")) {
            var suite1 = ciphering()
            return try suite1.open(sealed(0x31, 1))
        }
    }

    @Test(
        "cut and mutated answers are refused and never more",
        arguments: [
            "C401C1000600001391",
            "C403C109001200320012000000120000001200000012000000120000001208FE000207060190560B120326111111021200F01200011200000002051202D0120CA8111811200FC0",
            "C402C10000000001000C010506000000010600000002",
            "6142A109060760857405080101A203020100A305A10302010E88020780890760857405080205AA0A8008503677524A323146BE10040E0800065F1F040000501F01F40007",
            "D4233000000001AA07A549F82E6B8EEA919659D91689BF995BE6F93C95A7208718A3B84EE4",
        ])
    func hostile(hex: String) {
        let bytes = Self.bytes(hex)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, bound)
        }
        for length in 0..<bytes.count { Self.offer(Array(bytes.prefix(length))) }
        for _ in 0..<3000 {
            var mutated = bytes
            for _ in 0...random(3) { mutated[random(mutated.count)] = UInt8(random(256)) }
            Self.offer(mutated)
        }
    }

    /// Every decoder of an answer.
    private static func offer(_ bytes: [UInt8]) {
        let attribute = CosemAttribute(interfaceClass: 3, name: ObisCode(1, 0, 1, 8, 0), attribute: 2)
        for count in [1, 9] {
            var exchange = GetExchange(Array(repeating: attribute, count: count), invoke: 0xC1)
            if case .done(let results)? = try? exchange.take(bytes) { #expect(results.count == count) }
        }
        _ = try? AssociationResponse(bytes)
        _ = try? InitiateResponse(bytes)
        _ = HDLCSizes(bytes)
        var ciphering = AssociationCiphering(
            securityControl: 0x30, keys: keys, dedicatedKey: encryptionKey, clientTitle: clientTitle)
        ciphering.serverTitle = meterTitle
        // Nothing that was tampered with is opened.
        #expect((try? ciphering.open(bytes)) == nil)
        var blocks = AnswerBlocks()
        _ = try? blocks.take(bytes)
    }

    // MARK: Hostile meters

    /// A reader of a load profile that was answered up to its entries.
    private static func profile(period: [UInt8]) throws -> ProfileReader {
        var reader = ProfileReader(ObisCode(1, 0, 99, 1, 0), ProfileSpan(after: 0, through: .max))
        let columns = bytes("01020204120008090600000100 00FF0F02120000 0204120001090600006000 01FF0F02120000")
        try answer(&reader, .data(columns))
        try answer(&reader, .data(period))
        return reader
    }

    private static func answer(_ reader: inout ProfileReader, _ result: AttributeResult) throws {
        let question = try #require(reader.next(limit: 1))
        try reader.take([result], for: question.attributes)
    }

    private static let time = "090C07EA0115FF080000FF800000"

    @Test("a capture period of any size costs no more than the time that it was to give")
    func endlessPeriod() throws {
        // 2^63 - 1 - 55 807 and its neighbours, a negative one, a very long one.
        for period in ["147FFFFFFFFFFF0000", "147FFFFFFFFFFFFFFF", "14FFFFFFFFFFFFFFFF", "0601E28500"] {
            var reader = try Self.profile(period: Self.bytes(period))
            let rows = Self.bytes("0103" + "0202\(Self.time)1100" + "02020011 01".filter { $0 != " " } + "0202001102")
            try Self.answer(&reader, .data(rows))
            #expect(reader.entries?.isEmpty == false)
        }
    }

    @Test("a null that stands for many values is refused")
    func multipliedContainer() throws {
        var reader = try Self.profile(period: Self.bytes("1101"))
        let many: [UInt8] = [0x01, 0x82, 0x3A, 0x98] + [UInt8](repeating: 0, count: 15_000)
        let rows = [UInt8]([0x01, 0x82, 0x03, 0xE8]) + Self.bytes("0202\(Self.time)") + many
        let nulls = (0..<999).flatMap { _ in [0x02, 0x02, 0x00, 0x00] as [UInt8] }
        #expect(throws: WireError(.unsupported, "")) { try Self.answer(&reader, .data(rows + nulls)) }
    }

    @Test("entries without a readable time are no empty answer")
    func undatedEntries() throws {
        var reader = try Self.profile(period: Self.bytes("1101"))
        #expect(throws: WireError(.malformed, "")) {
            try Self.answer(&reader, .data(Self.bytes("010102020011 01".filter { $0 != " " })))
        }
        var empty = try Self.profile(period: Self.bytes("1101"))
        try Self.answer(&empty, .data([0x01, 0x00]))
        #expect(empty.entries == [])
    }

    @Test(
        "only a profile that is not there ends the search for it",
        arguments: [(UInt8(4), true), (9, true), (250, false), (15, false), (2, false)])
    func refusedProfile(reason: UInt8, isMissing: Bool) {
        var reader = ProfileReader(ObisCode(1, 0, 99, 1, 0), ProfileSpan(after: 0, through: 100))
        #expect(throws: WireError(isMissing ? .unsupported : .meterError, "")) {
            try Self.answer(&reader, .refused(DataAccessResult(rawValue: reason)))
        }
    }

    @Test("what was learned of a meter is forgotten with it")
    func exchangedMeter() throws {
        let energy = WantedRegister(ObisCode(1, 0, 1, 8, 0), interfaceClass: 3)
        var reader = RegisterReader([energy])
        func poll(_ name: String, scaler: String) throws -> Register? {
            reader.begin()
            while true {
                let asked = reader.next(limit: 8)
                guard !asked.isEmpty else { break }
                try reader.take(
                    asked.map { attribute in
                        switch (attribute.name.c, attribute.attribute) {
                        case (42, _): .data([0x09, 0x04] + Array(name.utf8))
                        case (1, 3): .data(Self.bytes(scaler))
                        case (1, 2) where attribute.interfaceClass == 3: .data(Self.bytes("060000000A"))
                        default: .refused(DataAccessResult(rawValue: 4))
                        }
                    }, for: asked)
            }
            return try reader.telegram().registers.first { $0.obis == energy.name }
        }
        #expect(try poll("OBI1", scaler: "02020F00161E")?.value.number == FixedDecimal(10))
        #expect(try poll("OBI1", scaler: "02020F03161E")?.value.number == FixedDecimal(10))
        #expect(try poll("OBI2", scaler: "02020F03161E")?.value.number?.description == "10000")
    }
}
