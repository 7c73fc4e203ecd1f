#ifndef OBISD_FAULT_DISK_H
#define OBISD_FAULT_DISK_H

#include "FaultVFS.h"

#include <stddef.h>

enum { FAULT_FILES = 4096, FAULT_NAME = 64 };

enum fault_kind { FAULT_CREATE, FAULT_WRITE, FAULT_TRUNCATE, FAULT_SYNC, FAULT_DELETE, FAULT_DELETE_SYNCED, FAULT_SYNC_FOLDER };

struct fault_operation {
    enum fault_kind kind;
    int file;
    int64_t offset; // of a truncation: the new size
    int length;
    uint8_t *bytes;
};

/// A file that is deleted and made again is another one, as on a disk.
struct fault_name {
    char text[FAULT_NAME];
    bool is_present;
};

struct fault_disk {
    char folder[4096];
    bool records;
    struct fault_operation *operations;
    int64_t count, room;
    struct fault_name files[FAULT_FILES];
    int file_count;
    int64_t writes, syncs;
    int64_t writes_until_failure, capacity, database_writes_until_death;
    int failure;
    bool sync_fails;
    struct fault_disk *next;
};

#endif
