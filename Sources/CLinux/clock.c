#include "ClockState.h"

#include <sys/timex.h>

bool obisd_clock_is_synchronized(void) {
    struct timex state = {.modes = 0};
    return adjtimex(&state) != TIME_ERROR;
}
