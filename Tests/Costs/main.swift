import Dispatch
import Foundation
import Workloads

// Runs one workload so often, for tools that count what a process does, or measures all of them:
//     Costs list
//     Costs run NAME COUNT
//     Costs measure [SECONDS [NAME]]     a line of JSON for each, with five samples of so many seconds

let arguments = Array(CommandLine.arguments.dropFirst())
switch (arguments.first, arguments.count) {
case ("list", 1): for workload in Workload.all { print(workload.name) }
case ("run", 3):
    guard let workload = Workload.all.first(where: { $0.name == arguments[1] }), let count = Int(arguments[2]) else {
        exit(64)
    }
    wait { print(try await workload.prepare()(count)) }
case ("measure", 1...3):
    let seconds = arguments.count > 1 ? Double(arguments[1]) ?? 1 : 1
    for workload in Workload.all where arguments.count < 3 || workload.name.contains(arguments[2]) {
        wait { try await measure(workload, for: .seconds(seconds)) }
    }
default: exit(64)
}

/// The main thread waits: tools that count follow it, and it must not end before the others.
func wait(_ body: @escaping @Sendable () async throws -> Void) {
    let done = DispatchSemaphore(value: 0)
    Task {
        do {
            try await body()
        } catch {
            print("\(error)")
            exit(1)
        }
        done.signal()
    }
    done.wait()
}

@Sendable func measure(_ workload: Workload, for limit: Duration) async throws {
    let work = try await workload.prepare()
    let clock = ContinuousClock()
    var samples: [Double] = []
    var batch = 64
    for _ in 0..<5 {
        let start = clock.now
        var done = 0
        while clock.now - start < limit {
            _ = try await work(batch)
            done += batch
            batch = min(batch * 2, 4096)
        }
        samples.append((Double(done) / ((clock.now - start) / .seconds(1))).rounded())
    }
    let list = samples.map { "\(Int($0))" }.joined(separator: ", ")
    print("{\"name\": \"\(workload.name)\", \"unit\": \"\(workload.unit.rawValue)\", \"per_second\": [\(list)]}")
    fflush(nil)
}
