import Foundation
import TestSupport

/// A wall clock that can be set for one program alone: the machine's own belongs to everybody.
struct ClockShim {
    private let library: String
    private let file: URL

    /// Nil, with the reason printed, where there is no compiler.
    init?(in folder: URL) throws {
        let source = folder.appendingPathComponent("clock.c")
        library = folder.appendingPathComponent("clock.so").path
        file = folder.appendingPathComponent("clock-offset")
        try Data(Self.source.utf8).write(to: source)
        try set(0)
        let compilers = ["cc", "gcc", "clang"]
        let words = ["-O1", "-shared", "-fPIC", "-o", library, source.path, "-ldl"]
        guard try compilers.contains(where: { try ChildProcess.run($0, words) == 0 }) else {
            print("Not tested: clock jumps, there is no C compiler")
            return nil
        }
    }

    /// For the program whose clock it is.
    var environment: [String] { ["LD_PRELOAD=\(library)", "CLOCK_OFFSET=\(file.path)"] }

    /// From now on the clock is so many seconds before the machine's.
    func set(_ seconds: Int) throws {
        // In one step: the program reads it at any moment.
        try Data("\(seconds)\n".utf8).write(to: file, options: .atomic)
    }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long offset(void) {
            char text[32] = {0};
            const char *path = getenv("CLOCK_OFFSET");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return 0;
            long count = read(file, text, sizeof text - 1);
            close(file);
            return count > 0 ? atol(text) : 0;
        }

        int clock_gettime(clockid_t clock, struct timespec *now) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(clock, now);
            if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
            return result;
        }

        int gettimeofday(struct timeval *now, void *zone) {
            (void)zone;
            struct timespec time;
            if (clock_gettime(CLOCK_REALTIME, &time) != 0) return -1;
            now->tv_sec = time.tv_sec;
            now->tv_usec = time.tv_nsec / 1000;
            return 0;
        }

        time_t time(time_t *result) {
            struct timespec now;
            if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
            if (result) *result = now.tv_sec;
            return now.tv_sec;
        }

        """
}
