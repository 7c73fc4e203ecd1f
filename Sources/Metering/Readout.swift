import IEC62056
import OBIS
import Wire

extension MeterProtocol {
    /// `iec62056-21`: text over the optical port and the current loop.
    static let readout = MeterProtocol(
        name: "iec62056-21",
        summary: "the optical port and the current loop: sign-on, baud change and data readout (modes A, B and C)",
        keys: [.address],
        isPolled: { _ in true },
        defaultLine: { _ in .signOn },
        makeDecoder: { _ in ReadoutDecoder() },
        makeSession: { settings in
            ModeCSession(
                settings: ModeCSession.Settings(
                    line: settings.line, address: settings.address ?? "",
                    // A port at 8N1 carries 7E1 as well, when the parity bit is made here.
                    addsParity: settings.line.map { $0.dataBits == 8 && $0.parity == .none } ?? false))
        })
}
