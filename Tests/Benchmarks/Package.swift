// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds obisd builds a benchmark. Nothing is installed for counting
// allocations: scripts/check-costs does that.
let package = Package(
    name: "obisd-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "obisd", path: "../.."),
        .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Parts",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"), .product(name: "Workloads", package: "obisd"),
            ],
            path: "Benchmarks/Parts",
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ]
)
