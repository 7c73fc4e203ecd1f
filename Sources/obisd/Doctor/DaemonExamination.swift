import Configuration
import Foundation
import Metering
import OBIS
import Wire

/// What the running daemon says of itself, as findings.
struct DaemonExamination {
    /// The object of `obisd status`.
    let status: [String: Any]
    let configuration: Configuration
    let now: Timestamp

    func findings() -> [Finding] {
        [daemon] + reasons + [broker, backlog] + meters.map(meter) + missing
    }

    private var daemon: Finding {
        .good("daemon", "version \(text(status["version"])) runs since \(text(status["started_at"]))")
    }

    private var reasons: [Finding] {
        (status["reasons"] as? [String] ?? []).map { .problem("daemon", $0) }
    }

    private var broker: Finding {
        let broker = status["broker"] as? [String: Any] ?? [:]
        if broker["connected"] as? Bool == true { return .good("connection", "the daemon is connected to the broker") }
        let error = (broker["error"] as? String).map { ": \($0)" } ?? ""
        return .problem("connection", "the daemon is not connected to the broker\(error)")
    }

    private var backlog: Finding {
        let journal = status["journal"] as? [String: Any] ?? [:]
        let waiting = journal["backlog"] as? Int ?? 0
        let givenUp = journal["given_up"] as? Int ?? 0
        if givenUp > 0 {
            return .warning(
                "backlog", "\(givenUp) readings were given up before the broker had them; see the `gap` messages")
        }
        if let oldest = journal["oldest_waiting"] as? String, let time = Timestamp(oldest),
            Timestamp.milliseconds(from: time, to: now) > 60_000
        {
            return .warning("backlog", "\(waiting) readings wait for the broker, the oldest of \(oldest)")
        }
        return .good("backlog", "nothing waits for long")
    }

    // MARK: Meters

    private var meters: [[String: Any]] { status["meters"] as? [[String: Any]] ?? [] }

    private func meter(_ meter: [String: Any]) -> Finding {
        let subject = "link of \(text(meter["id"]))"
        let last =
            (meter["last_reading"] as? String).map { "the last reading is of \($0)" } ?? "there is no reading yet"
        let rejected = meter["rejected"] as? [String: Int] ?? [:]
        if meter["online"] as? Bool == true {
            guard let worst = worst(rejected), worst.count > 10, worst.count > (meter["readings"] as? Int ?? 0) / 20
            else {
                return .good(subject, last)
            }
            return .warning(subject, "\(last), and \(worst.count) messages were rejected: \(worst.advice)")
        }
        if let error = meter["link_error"] as? String { return .problem(subject, "\(error); \(last)") }
        if let worst = worst(rejected) {
            return .problem(subject, "\(worst.count) messages were rejected, \(last): \(worst.advice)")
        }
        let noise = (meter["noise_bytes"] as? Int ?? 0) > 0
        let what = noise ? "bytes arrive that are no message" : "nothing arrives"
        return .problem(subject, "\(what), \(last)\(advice(for: text(meter["protocol"]), isSilent: !noise))")
    }

    /// The code with most rejected messages.
    private func worst(_ rejected: [String: Int]) -> (count: Int, advice: String)? {
        rejected.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { code, count in
            (count, "\(code)\(WireError.Code(rawValue: code).map { ", \($0.remedy)" } ?? "")")
        }
    }

    private func advice(for name: String, isSilent: Bool) -> String {
        guard isSilent else {
            return "; see that protocol and line settings are right: `obisd probe`, with the daemon stopped"
        }
        return ProtocolRegistry.named(name)?.recognition.advice.map { "; \($0)" } ?? ""
    }

    /// Meters that the configuration has and the running daemon does not know.
    private var missing: [Finding] {
        let known = Set(meters.map { text($0["id"]) })
        let missing = configuration.meters.filter { $0.isEnabled && !known.contains($0.id) }.map(\.id)
        guard !missing.isEmpty else { return [] }
        return [
            .warning(
                "daemon",
                "it does not know \(missing.joined(separator: ", ")) of the configuration; `systemctl reload obisd`")
        ]
    }

    private func text(_ value: Any?) -> String { value as? String ?? "-" }
}

extension WireError.Code {
    /// What a person can do about messages that are rejected for this reason.
    fileprivate var remedy: String {
        switch self {
        case .checksum, .truncated, .framing:
            "bytes are damaged on their way: look at line settings, contact and cable, and whether another device talks"
        case .decryption, .authentication:
            "the key does not fit: compare it with the letter of the utility, digit by digit"
        case .keyMissing: "the meter encrypts: ask the utility for its key, and name it as `encryption_key_file`"
        case .unsupported, .malformed, .limit:
            "this version does not understand them: `obisd capture` has them, for a report to the project"
        case .meterError: "the meter refuses: look at address, password and rights"
        case .timeout: "the meter does not answer: look at the head's position, the cable and the address"
        }
    }
}
