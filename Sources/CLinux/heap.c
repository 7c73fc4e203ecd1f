#include "HeapArenas.h"

#include <malloc.h>

void obisd_share_heap(void) {
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1);
#endif
}
