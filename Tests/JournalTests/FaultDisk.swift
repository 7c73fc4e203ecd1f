import CFaultVFS
import Foundation
import Testing

/// A folder whose disk records what is done to it and fails on demand; see `FaultVFS.h`.
final class FaultDisk: @unchecked Sendable {
    // Locked on the other side.
    private let disk: OpaquePointer
    let folder: String

    init(_ folder: String, recording: Bool = false) {
        fault_vfs_register()
        self.folder = folder
        disk = fault_disk_new(folder, recording)
    }

    deinit { fault_disk_free(disk) }

    var path: String { folder + "/journal.db" }
    var operations: Int64 { fault_disk_operations(disk) }
    var writes: Int64 { fault_disk_writes(disk) }
    var syncs: Int64 { fault_disk_syncs(disk) }
    /// What is left of the capacity.
    var room: Int64 {
        let room = fault_disk_room(disk)
        return room < 0 ? .max : room
    }

    /// After so many more writes each fails with the SQLite code; nil: none.
    func fail(after writes: Int64?, code: Int32 = 13, syncsToo: Bool = false) {
        fault_disk_fail_after(disk, writes ?? -1, code, syncsToo)
    }

    func setCapacity(_ bytes: Int64?) { fault_disk_set_capacity(disk, bytes ?? -1) }

    /// What the disk holds after power cuts at growing numbers of operations.
    final class Replay {
        private let disk: FaultDisk
        private let replay: OpaquePointer

        init(_ disk: FaultDisk) {
            self.disk = disk
            replay = fault_replay_new(disk.disk)
        }

        deinit { fault_replay_free(replay) }

        func write(at operations: Int64, seed: UInt64, to folder: String) throws {
            fault_replay_to(replay, operations)
            let error = fault_replay_write(replay, seed, folder)
            try #require(error == 0, "\(folder) cannot be written: errno \(error)")
        }
    }
}

/// A fresh folder on such a disk.
func withFaultDisk<Value>(recording: Bool = false, _ body: (FaultDisk) async throws -> Value) async throws -> Value {
    try await withFolder { folder in try await body(FaultDisk(folder, recording: recording)) }
}

/// Whether the tests take their time: many more cuts, kills and corruptions than on every build.
let isLong = ProcessInfo.processInfo.environment["OBISD_LONG_TESTS"] == "1"
