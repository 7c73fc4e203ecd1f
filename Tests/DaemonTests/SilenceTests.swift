import OBIS
import TestSupport
import Testing

@testable import Daemon

/// When the port of a meter that talks by itself is opened anew, in virtual time.
@Suite("A silent meter", .timeLimit(.minutes(1)))
struct SilenceTests {
    @Test("whoever has said nothing for longer than its limit is given up, and nobody earlier")
    func silence() async throws {
        try await withProfileBench { bench in
            await bench.stop()
            await bench.converse(isPolled: false)
            _ = await bench.settle()
            let limit = await bench.pipeline.silenceLimit
            bench.clock.pass(limit)
            bench.bell.look(at: bench.clock.monotonic)
            // It goes on, and hears something.
            _ = await bench.settle()
            bench.clock.pass(limit)
            bench.bell.look(at: bench.clock.monotonic)
            _ = await bench.settle()
            bench.clock.pass(limit + .milliseconds(1))
            bench.bell.look(at: bench.clock.monotonic)
            guard case .silent(limit) = await bench.end else {
                Issue.record("the conversation did not end as it should")
                return
            }
        }
    }

    @Test("a conversation that is cancelled ends although nothing comes")
    func cancelling() async throws {
        try await withProfileBench { bench in
            await bench.stop()
            await bench.converse(isPolled: false)
            _ = await bench.settle()
            await bench.stop()
            #expect(!bench.bell.ring())
        }
    }
}
