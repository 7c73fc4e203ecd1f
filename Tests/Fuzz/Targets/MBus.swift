import MBus
import MeterSimulator
import Metering
import OBIS
import Wire

/// Wired M-Bus: frames, records, the master's conversation and its search.
extension FuzzTarget {
    static let mbus: [FuzzTarget] = [
        FuzzTarget("mbus.framer", .framer) {
            Sample.mbus + [Sample.mbus.flatMap { $0 }]
        } run: { bytes in
            FramerCheck.run(bytes) { MBusDecoder() }
        },
        // The first byte is the control information, the rest what stands behind it.
        FuzzTarget("mbus.response", .decoder, maximumLength: 253) {
            Sample.mbus.map { Array($0.dropFirst(6).dropLast(2)) }
        } run: { bytes in
            response(information: bytes.first ?? 0, Array(bytes.dropFirst()))
        },
        // Records behind a header that is right, of a device that the first byte says.
        FuzzTarget("mbus.records", .decoder, maximumLength: 240) {
            Sample.mbus.map { [$0[14]] + Array($0.dropFirst(19).dropLast(2)) }
        } run: { bytes in
            let header: [UInt8] = [0x78, 0x56, 0x34, 0x12, 0xE9, 0x3D, 0x01, bytes.first ?? 2, 0, 0, 0, 0]
            response(information: 0x72, header + bytes.dropFirst())
        },
        FuzzTarget("mbus.fixed", .decoder, maximumLength: 32) {
            Sample.mbus.filter { $0[6] == 0x73 }.map { Array($0.dropFirst(7).dropLast(2)) }
        } run: { bytes in
            response(information: 0x73, bytes)
            response(information: 0x77, bytes)
        },
        // Encryption mode 5, and a key for it: the bytes behind the header become 16 by 16 of others.
        FuzzTarget("mbus.encrypted", .decoder, maximumLength: 240) {
            [[0x05, 1] + [UInt8](repeating: 0x2F, count: 16), [0x05, 15] + [UInt8](repeating: 0x55, count: 240)]
        } run: { bytes in
            var choices = Choices(bytes)
            let (mode, blocks) = (choices.byte(), choices.byte())
            let header: [UInt8] = [0x78, 0x56, 0x34, 0x12, 0xE9, 0x3D, 0x01, 2, 0, 0, blocks << 4, mode]
            let frame = LongFrame(
                control: Control.response, address: 1, controlInformation: 0x72, data: header + choices.rest())
            guard let mbus = ProtocolRegistry.named("mbus"), let encoded = frame.encoded() else { return }
            let settings = ProtocolSettings(encryptionKey: Sample.encryptionKey)
            _ = FramerCheck.telegrams(of: encoded, mbus.makeDecoder(settings))
        },
        FuzzTarget("mbus.survey", .decoder) {
            Sample.mbus
        } run: { bytes in
            SurveyCheck.run(bytes, MBusSurvey.survey)
            _ = MBusSurvey.carried(bytes).pieces.count
        },
        FuzzTarget("mbus.address", .decoder, maximumLength: 64) {
            Sample.texts(["12345678/OBI/01/02", "FFFFFFFF", "12345678/OBI", "/OBI"])
        } run: { bytes in
            guard let address = SecondaryAddress(String(decoding: bytes, as: UTF8.self)) else { return }
            precondition(SecondaryAddress(address.description) == address, "an address is read otherwise than written")
            precondition(SecondaryAddress(selection: address.selection) == address, "a selection selects another")
            _ = address.matches(.any)
        },
        FuzzTarget("mbus.search", .session) {
            [[UInt8](repeating: 2, count: 64), [UInt8](repeating: 0, count: 255), Array(0...255)]
        } run: { bytes in
            search(bytes)
        },
        session("mbus.primary", .primary(1), MBusSlave.Configuration(telegrams: 3)),
        session("mbus.fixed-structure", .primary(1), MBusSlave.Configuration(structure: .fixed)),
        session("mbus.secondary", .secondary(.any), MBusSlave.Configuration(kind: .heat)),
        session("mbus.probe", .primary(LinkAddress.allAnswer), MBusSlave.Configuration(), isSearch: true),
    ]

    private static func response(information: UInt8, _ data: [UInt8]) {
        let frame = LongFrame(
            control: Control.response, address: 1, controlInformation: information, data: Array(data.prefix(252)))
        guard let response = try? MeterResponse(frame) else { return }
        precondition(response.telegram.registers.count <= Limits.mbusRecords, "more records than there may be")
    }

    private static func session(
        _ name: String, _ address: MasterSession.Address, _ meter: MBusSlave.Configuration, isSearch: Bool = false
    ) -> FuzzTarget {
        FuzzTarget(name, .session, seeds: conversations) { bytes in
            let settings = MasterSession.Settings(address: address, retries: 1, isSearch: isSearch)
            Conversation.run(
                bytes, MasterSession(settings: settings), BusPeer(slave: MBusSlave(configuration: meter)))
        }
    }

    /// Whatever answers, a search ends, and what was interrupted goes on where it stopped.
    private static func search(_ bytes: [UInt8]) {
        var choices = Choices(bytes)
        var search = BusSearch(primary: 0...20, hexadecimal: choices.flag())
        var asked = 0
        while search.next != nil {
            asked += 1
            precondition(asked < 40_000, "a search does not end")
            switch choices.byte() & 3 {
            case 0, 1: search.take(.nobody)
            case 2: search.take(.collision)
            default:
                let serial = "\(10_000_000 + Int(choices.byte()))"
                search.take(
                    .meter(.init(primary: choices.byte(), secondary: serial, identification: serial, medium: nil)))
            }
        }
    }
}
