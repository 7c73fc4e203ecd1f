import Glibc

/// A detached thread that no signal handler runs on.
enum OwnThread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(name: String, _ run: @escaping @Sendable () -> Void) throws(MQTTStartError) {
        let body = unsafe Unmanaged.passRetained(
            Body {
                setName(name)
                run()
            })
        var thread = pthread_t()
        // The reference is passed on with the pointer: taken up by the thread, or below if there is none.
        let code = unsafe pthread_create(
            &thread, nil,
            { pointer in
                OwnThread.blockSignals()
                if let pointer = unsafe pointer {
                    unsafe Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
                }
                return nil
            }, unsafe body.toOpaque())
        guard code == 0 else {
            unsafe body.release()
            throw MQTTStartError(call: "pthread_create", errno: code)
        }
        pthread_detach(thread)
    }

    /// All but those that a fault of the thread itself raises. SIGPIPE is among the blocked: the library writes to
    /// sockets that the broker may have closed.
    private static func blockSignals() {
        var signals = sigset_t()
        unsafe sigfillset(&signals)
        for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT] { _ = unsafe sigdelset(&signals, fault) }
        _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// At most 15 characters, for `top` and `gdb`. Glibc's call for it is hidden from Swift.
    private static func setName(_ name: String) {
        let file = unsafe open("/proc/thread-self/comm", O_WRONLY)
        guard file >= 0 else { return }
        let bytes = Array(name.utf8)
        // `count` is the array's.
        _ = unsafe write(file, bytes, bytes.count)
        close(file)
    }
}
