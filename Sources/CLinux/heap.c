#include "HeapArenas.h"

#include <malloc.h>

void obisd_share_heap(void) {
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1);
#endif
}

void obisd_trim_heap(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
