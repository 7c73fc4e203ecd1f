// swift-tools-version: 6.2
import PackageDescription

/// A package of its own, so that users build none of it. It has links to the sources of the modules that it measures.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"), .strictMemorySafety(), .treatAllWarnings(as: .error),
]

let package = Package(
    name: "benchmarks",
    targets: [
        .target(name: "OBIS", swiftSettings: strict),
        .target(name: "Rules", dependencies: ["OBIS"], swiftSettings: strict),
        .executableTarget(
            name: "EngineCost", dependencies: ["OBIS", "Rules"], swiftSettings: strict,
            linkerSettings: [.linkedLibrary("m")]),
    ]
)
