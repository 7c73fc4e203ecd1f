#include "FaultDisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Content in memory.
struct image {
    uint8_t *bytes;
    int64_t size, room;
};

/// One file between its last sync and now.
struct replayed_file {
    struct image synced;
    bool is_created, creation_is_synced, is_gone, is_deleted;
    int64_t *pending; // operations since the last sync
    int64_t pending_count, pending_room;
};

struct fault_replay {
    fault_disk *disk;
    int64_t done;
    struct replayed_file files[FAULT_FILES];
};

enum { SECTOR = 512 };

static void *checked(void *memory) {
    if (memory == NULL) abort();
    return memory;
}

static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

static void set_size(struct image *image, int64_t size) {
    if (size > image->room) {
        image->room = size * 2;
        image->bytes = checked(realloc(image->bytes, (size_t)image->room));
    }
    if (size > image->size) memset(image->bytes + image->size, 0, (size_t)(size - image->size));
    image->size = size;
}

static void put(struct image *image, int64_t offset, const uint8_t *bytes, int64_t length) {
    if (offset + length > image->size) set_size(image, offset + length);
    memcpy(image->bytes + offset, bytes, (size_t)length);
}

fault_replay *fault_replay_new(fault_disk *disk) {
    fault_replay *replay = checked(calloc(1, sizeof *replay));
    replay->disk = disk;
    return replay;
}

void fault_replay_free(fault_replay *replay) {
    for (int i = 0; i < FAULT_FILES; i++) {
        free(replay->files[i].synced.bytes);
        free(replay->files[i].pending);
    }
    free(replay);
}

static void sync_file(const fault_replay *replay, struct replayed_file *file) {
    for (int64_t i = 0; i < file->pending_count; i++) {
        const struct fault_operation *operation = &replay->disk->operations[file->pending[i]];
        if (operation->kind == FAULT_WRITE) {
            put(&file->synced, operation->offset, operation->bytes, operation->length);
        } else {
            set_size(&file->synced, operation->offset);
        }
    }
    file->pending_count = 0;
    file->creation_is_synced = true;
}

static void sync_folder(fault_replay *replay) {
    for (int i = 0; i < replay->disk->file_count; i++) {
        struct replayed_file *file = &replay->files[i];
        file->creation_is_synced = file->is_created;
        file->is_gone = file->is_gone || file->is_deleted;
    }
}

void fault_replay_to(fault_replay *replay, int64_t operations) {
    for (; replay->done < operations && replay->done < replay->disk->count; replay->done++) {
        const struct fault_operation *operation = &replay->disk->operations[replay->done];
        struct replayed_file *file = &replay->files[operation->file];
        switch (operation->kind) {
        case FAULT_CREATE: file->is_created = true; break;
        case FAULT_SYNC: sync_file(replay, file); break;
        case FAULT_DELETE: file->is_deleted = true; break;
        case FAULT_DELETE_SYNCED: file->is_gone = true; break;
        case FAULT_SYNC_FOLDER: sync_folder(replay); break;
        case FAULT_WRITE:
        case FAULT_TRUNCATE:
            if (file->pending_count == file->pending_room) {
                file->pending_room = file->pending_room == 0 ? 16 : file->pending_room * 2;
                file->pending = checked(realloc(file->pending, (size_t)file->pending_room * sizeof *file->pending));
            }
            file->pending[file->pending_count++] = replay->done;
        }
    }
}

/// Each sector of each write by itself: a later one may be on the disk and an earlier one not.
static void tear(const fault_replay *replay, const struct replayed_file *file, struct image *image, uint64_t *random) {
    static const unsigned chances[] = {0, 25, 50, 90, 100};
    unsigned chance = chances[next_random(random) % 5];
    for (int64_t i = 0; i < file->pending_count; i++) {
        const struct fault_operation *operation = &replay->disk->operations[file->pending[i]];
        if (operation->kind == FAULT_TRUNCATE) {
            if (next_random(random) % 100 < chance) set_size(image, operation->offset);
            continue;
        }
        for (int64_t start = 0; start < operation->length;) {
            int64_t length = SECTOR - (operation->offset + start) % SECTOR;
            if (length > operation->length - start) length = operation->length - start;
            if (next_random(random) % 100 < chance) {
                put(image, operation->offset + start, operation->bytes + start, length);
            }
            start += length;
        }
    }
}

static int save(const struct image *image, const char *folder, const char *name) {
    char path[5000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *output = fopen(path, "wb");
    if (output == NULL) return errno;
    size_t written = image->size == 0 ? 0 : fwrite(image->bytes, 1, (size_t)image->size, output);
    int closed = fclose(output);
    return written == (size_t)image->size && closed == 0 ? 0 : EIO;
}

int fault_replay_write(const fault_replay *replay, uint64_t seed, const char *folder) {
    uint64_t random = seed;
    bool is_written[FAULT_FILES] = {false};
    // The newest first: where it is, an older one of its name is not.
    for (int i = replay->disk->file_count - 1; i >= 0; i--) {
        const struct replayed_file *file = &replay->files[i];
        if (!file->is_created || file->is_gone) continue;
        bool shadowed = false;
        for (int j = i + 1; j < replay->disk->file_count; j++) {
            if (is_written[j] && strcmp(replay->disk->files[i].text, replay->disk->files[j].text) == 0) shadowed = true;
        }
        if (shadowed) continue;
        if (!file->creation_is_synced && next_random(&random) % 2 == 0) continue;
        if (file->is_deleted && next_random(&random) % 2 == 0) continue;
        struct image image = {0};
        if (file->synced.size > 0) put(&image, 0, file->synced.bytes, file->synced.size);
        tear(replay, file, &image, &random);
        int error = save(&image, folder, replay->disk->files[i].text);
        free(image.bytes);
        if (error != 0) return error;
        is_written[i] = true;
    }
    return 0;
}
