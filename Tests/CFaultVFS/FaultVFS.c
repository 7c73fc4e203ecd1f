#include "FaultDisk.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    fault_disk *disk;
    int file;
    bool is_database;
    bool syncs_folder; // with its first sync, as SQLite does for journals and logs that are new
    sqlite3_file *real;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fault_disk *disks;
static fault_disk *former_disks;
static sqlite3_vfs *system_vfs;
static sqlite3_vfs fault_vfs;

// MARK: Disks

static void *checked(void *memory) {
    if (memory == NULL) abort();
    return memory;
}

fault_disk *fault_disk_new(const char *folder, bool record) {
    fault_disk *disk = checked(calloc(1, sizeof *disk));
    snprintf(disk->folder, sizeof disk->folder, "%s", folder);
    disk->records = record;
    disk->writes_until_failure = disk->capacity = disk->database_writes_until_death = -1;
    pthread_mutex_lock(&lock);
    disk->next = disks;
    disks = disk;
    pthread_mutex_unlock(&lock);
    return disk;
}

void fault_disk_free(fault_disk *disk) {
    pthread_mutex_lock(&lock);
    fault_disk **place = &disks;
    while (*place != disk) place = &(*place)->next;
    *place = disk->next;
    // A test that was given up may have left files open, whose writes still ask for their disk.
    disk->next = former_disks;
    former_disks = disk;
    for (int64_t i = 0; i < disk->count; i++) free(disk->operations[i].bytes);
    free(disk->operations);
    disk->operations = NULL;
    disk->count = disk->room = 0;
    disk->records = false;
    pthread_mutex_unlock(&lock);
}

static int64_t locked(const int64_t *number) {
    pthread_mutex_lock(&lock);
    int64_t value = *number;
    pthread_mutex_unlock(&lock);
    return value;
}

int64_t fault_disk_operations(fault_disk *disk) { return locked(&disk->count); }
int64_t fault_disk_writes(fault_disk *disk) { return locked(&disk->writes); }
int64_t fault_disk_syncs(fault_disk *disk) { return locked(&disk->syncs); }

void fault_disk_fail_after(fault_disk *disk, int64_t writes, int code, bool also_sync) {
    pthread_mutex_lock(&lock);
    disk->writes_until_failure = writes;
    disk->failure = code;
    disk->sync_fails = also_sync;
    pthread_mutex_unlock(&lock);
}

void fault_disk_set_capacity(fault_disk *disk, int64_t bytes) {
    pthread_mutex_lock(&lock);
    disk->capacity = bytes;
    pthread_mutex_unlock(&lock);
}

void fault_disk_kill_at_database_write(fault_disk *disk, int64_t n) {
    pthread_mutex_lock(&lock);
    disk->database_writes_until_death = n;
    pthread_mutex_unlock(&lock);
}

static bool has_end(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int64_t bytes_in_folder(const fault_disk *disk) {
    int64_t total = 0;
    DIR *folder = opendir(disk->folder);
    if (folder == NULL) return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.' || has_end(entry->d_name, "-shm") || has_end(entry->d_name, ".lock")) continue;
        char path[sizeof disk->folder + 300];
        snprintf(path, sizeof path, "%s/%s", disk->folder, entry->d_name);
        struct stat status;
        if (stat(path, &status) == 0) total += status.st_size;
    }
    closedir(folder);
    return total;
}

int64_t fault_disk_room(fault_disk *disk) {
    pthread_mutex_lock(&lock);
    int64_t room = -1;
    if (disk->capacity >= 0) {
        room = disk->capacity - bytes_in_folder(disk);
        if (room < 0) room = 0;
    }
    pthread_mutex_unlock(&lock);
    return room;
}

// The following are called with the lock held.

static fault_disk *disk_of(const char *path, const char **name) {
    for (fault_disk *disk = disks; disk != NULL; disk = disk->next) {
        size_t length = strlen(disk->folder);
        if (strncmp(path, disk->folder, length) == 0 && path[length] == '/' && strchr(path + length + 1, '/') == NULL) {
            *name = path + length + 1;
            return disk;
        }
    }
    return NULL;
}

static void record(fault_disk *disk, enum fault_kind kind, int file, int64_t offset, const void *bytes, int length) {
    if (kind == FAULT_WRITE) disk->writes++;
    if (kind == FAULT_SYNC) disk->syncs++;
    if (!disk->records) return;
    if (disk->count == disk->room) {
        disk->room = disk->room == 0 ? 1024 : disk->room * 2;
        disk->operations = checked(realloc(disk->operations, (size_t)disk->room * sizeof *disk->operations));
    }
    struct fault_operation operation = {.kind = kind, .file = file, .offset = offset, .length = length};
    if (length > 0) {
        operation.bytes = checked(malloc((size_t)length));
        memcpy(operation.bytes, bytes, (size_t)length);
    }
    disk->operations[disk->count++] = operation;
}

static int present_file(const fault_disk *disk, const char *name) {
    for (int i = disk->file_count - 1; i >= 0; i--) {
        if (disk->files[i].is_present && strcmp(disk->files[i].text, name) == 0) return i;
    }
    return -1;
}

static int make_file(fault_disk *disk, const char *name) {
    if (disk->file_count == FAULT_FILES) abort();
    int file = disk->file_count++;
    snprintf(disk->files[file].text, FAULT_NAME, "%s", name);
    disk->files[file].is_present = true;
    record(disk, FAULT_CREATE, file, 0, NULL, 0);
    return file;
}

static int write_failure(struct fault_file *file, int64_t end) {
    fault_disk *disk = file->disk;
    if (disk->writes_until_failure == 0) return disk->failure;
    if (disk->writes_until_failure > 0) disk->writes_until_failure--;
    sqlite3_int64 size = 0;
    if (disk->capacity >= 0 && file->real->pMethods->xFileSize(file->real, &size) == SQLITE_OK && end > size
        && bytes_in_folder(disk) + end - size > disk->capacity) {
        return SQLITE_FULL;
    }
    return SQLITE_OK;
}

// MARK: Files

#define REAL(file) (((struct fault_file *)(file))->real)

static int file_close(sqlite3_file *file) { return REAL(file)->pMethods->xClose(REAL(file)); }

static int file_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset) {
    return REAL(file)->pMethods->xRead(REAL(file), bytes, length, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int length, sqlite3_int64 offset) {
    struct fault_file *file = (struct fault_file *)base;
    pthread_mutex_lock(&lock);
    int result = write_failure(file, offset + length);
    if (result == SQLITE_OK) {
        if (file->is_database && file->disk->database_writes_until_death > 0
            && --file->disk->database_writes_until_death == 0) {
            file->real->pMethods->xWrite(file->real, bytes, length / 2, offset);
            kill(getpid(), SIGKILL);
        }
        result = file->real->pMethods->xWrite(file->real, bytes, length, offset);
    }
    if (result == SQLITE_OK) record(file->disk, FAULT_WRITE, file->file, offset, bytes, length);
    pthread_mutex_unlock(&lock);
    return result;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct fault_file *file = (struct fault_file *)base;
    pthread_mutex_lock(&lock);
    int result = write_failure(file, 0);
    if (result == SQLITE_OK) result = file->real->pMethods->xTruncate(file->real, size);
    if (result == SQLITE_OK) record(file->disk, FAULT_TRUNCATE, file->file, size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

static int file_sync(sqlite3_file *base, int flags) {
    (void)flags;
    struct fault_file *file = (struct fault_file *)base;
    pthread_mutex_lock(&lock);
    bool fails = file->disk->writes_until_failure == 0 && file->disk->sync_fails;
    if (!fails) {
        record(file->disk, FAULT_SYNC, file->file, 0, NULL, 0);
        if (file->syncs_folder) record(file->disk, FAULT_SYNC_FOLDER, file->file, 0, NULL, 0);
        file->syncs_folder = false;
    }
    pthread_mutex_unlock(&lock);
    return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return REAL(file)->pMethods->xFileSize(REAL(file), size);
}
static int file_lock(sqlite3_file *file, int level) { return REAL(file)->pMethods->xLock(REAL(file), level); }
static int file_unlock(sqlite3_file *file, int level) { return REAL(file)->pMethods->xUnlock(REAL(file), level); }
static int file_check_lock(sqlite3_file *file, int *result) {
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), result);
}
static int file_control(sqlite3_file *file, int operation, void *argument) {
    // Growing the file in advance would write past the record.
    if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    return REAL(file)->pMethods->xFileControl(REAL(file), operation, argument);
}
static int file_sector(sqlite3_file *file) { return REAL(file)->pMethods->xSectorSize(REAL(file)); }
static int file_device(sqlite3_file *file) { return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file)); }
static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, memory);
}
static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}
static void file_shm_barrier(sqlite3_file *file) { REAL(file)->pMethods->xShmBarrier(REAL(file)); }
static int file_shm_unmap(sqlite3_file *file, int remove) {
    return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

// MARK: The file system

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags) {
    (void)vfs;
    pthread_mutex_lock(&lock);
    const char *name = NULL;
    fault_disk *disk = path == NULL ? NULL : disk_of(path, &name);
    int result;
    if (disk == NULL) {
        result = system_vfs->xOpen(system_vfs, path, base, flags, out_flags);
    } else {
        struct fault_file *file = (struct fault_file *)base;
        file->base.pMethods = NULL;
        file->real = (sqlite3_file *)(file + 1);
        file->disk = disk;
        file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
        file->syncs_folder = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
        result = system_vfs->xOpen(system_vfs, path, file->real, flags, out_flags);
        if (result == SQLITE_OK) {
            file->file = present_file(disk, name);
            if (file->file < 0) file->file = make_file(disk, name);
            file->base.pMethods = &methods;
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    pthread_mutex_lock(&lock);
    const char *name = NULL;
    fault_disk *disk = disk_of(path, &name);
    int result = system_vfs->xDelete(system_vfs, path, disk == NULL ? sync_folder : 0);
    int file = disk == NULL ? -1 : present_file(disk, name);
    if (result == SQLITE_OK && file >= 0) {
        disk->files[file].is_present = false;
        record(disk, sync_folder ? FAULT_DELETE_SYNCED : FAULT_DELETE, file, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static void do_register(void) {
    system_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = *system_vfs;
    fault_vfs.zName = "obisd-fault";
    fault_vfs.szOsFile = (int)sizeof(struct fault_file) + system_vfs->szOsFile;
    fault_vfs.xOpen = vfs_open;
    fault_vfs.xDelete = vfs_delete;
    fault_vfs.pNext = NULL;
    sqlite3_vfs_register(&fault_vfs, 1);
}

void fault_vfs_register(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, do_register);
}
