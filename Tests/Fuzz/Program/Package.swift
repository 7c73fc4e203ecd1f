// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who builds obisd builds a program without a main function: libFuzzer brings it.
let package = Package(
    name: "obisd-fuzz",
    dependencies: [.package(name: "obisd", path: "../../..")],
    targets: [
        .executableTarget(
            name: "Fuzz", dependencies: [.product(name: "Fuzzing", package: "obisd")],
            swiftSettings: [
                .swiftLanguageMode(.v6), .treatAllWarnings(as: .error), .enableExperimentalFeature("Extern"),
                .unsafeFlags(["-parse-as-library"]),
            ],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])])
    ]
)
