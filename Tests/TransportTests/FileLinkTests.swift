import Foundation
import Testing
import Wire

@testable import Transport

@Suite("Files", .timeLimit(.minutes(1)))
struct FileLinkTests {
    let opener = LinkOpener()

    @Test("a file is read whole, once, and then ends without error", arguments: [0, 1, 4096, 4097, 300_000])
    func whole(size: Int) async throws {
        try await withTemporaryFolder { folder in
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/capture"))
            let link = try await opener.open(.file(path: folder + "/capture"), logger: logger)
            #expect(try await link.inbound.bytes(.max) == bytes)
            #expect(try #require(link as? FileLink).feed.peakBytes <= Limits.linkBuffer)
            await link.close()
        }
    }

    @Test("a session may talk to a file; nothing happens")
    func talking() async throws {
        try await withTemporaryFolder { folder in
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/capture"))
            let link = try await opener.open(.file(path: folder + "/capture"), logger: logger)
            try await link.send([1, 2, 3])
            try await link.setLine(LineSettings(baud: 300))
            #expect(try await link.inbound.bytes(.max) == [1])
            await link.close()
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/capture")) == Data([1]))
        }
    }

    @Test("what is no file to read says so")
    func problems() async throws {
        try await withTemporaryFolder { folder in
            for (path, code) in [
                (folder + "/missing", TransportError.Code.notFound), (folder, .configuration),
                ("/dev/null", .configuration),
            ] {
                let error = await #expect(throws: TransportError.self) {
                    try await opener.open(.file(path: path), logger: logger)
                }
                #expect(error?.code == code, "\(path)")
                #expect(error?.message.contains(path) == true)
            }
        }
    }

    @Test("closing early leaves no descriptor behind, and neither do fifty files")
    func descriptors() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/capture"
            try Data(count: 200_000).write(to: URL(fileURLWithPath: path))
            for round in 0..<50 {
                let link = try await opener.open(.file(path: path), logger: logger)
                if round.isMultiple(of: 2) { _ = try await link.inbound.bytes(10_000) }
                await link.close()
                #expect(try await link.inbound.bytes(1) == [])
            }
            #expect(try openDescriptors(of: path) == 0)
        }
    }
}
