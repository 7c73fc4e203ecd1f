import Testing
import Wire

@testable import MeterSimulator

@Suite("Bits on a line")
struct UARTTests {
    static let settings = ["300 7E1", "2400 8E1", "9600 8N1", "1200 8O2", "600 7O1", "4800 7N2"]

    private func transfer(_ bytes: [UInt8], from sender: String, to receiver: String) throws -> [UART.Character] {
        let sender = UARTFormat(try #require(LineSettings(sender)))
        let receiver = UARTFormat(try #require(LineSettings(receiver)))
        return UART(sender: sender, receiver: receiver).transfer(bytes)
    }

    @Test("equal settings pass every character", arguments: settings)
    func equal(settings: String) throws {
        let line = try #require(LineSettings(settings))
        let bytes = (0..<(1 << line.dataBits)).map { UInt8($0) }
        let characters = try transfer(bytes, from: settings, to: settings)
        #expect(characters.map(\.byte) == bytes)
        #expect(characters.allSatisfy { $0.isValid })
    }

    @Test("7 bits with even parity, read as 8 bits, carry the parity in bit 7")
    func softwareParity() throws {
        // "1" has three ones, "3" four.
        #expect(try transfer(Array("13".utf8), from: "300 7E1", to: "300 8N1").map(\.byte) == [0xB1, 0x33])
    }

    @Test("the other parity makes every character invalid")
    func wrongParity() throws {
        let characters = try transfer(Array("/LGZ4".utf8), from: "300 7E1", to: "300 7O1")
        #expect(characters.map(\.byte) == Array("/LGZ4".utf8))
        #expect(characters.allSatisfy { !$0.isValid })
    }

    @Test("a missing second stop bit does no harm to a receiver that samples one")
    func stopBits() throws {
        let bytes = [UInt8](0...255)
        #expect(try transfer(bytes, from: "9600 8N1", to: "9600 8N2").map(\.byte) == bytes)
    }

    @Test(
        "another speed gives garbage, the same each time",
        arguments: [
            ("300 8N1", "9600 8N1"), ("9600 8N1", "300 8N1"), ("2400 8E1", "2400 8N1"), ("2400 8N1", "2400 8E1"),
        ])
    func garbage(sender: String, receiver: String) throws {
        let bytes = Array("1-0:1.8.0(000123.456*kWh)\r\n".utf8)
        let characters = try transfer(bytes, from: sender, to: receiver)
        #expect(characters.filter(\.isValid).map(\.byte) != bytes)
        let again = try transfer(bytes, from: sender, to: receiver)
        #expect(characters == again)
    }

    @Test("a line without speed carries nothing")
    func noSpeed() throws {
        let reader = UARTFormat(PseudoTerminal.ReaderLine(baud: 0), meter: LineSettings(baud: 300))
        #expect(UART(sender: UARTFormat(LineSettings(baud: 300)), receiver: reader).transfer([1]).isEmpty)
    }
}
