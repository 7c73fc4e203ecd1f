import Configuration
import Foundation
import Journal
import OBIS
import TestSupport
import Testing

@testable import Daemon

/// What a meter's pipeline makes of hours, and of what is wrong.
@Suite("Summaries and problems", .timeLimit(.minutes(2)))
struct SummaryTests {
    @Test("an hour that ends is published and kept, and goes on over a restart in its middle")
    func hour() async throws {
        try await withBench(P1.meter) { bench in
            // A quarter of an hour each; the clock begins somewhere within its hour.
            for quarter in 0..<12 {
                await bench.accept(try P1.telegram(P1.house(second: quarter, energy: "000123.4\(50 + quarter)")))
                bench.clock.pass(.seconds(900))
                for pipeline in bench.intake.pipelines { await pipeline.tick() }
                if quarter == 5 {
                    for pipeline in bench.intake.pipelines { await pipeline.end() }
                    try await bench.restart()
                }
            }
            let text = try #require(try await bench.retained.look()["main/summary/hour"])
            let summary = try #require(ExactJSON(text))
            #expect(summary["period"]?.string == "hour" && summary["meter"]?.string == "main")
            #expect(summary["stream"]?.string == bench.journal.stream)
            let kept = try await bench.journal.events("hour", after: 0, limit: 10).filter { $0.meter == "main" }
            #expect(kept.count == 3)
            #expect(kept.last.map { String(decoding: $0.payload, as: UTF8.self) } == text)
        }
    }

    @Test("a meter that falls silent has a problem on its topic and a change in the journal, and both when it is back")
    func stale() async throws {
        try await withBench(P1.meter) { bench in
            for second in 0..<5 {
                await bench.accept(try P1.telegram(P1.house(second: second)))
                bench.clock.pass(.seconds(10))
                for pipeline in bench.intake.pipelines { await pipeline.tick() }
            }
            func problem() async throws -> String? {
                try await bench.retained.look()["main/problem/stale"].flatMap { ExactJSON($0)?["state"]?.string }
            }
            #expect(try await problem() == "OFF")
            for _ in 0..<30 {
                bench.clock.pass(.seconds(10))
                for pipeline in bench.intake.pipelines { await pipeline.tick() }
            }
            #expect(try await problem() == "ON")
            await bench.accept(try P1.telegram(P1.house(second: 30)))
            bench.clock.pass(.seconds(1))
            for pipeline in bench.intake.pipelines { await pipeline.tick() }
            #expect(try await problem() == "OFF")
            let kinds = try await bench.journal.events("anomaly", after: 0, limit: 100)
                .compactMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
                .filter { $0["meter"]?.string == "main" && $0["type"]?.string == "stale" }
                .compactMap { $0["event_type"]?.string }
            #expect(kinds.first == "opened" && kinds.last == "resolved")
        }
    }

    @Test(
        "what a full disk refuses is journaled when there is room again: hours in their order, and an anomaly's",
        arguments: ["later", "at the end", "after a reload"])
    func fullDisk(when: String) async throws {
        try await withBench(P1.meter) { bench in
            await bench.accept(try P1.telegram(P1.house()))
            await bench.intake.main.journaled()
            try await bench.journal.limit(pages: 1)
            try await bench.fill()
            for quarter in 1..<10 {
                await bench.pass(.seconds(900))
                await bench.accept(try P1.telegram(P1.house(second: quarter, energy: "000123.46\(quarter)")))
                await bench.intake.main.journaled()
            }
            #expect(try await bench.journal.events("hour", after: 0, limit: 10).isEmpty)
            if when == "after a reload" { await bench.reload() }
            try await bench.journal.limit(pages: 1_000_000)
            if when == "at the end" {
                for pipeline in bench.intake.pipelines { await pipeline.end() }
            } else {
                await bench.accept(try P1.telegram(P1.house(second: 10, energy: "000123.480")))
                await bench.intake.main.journaled()
                await bench.pass(.seconds(1))
            }
            try await bench.restart()
            let hours = try await bench.journal.events("hour", after: 0, limit: 10).filter { $0.meter == "main" }
            #expect(hours.count == 2 && hours.map(\.at) == hours.map(\.at).sorted())
            // Readings that were refused are told of, all of them.
            let gaps = try await bench.journal.entries(after: 0, limit: 10_000).compactMap(\.gap)
            #expect(gaps.filter { $0.meter == "main" }.map(\.count).reduce(0, +) == 9)
            let changes = try await bench.journal.events("anomaly", after: 0, limit: 100)
                .compactMap { ExactJSON(String(decoding: $0.payload, as: UTF8.self)) }
                .filter { $0["meter"]?.string == "main" && $0["type"]?.string == "stale" }
                .compactMap { $0["event_type"]?.string }
            #expect(changes.count >= 4)
            #expect(changes.enumerated().allSatisfy { $1 == ($0.isMultiple(of: 2) ? "opened" : "resolved") })
        }
    }
}
