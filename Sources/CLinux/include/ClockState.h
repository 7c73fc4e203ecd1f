#ifndef OBISD_CLOCK_STATE_H
#define OBISD_CLOCK_STATE_H

#include <stdbool.h>

/// Whether a time server keeps the system's clock right, as the kernel was told (adjtimex(2)).
bool obisd_clock_is_synchronized(void);

#endif
