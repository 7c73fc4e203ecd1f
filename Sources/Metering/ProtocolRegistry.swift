import IEC62056
import OBIS
import Wire

/// All protocols that this program speaks.
public enum ProtocolRegistry {
    public static let all: [MeterProtocol] = [
        MeterProtocol(
            name: "dlms-push",
            summary: "DLMS/COSEM messages that a meter sends by itself over its customer interface, encrypted or not",
            isPolled: false,
            defaultLine: LineSettings(baud: 2400, dataBits: 8, parity: .even),
            keys: [.profile, .encryptionKey, .authenticationKey],
            makeDecoder: { ProfiledPushDecoder($0) },
            // Two pushes are seconds apart, the frames of one far less.
            makeSession: { settings in PushSession(silence: .seconds(2)) { ProfiledPushDecoder(settings) } }),
        MeterProtocol(
            name: "iec62056-21",
            summary: "the optical port and the current loop: sign-on, baud change and data readout (modes A, B and C)",
            isPolled: true,
            defaultLine: .signOn,
            keys: [.address],
            makeDecoder: { _ in ReadoutDecoder() },
            makeSession: { settings in
                ReadoutSession(
                    settings: ReadoutSession.Settings(
                        line: settings.line, address: settings.address ?? "",
                        // A port at 8N1 carries 7E1 as well, when the parity bit is made here.
                        addsParity: settings.line.map { $0.dataBits == 8 && $0.parity == .none } ?? false))
            }),
    ]

    public static func named(_ name: String) -> MeterProtocol? {
        all.first { $0.name == name }
    }
}
