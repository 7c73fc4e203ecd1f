import Benchmark
import Workloads

// Every framer and decoder, the rules, the messages and the journal, each as the daemon uses it.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.throughput, .wallClock, .cpuTotal, .instructions, .peakMemoryResident], scalingFactor: .kilo,
        maxDuration: .seconds(2))
    for workload in Workload.all {
        Benchmark(workload.name) { benchmark, work in
            blackHole(try await work(benchmark.scaledIterations.count))
        } setup: {
            try await workload.prepare()
        }
    }
}
