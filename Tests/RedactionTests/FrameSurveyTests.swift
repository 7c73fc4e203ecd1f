import COSEM
import MBus
import TestSupport
import Testing
import Wire

@Suite("Checks that are computed anew")
struct FrameSurveyTests {
    @Test("are right after bytes of an HDLC frame were replaced, wherever the frame stands")
    func hdlc() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<50 {
            let frame = HDLCFrame(
                destination: [0x02, 0x23], source: [0x03], control: 0x13, information: random.bytes(40))
            let noise = [UInt8](repeating: 0x55, count: Int.random(in: 0...9, using: &random))
            var changed = frame
            changed.information.replaceSubrange(10..<18, with: random.bytes(8))
            var bytes = noise + (try #require(frame.encoded())) + noise
            let survey = PushSurvey.survey(bytes)
            #expect(survey.checks.count == 2)
            // Flag, format and length, three address bytes, control, header check.
            let information = noise.count + 9
            bytes.replaceSubrange((information + 10)..<(information + 18), with: changed.information[10..<18])
            survey.renewChecks(of: &bytes)
            #expect(bytes == noise + (try #require(changed.encoded())) + noise)
        }
    }

    @Test("are right after bytes of an M-Bus frame were replaced, and damage stays damage")
    func mbus() throws {
        let frame = LongFrame(control: 0x08, address: 1, controlInformation: 0x72, data: [0x78, 0x56, 0x34, 0x12, 9])
        var changed = frame
        changed.data[1] = 0x99
        var bytes = try #require(frame.encoded())
        let survey = MBusSurvey.survey(bytes)
        bytes[8] = 0x99
        #expect(MBusSurvey.survey(bytes).checks.isEmpty)
        survey.renewChecks(of: &bytes)
        #expect(bytes == (try #require(changed.encoded())))
    }

    @Test("know places that are cut, have parity bits, or do not exist")
    func places() {
        var bytes: [UInt8] = [0xB1, 0x32, 0xFF, 0x33, 0xB4]
        let places = BytePlaces([0..<2, 3..<9], hasParityBits: true)
        #expect(places.bytes(in: bytes) == Array("1234".utf8))
        #expect(places[1..<3].ranges == [1..<2, 3..<4])
        places.write(Array("7777777".utf8), to: &bytes)
        // The parity of the second character was wrong.
        #expect(bytes == [0xB7, 0x37, 0xFF, 0xB7, 0xB7])
    }
}
