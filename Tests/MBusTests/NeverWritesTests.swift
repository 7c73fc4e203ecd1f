import MBus
import OBIS
import TestSupport
import Testing
import Wire

/// The three things that a master may say, byte by byte, without the code that makes them.
@Suite("Nothing is written to a meter on a bus")
struct NeverWritesTests {
    static func kind(_ message: [UInt8]) -> String? {
        func sum(_ bytes: ArraySlice<UInt8>) -> UInt8 { bytes.reduce(0, &+) }
        if message.count == 5, message[0] == 0x10, message[4] == 0x16, sum(message[1...2]) == message[3] {
            switch message[1] {
            case 0x40: return "reset"
            case 0x5B, 0x7B: return "request"
            default: return nil
            }
        }
        // SND_UD to 253 with CI 52 and eight bytes of an address: it selects.
        guard message.count == 17, message.starts(with: [0x68, 0x0B, 0x0B, 0x68]), [0x53, 0x73].contains(message[4]),
            message[5] == 0xFD, message[6] == 0x52, sum(message[4...14]) == message[15], message[16] == 0x16
        else { return nil }
        return "selection"
    }

    @Test("the shapes refuse new addresses, baud rates, data and resets of the application")
    func shapes() {
        for message in [
            // Address 5 instead of 1, another baud rate, a reset of the application, the clock.
            "6806066853015101 7A05 25 16", "6803036853 01BB 0F 16", "6803036853FD50A016",
            "680C0C6873FD51046D000C1F11 00 00 16", "1053015416", "105A015B16",
        ] {
            #expect(Self.kind(Answer.bytes(message.filter { $0 != " " })) == nil)
        }
        #expect(Self.kind(Answer.bytes("1040014116")) == "reset")
        #expect(Self.kind(Answer.bytes("680B0B6873FD5278563412FFFFFFFFD216")) == "selection")
    }

    private static let good = Answer.frame("0403 D2040000 04833C 11000000")
    private static let answers: [[UInt8]] = [
        [0xE5], [0xE5, 0xE5], good, Answer.frame("0403 D2040000 1F"), Answer.frame("022B 6400 04833C 11000000"),
        Answer.bytes("6806066853015101"), Answer.bytes("1053015416"), Answer.bytes("1040FD3D16"), [0x10], [0x68, 0xFF],
        Array(good.prefix(20)), good + good,
    ]

    private static func event(_ random: inout SeededGenerator) -> SessionEvent {
        switch Int.random(in: 0..<16, using: &random) {
        case 0: [.opened, .closed, .boundary, .kept(true), .recalled([1, 2])].randomElement(using: &random) ?? .opened
        case 1: .readProfile(ProfileSpan(after: 0, through: 4_000_000_000))
        case 2...3: .poll
        case 4...7: .timer
        case 8...10: .drained
        case 11: .received(random.bytes(Int.random(in: 0...40, using: &random)))
        default: .received(answers.randomElement(using: &random) ?? [])
        }
    }

    private static func settings(_ random: inout SeededGenerator) -> MasterSession.Settings {
        let address =
            Bool.random(using: &random)
            ? MasterSession.Address.primary(UInt8.random(in: 0...255, using: &random))
            : .secondary(SecondaryAddress(identification: UInt32.random(in: 0...UInt32.max, using: &random)))
        return .init(
            address: address, retries: Int.random(in: 0...3, using: &random), isSearch: Bool.random(using: &random))
    }

    @Test("whatever happens in whatever order, only resets, requests and selections are sent")
    func anyOrder() throws {
        var random = SeededGenerator(seed: 13757)
        var kinds: [String: Int] = [:]
        for _ in 0..<500 {
            var session = MasterSession(settings: Self.settings(&random))
            var sent = false
            for _ in 0..<200 {
                // Mostly what a port would tell, so that conversations get on.
                let event = sent && Int.random(in: 0..<4, using: &random) > 0 ? .drained : Self.event(&random)
                sent = false
                for case .send(let message) in session.handle(event) {
                    sent = true
                    let kind = try #require(Self.kind(message), "\(message)")
                    kinds[kind, default: 0] += 1
                }
            }
        }
        for kind in ["reset", "request", "selection"] { #expect(kinds[kind, default: 0] >= 200, "\(kinds)") }
    }
}
