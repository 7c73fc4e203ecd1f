import Foundation
import Fuzzing
import Testing

/// What was found by hostile bytes once. Each input is a file beside the targets; the mistake ended the process.
@Suite("What hostile bytes have found")
struct FindingsTests {
    @Test("a stored validation state may hold the largest numbers")
    func validatorState() throws { try replay("state.validator", "numbers-as-large-as-64-bits-hold") }

    @Test(
        "a load profile may be asked for from any time to any other",
        arguments: [
            ("readout.programming", "load-profile-to-the-end-of-all-times"),
            ("readout.programming", "load-profile-before-all-times"),
            ("client.wrapper", "load-profile-to-the-end-of-all-times"),
            ("client.hdlc", "load-profile-before-all-times"),
        ])
    func loadProfile(target: String, file: String) throws { try replay(target, file) }

    @Test(
        "a broker may send a property that MQTT 5 does not know",
        arguments: ["property-that-mqtt-5-does-not-know", "property-that-mqtt-5-does-not-know-in-a-message"])
    func unknownProperty(file: String) throws { try replay("broker.packets", file) }

    @Test("a kept search may hold the beginning of no address")
    func search() throws { try replay("state.search", "beginning-longer-than-an-address") }

    @Test(
        "a meter's clock may show a time that no instant has",
        arguments: ["time-beyond-all-times", "time-before-all-times"])
    func calendar(file: String) throws { try replay("values.calendar", file) }

    /// Returns where the target survives it.
    private func replay(_ target: String, _ file: String) throws {
        let path = "\(#filePath)/../../Fuzz/Corpus/\(target)/\(file)"
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path).standardized))
        try #require(FuzzTarget.named(target)).run(bytes)
    }
}
