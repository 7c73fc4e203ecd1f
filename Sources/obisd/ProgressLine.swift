import Foundation

/// One line on a terminal that is written over; elsewhere nothing, or a line for each step.
struct ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// - Parameter isStep: whether it is worth a line of its own where nothing can be written over.
    func show(_ text: String, isStep: Bool = false) {
        if isTerminal {
            FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
        } else if isStep {
            Output.note(text)
        }
    }

    func end() {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    }
}
