import CLinux
import Glibc

/// Wakes the connection's thread out of `poll`. It may be signalled from every thread.
package final class WakeUp: Sendable {
    let descriptor: Int32

    package init() throws(MQTTStartError) {
        descriptor = obisd_event_fd_open()
        guard descriptor >= 0 else { throw MQTTStartError(call: "eventfd", errno: errno) }
    }

    deinit { close(descriptor) }

    func signal() {
        // It fails only for a descriptor that is none.
        _ = obisd_event_fd_signal(descriptor)
    }

    func clear() { obisd_event_fd_clear(descriptor) }
}

/// The system did not give what the client's thread needs.
public struct MQTTStartError: Error, Sendable, CustomStringConvertible {
    public let call: String
    public let errno: Int32

    public var description: String {
        "The thread for the broker cannot be started: \(call) answers \(systemError(errno))."
    }
}

/// The system's words for an `errno`.
func systemError(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    // It writes no more than `count` bytes and ends them with a NUL.
    guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
