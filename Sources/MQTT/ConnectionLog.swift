import LogMessages
import Logging

/// The log lines of a client: the first failure, every change and each tenth repetition. Used by its thread only.
package final class ConnectionLog {
    private let logger: Logger
    private let paced: PacedLog
    private var last: Disconnection?
    private var failures = 0
    /// Whether the broker accepted the connection that is there.
    private var isAccepted = false
    /// Connections in a row that ended without a word soon after they were accepted.
    private var cutShort = 0
    private let clientID: String
    private var droppedMessages = 0

    package init(_ logger: Logger, settings: BrokerSettings) {
        var logger = logger
        logger[metadataKey: "broker"] = "\(settings.place)"
        logger[metadataKey: "client_id"] = "\(settings.clientID)"
        self.logger = logger
        clientID = settings.clientID
        paced = PacedLog(logger)
    }

    func connected(_ properties: BrokerProperties) {
        isAccepted = true
        // A connection that comes and goes would otherwise fill the log with its comings.
        let level: Logger.Level = failures < 10 || failures.isMultiple(of: 10) ? .info : .debug
        let after = failures > 0 ? " after \(failures) failed attempts" : ""
        logger.log(
            level: level, .brokerConnected, "Connected to the broker\(after).",
            metadata: [
                "window": "\(properties.window)",
                "maximum_packet_size": "\(properties.maximumPacketSize.map(String.init) ?? "none")",
            ])
    }

    /// - Parameter wasStable: there was a connection for some time, so that this failure is a new one.
    func disconnected(_ why: Disconnection, wasStable: Bool, retryIn delay: Duration?) {
        guard why.kind != .stopped, why.kind != .changed else {
            logger.info(.brokerLost, "\(why.sentence)")
            return
        }
        if wasStable {
            failures = 0
            last = nil
        }
        failures += 1
        cutShort = why.kind == .lost && isAccepted && !wasStable ? cutShort + 1 : 0
        isAccepted = false
        // Not every broker says that it gave the name to another client: mosquitto 2.0 just closes.
        let isTwin = cutShort == 3
        if last == why, !failures.isMultiple(of: 10), !isTwin { return }
        last = why
        let next = delay.map { " The next attempt follows within \($0.components.seconds + 1) s." } ?? ""
        let hint =
            isTwin
            ? " That was the third time, each soon after it was accepted: another client may use the name"
                + " \"\(clientID)\". Give each its own broker.client_id." : ""
        logger.warning(.brokerLost, "\(why.sentence)\(hint)\(next)", metadata: ["attempts": "\(failures)"])
    }

    func subscriptionRefused(_ filter: String, reason: UInt8) {
        paced.say(
            "subscription \(reason)", .warning, .brokerRefused,
            "The broker refused a subscription: \(ReasonCode.name(reason)). Allow it in the broker's access list.",
            metadata: ["filter": "\(filter)", "reason": "\(reason)"])
    }

    func dropped(_ message: MQTTMessage, why: String) {
        droppedMessages += 1
        paced.say(
            "dropped", .warning, nil,
            "A message from the broker was dropped: \(why).",
            metadata: [
                "topic": "\(message.topic)", "bytes": "\(message.payload.count)", "dropped": "\(droppedMessages)",
            ])
    }
}
