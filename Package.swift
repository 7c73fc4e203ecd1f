// swift-tools-version: 6.2
import PackageDescription

/// Every target of our own is built in Swift 6 mode, with warnings as errors and every unsafe
/// construct marked. Each names all modules that it imports.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// The testing macros expand to code that strict memory safety warns about, so tests go without it.
let testing: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "obisd",
    products: [
        .executable(name: "obisd", targets: ["obisd"]),
        // For the package of benchmarks.
        .library(name: "Workloads", targets: ["Workloads"]),
        // For the program that libFuzzer drives.
        .library(name: "Fuzzing", targets: ["Fuzzing"]),
    ],
    // An application: every direct dependency is pinned to one version.
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        // Values and bytes: no dependency.
        .target(name: "OBIS", swiftSettings: strict),
        .target(name: "Wire", swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
        // Ids and paces of log lines, for every module that has some.
        .target(name: "LogMessages", dependencies: [log], swiftSettings: strict),

        // Protocols: pure, sans-IO.
        .target(name: "IEC62056", dependencies: ["OBIS", "Wire"], swiftSettings: strict),
        .target(name: "COSEM", dependencies: ["OBIS", "Wire", crypto, cryptoExtras], swiftSettings: strict),
        .target(name: "MBus", dependencies: ["OBIS", "Wire"], swiftSettings: strict),
        .target(name: "SML", dependencies: ["OBIS", "Wire"], swiftSettings: strict),

        // What the daemon is made of.
        .target(
            name: "Metering", dependencies: ["OBIS", "Wire", "IEC62056", "COSEM", "MBus", "SML", crypto, cryptoExtras],
            swiftSettings: strict),
        .target(
            name: "Configuration",
            dependencies: ["OBIS", "Wire", "COSEM", "IEC62056", "MBus", "Metering", "Rules", yams],
            // The shipped profiles are part of the program: it needs no file of its own to start.
            resources: [.embedInCode("Profiles")],
            swiftSettings: strict),
        .target(
            name: "Transport",
            dependencies: ["OBIS", "Wire", "LogMessages", "CLinux", nio, nioPosix, log],
            swiftSettings: strict),
        .target(name: "Rules", dependencies: ["OBIS"], swiftSettings: strict),
        .target(name: "Journal", dependencies: ["OBIS", "LogMessages", grdb, log], swiftSettings: strict),
        .target(
            name: "MQTT", dependencies: ["OBIS", "LogMessages", "CMosquitto", "CLinux", log], swiftSettings: strict),
        // What Home Assistant is told of the meters: pure.
        .target(name: "Discovery", dependencies: ["OBIS"], swiftSettings: strict),
        .target(
            name: "MeterSimulator",
            dependencies: [
                "OBIS", "Wire", "IEC62056", "COSEM", "MBus", "SML", "Metering", "Transport", "CLinux", nio, nioPosix,
                log, crypto,
            ],
            swiftSettings: strict),
        .target(
            name: "Daemon",
            dependencies: [
                "OBIS", "Wire", "LogMessages", "Metering", "Configuration", "Transport", "Rules", "Journal", "MQTT",
                "Discovery", "CLinux", log, lifecycle, unixSignals, crypto, nio, nioPosix,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "obisd",
            dependencies: [
                "OBIS", "Wire", "IEC62056", "MBus", "Metering", "Configuration", "Transport", "Rules", "Journal",
                "MQTT",
                "MeterSimulator", "Redaction",
                "Daemon", arguments, log, lifecycle, unixSignals,
            ],
            swiftSettings: strict),

        // Captures, texts and configurations that are safe to be shown.
        .target(
            name: "Redaction", dependencies: ["OBIS", "Wire", "Metering", "Transport", crypto, yams],
            swiftSettings: strict),

        // C borders.
        .systemLibrary(name: "CMosquitto", pkgConfig: "libmosquitto", providers: [.apt(["libmosquitto-dev"])]),
        .target(name: "CLinux"),

        // Tests.
        .target(
            name: "TestSupport", dependencies: ["OBIS", "Wire"], path: "Tests/TestSupport", swiftSettings: testing),
        .testTarget(name: "OBISTests", dependencies: ["OBIS", "TestSupport"], swiftSettings: testing),
        .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"], swiftSettings: testing),
        .testTarget(
            name: "IEC62056Tests", dependencies: ["IEC62056", "MeterSimulator", "OBIS", "Wire", "TestSupport"],
            swiftSettings: testing),
        .testTarget(
            name: "COSEMTests",
            dependencies: ["COSEM", "MBus", "MeterSimulator", "OBIS", "Wire", "TestSupport", crypto],
            swiftSettings: testing),
        .testTarget(
            name: "MBusTests", dependencies: ["MBus", "MeterSimulator", "OBIS", "Wire", "TestSupport"],
            swiftSettings: testing),
        .testTarget(
            name: "SMLTests", dependencies: ["SML", "MeterSimulator", "OBIS", "Wire", "TestSupport"],
            swiftSettings: testing),
        .testTarget(
            name: "MeteringTests",
            dependencies: [
                "Metering", "Configuration", "COSEM", "IEC62056", "MeterSimulator", "OBIS", "Wire", "TestSupport",
            ],
            swiftSettings: testing),
        .testTarget(
            name: "RedactionTests",
            dependencies: [
                "Redaction", "COSEM", "MBus", "Metering", "MeterSimulator", "OBIS", "Wire", "Transport", "TestSupport",
            ],
            swiftSettings: testing),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Configuration", "IEC62056", "Metering", "OBIS", "Wire"],
            swiftSettings: testing),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "Transport", "LogMessages", "MeterSimulator", "OBIS", "TestSupport", "Wire", "CLinux", log, nio,
                nioEmbedded,
            ],
            swiftSettings: testing),
        .testTarget(name: "RulesTests", dependencies: ["Rules", "OBIS"], swiftSettings: testing),
        // What a disk holds after a power cut, and a writer that is killed.
        .target(name: "CFaultVFS", path: "Tests/CFaultVFS", linkerSettings: [.linkedLibrary("sqlite3")]),
        .executableTarget(
            name: "JournalWriter", dependencies: ["Journal", "OBIS", "CFaultVFS", log], path: "Tests/JournalWriter",
            swiftSettings: testing),
        .testTarget(
            name: "JournalTests",
            dependencies: ["Journal", "JournalWriter", "CFaultVFS", "OBIS", "TestSupport", grdb, log],
            swiftSettings: testing),
        // The work that is measured, and a program that does it.
        .target(
            name: "Workloads",
            dependencies: ["Journal", "MQTT", "MeterSimulator", "Metering", "OBIS", "IEC62056", "Rules", log],
            path: "Tests/Workloads", swiftSettings: testing),
        .executableTarget(
            name: "Costs", dependencies: ["Workloads"], path: "Tests/Costs",
            exclude: ["count_allocations.c", "limits.json"], swiftSettings: testing),
        // What hostile bytes are given to, and a test that does it with those that are stored.
        .target(
            name: "Fuzzing",
            dependencies: [
                "OBIS", "Wire", "IEC62056", "COSEM", "MBus", "SML", "Metering", "Configuration", "Transport", "Rules",
                "Journal", "MQTT", "Discovery", "MeterSimulator", "Redaction", "Daemon", log, grdb,
            ],
            path: "Tests/Fuzz/Targets", swiftSettings: testing),
        .testTarget(name: "FuzzTests", dependencies: ["Fuzzing", "TestSupport"], swiftSettings: testing),
        .testTarget(
            name: "DiscoveryTests", dependencies: ["Discovery", "OBIS", "TestSupport"], swiftSettings: testing),
        .testTarget(name: "MQTTTests", dependencies: ["MQTT", "OBIS", "TestSupport", log], swiftSettings: testing),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Daemon", "Configuration", "Discovery", "Journal", "LogMessages", "MQTT", "Metering", "Rules",
                "Transport", "OBIS", "TestSupport", "Wire", grdb, log,
            ],
            swiftSettings: testing),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "obisd", "CLinux", "Journal", "LogMessages", "MeterSimulator", "OBIS", "TestSupport", "Wire", log,
            ],
            swiftSettings: testing),
    ]
)

// Edges of these modules lead the fuzzer (`scripts/fuzz`); nobody else names any.
let covered = (Context.environment["OBISD_COVERED"] ?? "").split(separator: ",").map { String($0) }
for target in package.targets where covered.contains(target.name) {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=fuzzer,address"])]
}
