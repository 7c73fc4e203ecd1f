import OBIS
import Wire

/// Reads out one meter at each poll (IEC 62056-21, 6.4), in the mode that the meter tells by its identification:
///
///     reader                               meter
///     /?address! CR LF        300  →
///                             300  ←       /MMMZ… CR LF
///     06 0 Z 0 CR LF          300  →                                             mode C only
///                             at Z ←       STX data sets ! CR LF ETX BCC         mode A: at 300, STX, ETX and BCC
///                                                                                optional in modes A and B
///
/// A battery meter is woken up before each request. A meter of mode C that does not keep the rate that it offers is
/// asked for a lower one, see `RateMemory`. Only the readout is asked for. Nothing is ever written to a meter.
public struct ReadoutSession: Session {
    var signOn: SignOnState
    var decoder = ReadoutDecoder(source: .line)

    public init(settings: Settings) {
        signOn = SignOnState(settings)
    }

    public mutating func handle(_ event: SessionEvent) -> [SessionAction<Telegram>] {
        signOn.actions = []
        take(event)
        return signOn.actions
    }
}
