import Foundation
import Workloads

// Runs one workload so often, for tools that count what a process does, or all of them for so long, for people:
//     Costs list
//     Costs run NAME COUNT
//     Costs time [SECONDS [NAME]]

let arguments = CommandLine.arguments.dropFirst()
func workload(_ name: String?) -> Workload? { Workload.all.first { $0.name == name } }

switch arguments.first {
case "list": for workload in Workload.all { print(workload.name) }
case "run":
    guard let workload = workload(arguments.dropFirst().first), let count = arguments.last.flatMap({ Int($0) }) else {
        fatalError("Costs run NAME COUNT")
    }
    print(try await workload.prepare()(count))
case "time":
    let seconds = arguments.dropFirst().first.flatMap { Int($0) } ?? 1
    let chosen = arguments.dropFirst(2).first
    for workload in Workload.all where chosen.map(workload.name.contains) ?? true {
        try await time(workload, for: .seconds(seconds))
    }
default: fatalError("Costs list | run NAME COUNT | time [SECONDS [NAME]]")
}

func time(_ workload: Workload, for limit: Duration) async throws {
    let work = try await workload.prepare()
    let clock = ContinuousClock()
    let start = clock.now
    var (done, batch) = (0, 256)
    while clock.now - start < limit {
        _ = try await work(batch)
        done += batch
        batch = min(batch * 2, 16_384)
    }
    let elapsed = clock.now - start
    print("\(workload.name): \(Int(Double(done) / (elapsed / .seconds(1)))) \(workload.unit.rawValue)/s")
    fflush(nil)
}
