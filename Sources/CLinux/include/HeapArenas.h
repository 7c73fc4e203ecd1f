#ifndef OBISD_HEAP_ARENAS_H
#define OBISD_HEAP_ARENAS_H

/// Lets all threads take memory from one heap (mallopt(3)). With one for each, what a thread gives back waits for that
/// thread, and a process of many short works grows for hours. To be called before threads are started.
void obisd_share_heap(void);

#endif
