#ifndef OBISD_FAULT_VFS_H
#define OBISD_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/// A disk that tells what SQLite does to it, and fails on demand: all files of one folder.
///
/// Files of other folders go to the system's file system as always. What is done to the files of this one is done
/// really too, except that nothing is synced, so that tests do not wait for the machine's own disk.
typedef struct fault_disk fault_disk;

/// Puts the layer over the system's file system, as the default of all connections opened from now on. Can be called
/// again without harm.
void fault_vfs_register(void);

/// `folder` has no slash at its end. With `record`, every operation is kept for a replay.
fault_disk *fault_disk_new(const char *folder, bool record);

/// Every file of the disk has been closed before.
void fault_disk_free(fault_disk *disk);

/// Operations recorded so far: writes, syncs, truncations, creations and deletions.
int64_t fault_disk_operations(fault_disk *disk);

/// Writes and syncs so far, of all files but the log's shared index.
int64_t fault_disk_writes(fault_disk *disk);
int64_t fault_disk_syncs(fault_disk *disk);

/// After so many more writes and truncations every further one fails with the SQLite code, and with `also_sync` every
/// sync. Negative: none fails.
void fault_disk_fail_after(fault_disk *disk, int64_t writes, int code, bool also_sync);

/// Bytes that all files in the folder may have together, those that SQLite knows nothing of included, and the
/// shared index and the lock excluded. Negative: any.
void fault_disk_set_capacity(fault_disk *disk, int64_t bytes);

/// Capacity that is left; negative where none was set.
int64_t fault_disk_room(fault_disk *disk);

/// Kills the process (SIGKILL) at the n-th write from now to the database file itself, which in WAL mode is in the middle
/// of a checkpoint. Half of that write is done before.
void fault_disk_kill_at_database_write(fault_disk *disk, int64_t n);

/// Goes through the operations of a disk and says what it holds if the power fails.
typedef struct fault_replay fault_replay;

fault_replay *fault_replay_new(fault_disk *disk);
void fault_replay_free(fault_replay *replay);

/// Goes on until `operations` of them have been done.
void fault_replay_to(fault_replay *replay, int64_t operations);

/// Writes into `folder` what the disk may hold now: everything synced, and of what was not a pseudo-random part, torn
/// at sectors of 512 bytes. Returns 0, or `errno`.
int fault_replay_write(const fault_replay *replay, uint64_t seed, const char *folder);

#endif
