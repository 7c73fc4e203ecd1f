import CLinux
import NIOCore

/// What the process takes of the machine, whatever it has of processors: one loop carries all lines and runs the tasks,
/// one thread reads files, and all threads share one heap.
public enum ProcessBounds {
    /// To be called once in a process, before anything opens a port.
    public static func set() {
        obisd_share_heap()
        NIOSingletons.groupLoopCountSuggestion = 1
        NIOSingletons.blockingPoolThreadCountSuggestion = 1
    }
}
