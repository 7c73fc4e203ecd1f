import ArgumentParser
import Glibc

/// The exit codes of sysexits(3) that this program uses.
enum Exit {
    static let badData = ExitCode(65)
    static let noInput = ExitCode(66)
    static let unavailable = ExitCode(69)
    static let inputOutput = ExitCode(74)
    static let permission = ExitCode(77)
    static let configuration = ExitCode(78)
}

/// Where a command writes: data to standard output, everything for a person to standard error.
enum Output {
    private static let inputOutput = Exit.inputOutput.rawValue

    static func data(_ bytes: [UInt8]) {
        write(bytes, to: STDOUT_FILENO)
    }

    static func line(_ text: String) {
        write(Array("\(text)\n".utf8), to: STDOUT_FILENO)
    }

    /// - Returns: false where nobody reads any more.
    static func offer(_ bytes: [UInt8]) -> Bool {
        write(bytes, to: STDOUT_FILENO)
    }

    static func note(_ text: String) {
        write(Array("\(text)\n".utf8), to: STDERR_FILENO)
    }

    @discardableResult
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The buffer lives across the call.
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
            }
            // A reader that has seen enough is no error, a full disk is one.
            guard count > 0 else {
                if errno != EPIPE, descriptor == STDOUT_FILENO {
                    note("the output cannot be written; it is not complete")
                    exit(inputOutput)
                }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
