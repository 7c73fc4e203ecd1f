import Foundation
import Fuzzing

/// What libFuzzer calls: once at its start, and then with each input.
///
/// The environment says what is done: `OBISD_FUZZ_TARGET` names the target, `OBISD_FUZZ_LIST` prints all, and
/// `OBISD_FUZZ_SEEDS` is a folder into which the target's seeds are written.
private let environment = ProcessInfo.processInfo.environment

private let target: FuzzTarget = {
    guard let name = environment["OBISD_FUZZ_TARGET"], let target = FuzzTarget.named(name) else {
        fail("OBISD_FUZZ_TARGET names no target; OBISD_FUZZ_LIST=1 prints them")
    }
    return target
}()

public typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// The package manager takes a symbol of this name for the start of the program.
@_cdecl("Fuzz_main")
public func start(_ count: CInt, _ arguments: Arguments) -> CInt {
    var (count, arguments) = (count, arguments)
    return driver(&count, &arguments, execute)
}

/// Of libFuzzer.
@_extern(c, "LLVMFuzzerRunDriver")
private func driver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments>,
    _ execute: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    if environment["OBISD_FUZZ_LIST"] != nil {
        for target in FuzzTarget.all {
            print(target.name, target.kind.rawValue, target.kind.wanted, target.maximumLength)
        }
        exit(0)
    }
    if let folder = environment["OBISD_FUZZ_SEEDS"] {
        writeSeeds(to: folder)
        exit(0)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func execute(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    // Time of this thread alone, since a busy machine must not decide. What was slow once may have been the first of its
    // kind, for which tables are built.
    guard time(of: bytes) > limit, time(of: bytes) > limit else { return 0 }
    fail("slow: more than \(limit) ms twice")
}

/// In ms of this thread.
private let limit = environment["OBISD_FUZZ_SLOW"].flatMap { Int($0) } ?? 100

private func time(of bytes: [UInt8]) -> Int {
    let begun = clock()
    target.run(bytes)
    return clock() - begun
}

private func clock() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

private func writeSeeds(to folder: String) {
    for (index, seed) in target.seeds.enumerated() {
        guard FileManager.default.createFile(atPath: "\(folder)/seed-\(index)", contents: Data(seed)) else {
            fail("\(folder) cannot be written")
        }
    }
}

private func fail(_ sentence: String) -> Never {
    FileHandle.standardError.write(Data("Fuzz: \(sentence)\n".utf8))
    abort()
}
