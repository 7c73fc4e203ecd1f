import Foundation
import TestSupport
import Testing

/// What of the program is in memory.
@Suite("Pages of the program")
struct ProgramPagesTests {
    @Test("those that the start alone has read are let go of, and the daemon goes on")
    func released() async throws {
        try await withFolder { folder in
            let broker = try await MosquittoBroker()
            let house = try await FaultHouse(in: folder, port: broker.port, subscriberPort: broker.port)
            try house.startDaemon()
            try await house.readings.waitForMore(1)
            let figures = ProcessFigures(pid: try #require(house.daemon.pid))
            var most = 0
            try await waitFor("pages are let go of") {
                let size = try figures.programKilobytes
                most = max(most, size)
                return size < most * 3 / 4
            }
            try await house.readings.waitForMore(5)
            #expect(try await house.daemon.terminate() == 0)
        }
    }
}
