import Crypto
import Foundation
import Journal
import OBIS

/// How this daemon names itself at the broker.
enum NodeIdentity {
    private static let key = "node"

    /// The configured name; else the host's, taken once and then kept with the journal, so that topics do not
    /// move when the host is renamed.
    static func node(configured: String?, journal: Journal) async -> String {
        if let configured { return configured }
        if let kept = try? await journal.value(forKey: key, meter: "") {
            return String(decoding: kept, as: UTF8.self)
        }
        let name = sanitized(ProcessInfo.processInfo.hostName)
        try? await journal.set(Array(name.utf8), forKey: key, meter: "")
        return name
    }

    /// The first label of a host name in the characters that ids may have.
    static func sanitized(_ hostName: String) -> String {
        let label = hostName.prefix { $0 != "." }
        let name = label.unicodeScalars.map { scalar -> Character in
            let isAllowed =
                scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "-" || scalar == "_")
            return isAllowed ? Character(scalar) : "-"
        }
        return name.isEmpty ? "obisd" : String(name.prefix(64))
    }

    /// `obisd-<node>-<8 hexadecimal digits>`: stable on one machine, different on two with the same node name. The
    /// machine's id itself is confidential and is only shown as a hash.
    static func clientID(configured: String?, node: String) -> String {
        if let configured { return configured }
        let machine = (try? Data(contentsOf: URL(fileURLWithPath: "/etc/machine-id"))) ?? Data(node.utf8)
        let digest = SHA256.hash(data: Data("obisd".utf8) + machine)
        return "obisd-\(node)-\(Hex.string(digest.prefix(4)))"
    }
}
