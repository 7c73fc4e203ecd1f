import NIOCore

/// How many threads the libraries may have, whatever the machine has processors: one loop carries all lines, whose
/// bytes are decoded elsewhere, and one thread reads files.
public enum LibraryThreads {
    /// To be called once in a process, before anything opens a port.
    public static func limit() {
        NIOSingletons.groupLoopCountSuggestion = 1
        NIOSingletons.blockingPoolThreadCountSuggestion = 1
    }
}
