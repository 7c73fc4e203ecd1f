import Foundation
import OBIS
import Testing

@testable import Daemon

@Suite("The mark of a time service")
struct TimeServiceMarkTests {
    private let touched: Int64 = 1_768_475_896_000

    @Test("A clock is synchronised until 32 000 s after the mark was touched")
    func freshness() throws {
        try withMark { mark in
            #expect(mark.isFresh(at: Timestamp(milliseconds: touched)))
            #expect(mark.isFresh(at: Timestamp(milliseconds: touched + 31_999_000)))
            #expect(!mark.isFresh(at: Timestamp(milliseconds: touched + 32_000_000)))
        }
    }

    @Test("A mark of the future says nothing: the clock was set back")
    func future() throws {
        try withMark { mark in
            #expect(mark.isFresh(at: Timestamp(milliseconds: touched - 1000)))
            #expect(!mark.isFresh(at: Timestamp(milliseconds: touched - 2000)))
            #expect(!mark.isFresh(at: Timestamp(milliseconds: .min)))
        }
    }

    @Test("Without a mark the clock is not synchronised")
    func missing() {
        let mark = TimeServiceMark(path: "/nonexistent/synchronized")
        #expect(!mark.isFresh(at: Timestamp(milliseconds: touched)))
    }

    private func withMark(_ body: (TimeServiceMark) throws -> Void) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("mark-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let date = Date(timeIntervalSince1970: Double(touched / 1000))
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: file.path)
        try body(TimeServiceMark(path: file.path))
    }
}
