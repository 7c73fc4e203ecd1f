#ifndef OBISD_HEAP_ARENAS_H
#define OBISD_HEAP_ARENAS_H

/// Lets all threads take memory from one heap (mallopt(3)). With one for each, what a thread gives back waits for that
/// thread, and a process of many short works grows for hours. To be called before threads are started.
void obisd_share_heap(void);

/// Gives the system every whole page that the heap holds free, also between pieces that are in use (malloc_trim(3)). No
/// thread gets memory meanwhile: a millisecond where 10 MiB are in use, half a second where 700 MiB are.
void obisd_trim_heap(void);

#endif
