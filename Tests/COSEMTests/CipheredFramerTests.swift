import COSEM
import OBIS
import TestSupport
import Testing
import Wire

@Suite("Ciphered messages without a link layer")
struct CipheredFramerTests {
    /// `DB …` of the sample frames, plaintext of 59 and more bytes.
    private static let authenticated = Array(Sample.authenticated.dropFirst(12).dropLast(3))
    private static let encrypted = Array(Sample.encrypted.dropFirst(12).dropLast(3))

    private static let length = 77

    private struct Result {
        var plaintexts: [[UInt8]] = []
        var errors: [WireError] = []
        var refused = 0
        var other: [UInt8] = []
        var isIdle = false

        init(_ chunks: [[UInt8]]) {
            var framer = CipheredFramer()
            func collect(_ framer: inout CipheredFramer) {
                while let output = framer.next() {
                    switch output {
                    case .frame(.ciphered(let frame)):
                        let opened = try? frame.open(with: Sample.keys) { $0.first == 0x0F && $0.count == length }
                        if let opened { plaintexts.append(opened.plaintext) } else { refused += 1 }
                        if opened == nil { framer.refuse() }
                    case .frame(.other(let bytes)): other += bytes
                    case .rejected(let error, _): errors.append(error)
                    case .noise: Issue.record("noise is handed on")
                    }
                }
            }
            for chunk in chunks {
                framer.append(chunk)
                collect(&framer)
            }
            framer.finish()
            collect(&framer)
            isIdle = framer.isIdle
        }
    }

    private static let plaintext = Result([authenticated]).plaintexts

    @Test("are cut and opened, however they arrive")
    func whole() {
        #expect(Self.plaintext.count == 1 && Self.plaintext[0].count == Self.length)
        for message in [Self.authenticated, Self.encrypted] {
            for chunks in [[message + message], (message + message).map { [$0] }] {
                let result = Result(chunks)
                #expect(result.plaintexts == Self.plaintext + Self.plaintext)
                #expect(result.errors == [] && result.other == [] && result.isIdle)
            }
        }
    }

    @Test("what stands between is handed on, byte for byte")
    func between() {
        let text = Array("/ISK5 a line\r\n".utf8) + [0xDB, 0x08, 0x00, 0xDB]
        for chunks in [
            [text + Self.authenticated + text], (text + Self.authenticated + text).map { [$0] },
        ] {
            let result = Result(chunks)
            #expect(result.plaintexts == Self.plaintext && result.other == text + text && result.errors == [])
        }
    }

    @Test("cut anywhere are told of, and the next one is read")
    func cut() {
        for count in 1..<Self.authenticated.count {
            let part = Array(Self.authenticated[..<count])
            let alone = Result([part])
            #expect(alone.plaintexts == [] && alone.refused == 0 && alone.isIdle, "\(count)")
            #expect(alone.other == part || alone.errors.map(\.code) == [.truncated], "\(count)")
            for chunks in [[part + Self.authenticated], (part + Self.authenticated).map { [$0] }] {
                #expect(Result(chunks).plaintexts == Self.plaintext, "\(count)")
            }
        }
    }

    @Test("with any bit flipped never give another plaintext, and the next one is read")
    func flipped() {
        for index in Self.authenticated.indices {
            for bit in 0..<8 {
                var damaged = Self.authenticated
                damaged[index] ^= 1 << bit
                let result = Result([damaged + Self.authenticated])
                #expect(result.plaintexts.last == Self.plaintext.first, "byte \(index), bit \(bit)")
                #expect(result.plaintexts.allSatisfy { $0 == Self.plaintext.first }, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("a header that claims more than a message may have is none")
    func limits() {
        let header: [UInt8] = [0xDB, 0x08] + Array("LGZ".utf8) + [0, 0, 0, 0, 1]
        for length: [UInt8] in [[0x82, 0xFF, 0xFF], [0x83, 0, 1, 0], [0x84, 0, 0, 1, 0], [0x80], [0x04]] {
            let result = Result([header + length + [0x30, 0, 0, 0, 1] + Self.authenticated])
            #expect(result.plaintexts == Self.plaintext && result.errors == [], "\(length)")
        }
    }
}
