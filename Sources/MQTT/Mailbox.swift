import Synchronization

/// What callers on any thread and the connection's thread share.
package final class Mailbox: Sendable {
    /// Messages without an outcome, at most: what a burst of all meters may leave waiting.
    static let limit = 1024

    private struct State {
        enum Phase { case idle, running, stopping, ended }
        var phase = Phase.idle
        var wakeUp: WakeUp?
        var isSignalled = false
        /// Whether the change that is being made is one for the thread.
        var wantsThread = false
        var isConnected = false
        var outstanding = 0
        var messages: [Outgoing] = []
        var subscriptions: [(filter: String, qos: Int)] = []
        var isSubscriptionNew = false
        var unsubscriptions: [String] = []
        var farewell: MQTTMessage?
        /// Of the connection that is to be made in place of the present one.
        var newSettings: BrokerSettings?
        var stopWaiters: [CheckedContinuation<Void, Never>] = []
    }

    /// What the thread finds to do.
    struct Work {
        var messages: [Outgoing]
        var isStopping: Bool
        /// Whether the connection ends because another one follows.
        var isChanging: Bool
        var subscriptions: [(filter: String, qos: Int)]
        var unsubscriptions: [String]
    }

    private let state = Mutex(State())

    package init() {}

    // MARK: Callers

    var isConnected: Bool { state.withLock { $0.isConnected && $0.phase == .running } }

    /// - Returns: false if it was started before.
    package func begin(_ wakeUp: WakeUp) -> Bool {
        state.withLock {
            guard $0.phase == .idle else { return false }
            $0.phase = .running
            $0.wakeUp = wakeUp
            return true
        }
    }

    /// - Returns: why it was not accepted. Accepted messages get their outcome from the thread.
    func post(_ outgoing: Outgoing) -> PublishError? {
        waking { state in
            guard state.phase == .running, state.isConnected else { return .notConnected }
            guard state.outstanding < Self.limit else { return .queueFull }
            state.outstanding += 1
            state.messages.append(outgoing)
            state.wantsThread = true
            return nil
        }
    }

    package func subscribe(_ filter: String, qos: Int) {
        waking { state in
            state.subscriptions.removeAll { $0.filter == filter }
            state.subscriptions.append((filter, qos))
            state.isSubscriptionNew = true
            state.wantsThread = true
        }
    }

    func unsubscribe(_ filter: String) {
        waking { state in
            state.subscriptions.removeAll { $0.filter == filter }
            state.unsubscriptions.append(filter)
            state.wantsThread = true
        }
    }

    func requestChange(to settings: BrokerSettings, farewell: MQTTMessage?) {
        waking { state in
            guard state.phase == .running || state.phase == .idle else { return }
            state.newSettings = settings
            // Who is not connected says no goodbye, and would say it to the next broker.
            state.farewell = state.isConnected ? farewell : nil
            state.wantsThread = true
        }
    }

    func requestStop(farewell: MQTTMessage?) {
        waking { state in
            switch state.phase {
            case .idle: state.phase = .ended
            case .running:
                state.phase = .stopping
                state.farewell = farewell
                state.wantsThread = true
            case .stopping, .ended: break
            }
        }
    }

    /// Returns when the thread has ended, or when `abandonStopWaiters` gave up on it.
    func awaitEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                guard state.phase != .ended else { return true }
                state.stopWaiters.append(continuation)
                return false
            }
            if hasEnded { continuation.resume() }
        }
    }

    func abandonStopWaiters() {
        let waiters = state.withLock { state in
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Wakes the thread where that is wanted: behind the lock, which it takes first of all.
    private func waking<Value: Sendable>(_ change: (inout State) -> Value) -> Value {
        let (value, wakeUp) = state.withLock { state -> (Value, WakeUp?) in
            let value = change(&state)
            defer { state.wantsThread = false }
            guard state.wantsThread, !state.isSignalled, let wakeUp = state.wakeUp else { return (value, nil) }
            state.isSignalled = true
            return (value, wakeUp)
        }
        wakeUp?.signal()
        return value
    }

    /// The thread never began: nothing waits for it.
    func abandon() {
        state.withLock { state in
            state.phase = .ended
            state.wakeUp = nil
        }
    }

    // MARK: The thread

    var isStopping: Bool { state.withLock { $0.phase != .running } }

    /// Takes what was posted. Called after each wake-up, when that is cleared.
    func take() -> Work {
        state.withLock { state in
            defer {
                state.messages = []
                state.isSubscriptionNew = false
                state.isSignalled = false
                state.unsubscriptions = []
            }
            return Work(
                messages: state.messages, isStopping: state.phase != .running, isChanging: state.newSettings != nil,
                subscriptions: state.isSubscriptionNew ? state.subscriptions : [],
                unsubscriptions: state.unsubscriptions)
        }
    }

    var isChanging: Bool { state.withLock { $0.newSettings != nil } }

    /// What the next connection is made with; nil where nothing has changed.
    func takeNewSettings() -> BrokerSettings? {
        state.withLock { state in
            defer { state.newSettings = nil }
            return state.newSettings
        }
    }

    /// The farewell counts as a message without an outcome.
    func takeFarewell() -> MQTTMessage? {
        state.withLock { state in
            guard let farewell = state.farewell else { return nil }
            state.farewell = nil
            state.outstanding += 1
            return farewell
        }
    }

    /// From here on messages are accepted. - Returns: what to subscribe to.
    func connected() -> [(filter: String, qos: Int)] {
        state.withLock { state in
            state.isConnected = true
            state.isSubscriptionNew = false
            return state.subscriptions
        }
    }

    /// From here on no message is accepted. - Returns: those that were accepted and not taken.
    func disconnected() -> [Outgoing] {
        state.withLock { state in
            state.isConnected = false
            defer { state.messages = [] }
            return state.messages
        }
    }

    func answered() {
        state.withLock { $0.outstanding -= 1 }
    }

    /// The thread's last act.
    func ended() {
        let waiters = state.withLock { state in
            state.phase = .ended
            state.wakeUp = nil
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
