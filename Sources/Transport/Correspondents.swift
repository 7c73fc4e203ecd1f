import NIOCore
import Synchronization
import Wire

/// Whom a datagram socket talks with.
final class Correspondents: Sendable {
    enum Rule: Sendable {
        case peer(SocketAddress)
        case networks([AddressRange])
    }

    let refused: PacedWarning
    let dropped: PacedWarning
    private let rule: Rule
    private let newest: Mutex<SocketAddress?>

    init(_ rule: Rule, refused: PacedWarning, dropped: PacedWarning) {
        self.rule = rule
        self.refused = refused
        self.dropped = dropped
        newest =
            switch rule {
            case .peer(let peer): Mutex(peer)
            case .networks: Mutex(nil)
            }
    }

    /// Whom to send to; nil when nobody has called yet.
    var addressee: SocketAddress? { newest.withLock { $0 } }

    /// Whether a datagram from there is taken.
    func admit(_ source: SocketAddress) -> Bool {
        switch rule {
        case .peer(let peer): return source == peer
        case .networks(let networks):
            guard networks.contain(source) else { return false }
            newest.withLock { $0 = source }
            return true
        }
    }
}

extension [AddressRange] {
    func contain(_ source: SocketAddress) -> Bool {
        let address = source.addressBytes
        return contains { $0.contains(address) }
    }
}
