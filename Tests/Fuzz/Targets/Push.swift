import COSEM
import Configuration
import MBus
import MeterSimulator
import Metering
import OBIS
import Wire

/// DLMS/COSEM messages that a meter sends by itself, on every layer: frames, blocks, ciphering, notification.
extension FuzzTarget {
    static let push: [FuzzTarget] = [
        FuzzTarget("push.framer", .framer) {
            plainPushes
        } run: { bytes in
            // What begins a burst is judged by what is there, so that the pieces may decide.
            FramerCheck.run(bytes, isEqual: false) { decoder() }
        },
        // The input is the information field of one frame, whose checks are right.
        FuzzTarget("push.frame", .framer) {
            notifications.map { [0xE6, 0xE7, 0x00] + $0 }
        } run: { bytes in
            _ = FramerCheck.telegrams(of: frame(Array(bytes.prefix(2000)), isSegmented: false), decoder())
        },
        // The input says how a message is cut into segments or blocks, which are right or not.
        FuzzTarget("push.segments", .framer) {
            [[0x00, 40] + notifications[0], [0x01, 255] + notifications[0]]
        } run: { bytes in
            var choices = Choices(bytes)
            _ = FramerCheck.telegrams(of: segments(&choices), decoder())
        },
        FuzzTarget("push.blocks", .framer) {
            [[0x00, 40] + notifications[0], [0x01, 255] + notifications[0]]
        } run: { bytes in
            var choices = Choices(bytes)
            _ = FramerCheck.telegrams(of: blocks(&choices), decoder())
        },
        FuzzTarget("push.mbus-carrier", .framer) {
            [Sample.push(.objects, .mbus), Sample.push(.pairs, .mbus, blockSize: 40)]
        } run: { bytes in
            FramerCheck.run(bytes, isEqual: false) { decoder() }
        },
        // The input is the message behind a right header of the wrapper.
        FuzzTarget("push.message", .decoder) {
            notifications
        } run: { bytes in
            _ = FramerCheck.telegrams(of: wrapper(bytes), decoder())
        },
        // The input is the body of a notification: one value in A-XDR.
        FuzzTarget("push.body", .decoder) {
            notifications.map { Array($0.dropFirst(6)) }
        } run: { bytes in
            _ = FramerCheck.telegrams(of: wrapper([0x0F, 0, 0, 0, 1, 0] + bytes), decoder())
        },
        FuzzTarget("push.profile", .decoder) {
            let bare = Sample.push(.bare, .apdu)
            return (0..<UInt8(clamping: profiles.count)).map { [$0] + Array(bare.dropFirst(6)) }
        } run: { bytes in
            var choices = Choices(bytes)
            var settings = ProtocolSettings()
            settings.profile = profiles.isEmpty ? nil : choices.element(of: profiles)
            let message = wrapper([0x0F, 0, 0, 0, 1, 0] + choices.rest())
            guard let decoder = ProtocolRegistry.named("dlms-push")?.makeDecoder(settings) else { return }
            _ = FramerCheck.telegrams(of: message, decoder)
        },
        // The input is ciphertext with a right header, for which there are keys.
        FuzzTarget("push.ciphertext", .decoder) {
            [true, false].map { Sample.push(.objects, .apdu, encryption: true, authentication: $0, blockSize: 1000) }
        } run: { bytes in
            _ = FramerCheck.telegrams(of: wrapper(bytes), decoder(keys))
        },
        // The input is what was encrypted with the right keys.
        FuzzTarget("push.plaintext", .decoder) {
            notifications.flatMap { [[0] + $0, [1] + $0] }
        } run: { bytes in
            var choices = Choices(bytes)
            let isAuthenticated = choices.flag()
            let cipher = GeneralGloCiphering(
                manufacturer: Array("LGZ".utf8), serial: "12345678", encryptionKey: Sample.encryptionKey,
                authenticationKey: isAuthenticated ? Sample.authenticationKey : nil)
            let message = cipher.encrypt(choices.rest(), counter: 7)
            let own = isAuthenticated ? keys : CipheringKeys(encryption: Sample.encryptionKey)
            _ = FramerCheck.telegrams(of: wrapper(message), decoder(own))
        },
        FuzzTarget("push.survey", .decoder) {
            plainPushes
        } run: { bytes in
            if let survey = ProtocolRegistry.named("dlms-push")?.survey { SurveyCheck.run(bytes, survey) }
        },
    ]

    private static let plainPushes =
        PushMeter.Carrier.allCases.map { Sample.push(.objects, $0) } + PushMeter.List.allCases.map { Sample.push($0) }
        + [Sample.push(encryption: true), Sample.push(encryption: true, authentication: true)]
    private static let notifications = PushMeter.List.allCases.map { Sample.push($0, .apdu, blockSize: 1000) }
    private static let keys = CipheringKeys(
        encryption: Sample.encryptionKey, authentication: Sample.authenticationKey)
    private static let profiles = ShippedProfiles.all

    private static func decoder(_ keys: CipheringKeys = CipheringKeys()) -> PushDecoder {
        PushDecoder(keys: keys, carriers: [DLMSCarrier()])
    }

    // MARK: Layers that are right

    /// `00 01 | source 2 | destination 2 | length 2 | message`
    static func wrapper(_ message: [UInt8], from source: UInt8 = 1, to destination: UInt8 = 1) -> [UInt8] {
        let message = Array(message.prefix(0xFFFF))
        return [0, 1, 0, source, 0, destination, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
    }

    private static func frame(_ information: [UInt8], isSegmented: Bool) -> [UInt8] {
        HDLCFrame(
            destination: [0xCE, 0xFF], source: [0x03], control: 0x13, isSegmented: isSegmented,
            information: information
        ).encoded() ?? []
    }

    /// How many bytes are in each piece, and whether something is odd about it.
    private static func pieces(_ choices: inout Choices) -> [(bytes: [UInt8], oddity: UInt8, isLast: Bool)] {
        let oddity = choices.byte()
        let size = 1 + Int(choices.byte())
        let message = choices.rest()
        return stride(from: 0, to: message.count, by: size).map { start in
            let end = min(message.count, start + size)
            return (
                Array(message[start..<end]), oddity &+ UInt8(truncatingIfNeeded: start / size), end == message.count
            )
        }
    }

    /// In every eighth kind of input a segment comes twice, in another its mark is wrong.
    private static func segments(_ choices: inout Choices) -> [UInt8] {
        var isFirst = true
        return pieces(&choices).flatMap { piece in
            let header: [UInt8] = isFirst ? [0xE6, 0xE7, 0x00] : []
            isFirst = false
            let isSegmented = piece.oddity & 0x70 == 0x70 ? piece.isLast : !piece.isLast
            let frame = frame(header + piece.bytes, isSegmented: isSegmented)
            return piece.oddity & 0x38 == 0x38 ? frame + frame : frame
        }
    }

    /// `E0 | control | number 2 | confirmed 2 | length | data` (IEC 62056-5-3, general block transfer).
    private static func blocks(_ choices: inout Choices) -> [UInt8] {
        var number: UInt8 = 0
        return pieces(&choices).flatMap { piece in
            number &+= piece.oddity & 0x70 == 0x70 ? 2 : 1
            let control: UInt8 = piece.isLast ? 0x80 : 0x00
            let length: [UInt8] = piece.bytes.count < 0x80 ? [] : [0x82, UInt8(piece.bytes.count >> 8)]
            let block =
                [0xE0, control, 0, number, 0, 0] + length + [UInt8(truncatingIfNeeded: piece.bytes.count)] + piece.bytes
            let frame = frame([0xE6, 0xE7, 0x00] + block, isSegmented: false)
            return piece.oddity & 0x38 == 0x38 ? frame + frame : frame
        }
    }
}
