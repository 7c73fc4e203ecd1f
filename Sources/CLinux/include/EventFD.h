#ifndef OBISD_EVENT_FD_H
#define OBISD_EVENT_FD_H

/// Opens an event descriptor that a thread can poll to be woken: non-blocking, closed on exec.
/// Returns the descriptor, or -1 with `errno` set.
int obisd_event_fd_open(void);

/// Makes the descriptor readable. Returns 0, or -1 with `errno` set; it never blocks.
int obisd_event_fd_signal(int descriptor);

/// Makes the descriptor quiet again, however often it was signalled.
void obisd_event_fd_clear(int descriptor);

#endif
