import Foundation

/// A network of its own, with one cable to the machine's: `inside` is at its end, `outside` here.
public final class NetworkNamespace {
    public let name: String
    /// The address at this end of the cable.
    public let outside: String
    public let inside: String
    private let cable: (outside: String, inside: String)

    /// - Parameter purpose: what cannot be tested without it.
    /// - Returns: nil, with a notice, where none can be made.
    public init?(for purpose: String) throws {
        let id = String(format: "%06x", Int.random(in: 0..<0x100_0000))
        let net = "10.\(Int.random(in: 200...254)).\(Int.random(in: 0...254))"
        name = "obisd-\(id)"
        (outside, inside) = ("\(net).1", "\(net).2")
        cable = ("ob\(id)a", "ob\(id)b")
        let steps = [
            ["ip", "netns", "add", name],
            ["ip", "link", "add", cable.outside, "type", "veth", "peer", "name", cable.inside],
            ["ip", "link", "set", cable.inside, "netns", name],
            ["ip", "addr", "add", "\(outside)/24", "dev", cable.outside],
            ["ip", "link", "set", cable.outside, "up"],
        ]
        let within = [
            ["ip", "addr", "add", "\(inside)/24", "dev", cable.inside],
            ["ip", "link", "set", cable.inside, "up"], ["ip", "link", "set", "lo", "up"],
        ].map { entering + $0 }
        for step in steps + within where try ChildProcess.run(step[0], Array(step.dropFirst())) != 0 {
            print("Not tested: \(purpose), since \(step.joined(separator: " ")) does not work here.")
            return nil
        }
    }

    deinit {
        _ = try? ChildProcess.run("ip", ["netns", "del", name])
        // Where it was never moved inside.
        _ = try? ChildProcess.run("ip", ["link", "del", cable.outside])
        try? FileManager.default.removeItem(at: settings)
    }

    /// What runs a program inside, in its place.
    public var entering: [String] { ["ip", "netns", "exec", name] }

    // MARK: Faults

    /// Pulls the cable out, or plugs it in.
    public func setCable(plugged: Bool) throws {
        try run(["ip", "link", "set", cable.outside, plugged ? "up" : "down"])
    }

    /// Whether what is sent to us arrives. Else it vanishes without a word.
    public func setReachable(_ isReachable: Bool) throws {
        if isReachable {
            try run(["ip", "addr", "add", "\(outside)/24", "dev", cable.outside])
        } else {
            // Or nobody would say where to send it.
            let device = "/sys/class/net/\(cable.outside)/address"
            let hardware = try String(contentsOfFile: device, encoding: .utf8).filter { !$0.isWhitespace }
            try run(
                entering + [
                    "ip", "neigh", "replace", outside, "lladdr", hardware, "nud", "permanent", "dev", cable.inside,
                ])
            try run(["ip", "addr", "del", "\(outside)/24", "dev", cable.outside])
        }
    }

    /// What is sent from inside goes out at so many bits a second; nil: at any rate.
    public func limit(bitsPerSecond rate: Int?) throws {
        let queue = ["dev", cable.inside, "root"]
        if let rate {
            try run(
                entering + ["tc", "qdisc", "replace"] + queue
                    + ["tbf", "rate", "\(rate)bit", "burst", "4000", "limit", "200000"])
        } else {
            try run(entering + ["tc", "qdisc", "del"] + queue)
        }
    }

    /// Where the files lie that stand for those of `/etc` inside; to be there before a program starts.
    private var settings: URL { URL(fileURLWithPath: "/etc/netns/\(name)") }

    /// Writes a file of `/etc` for programs inside. Those that run already see it change, where it was there.
    public func write(_ text: String, to name: String) throws {
        try FileManager.default.createDirectory(at: settings, withIntermediateDirectories: true)
        // In place: what is mounted is this very file.
        try Data(text.utf8).write(to: settings.appendingPathComponent(name), options: [])
    }

    private func run(_ words: [String]) throws {
        let code = try ChildProcess.run(words[0], Array(words.dropFirst()))
        guard code == 0 else {
            throw ChildProcess.Failure(description: "\(words.joined(separator: " ")): exit code \(code)")
        }
    }
}
