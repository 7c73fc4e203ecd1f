#define _GNU_SOURCE
#include "ProgramPages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int release(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        // What may be written holds addresses that the loader has put there, and would be lost.
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        uintptr_t end = start + segment->p_filesz;
        start -= start % page;
        madvise((void *)start, end - start, MADV_DONTNEED);
    }
    // The program is the first of all objects.
    return 1;
}

void obisd_release_program(void) {
    dl_iterate_phdr(release, NULL);
}
