#include "ClockState.h"

#include <sys/timex.h>

bool obisd_clock_is_synchronized(void) {
    struct timex state = {.modes = 0};
    int clock_state = adjtimex(&state);
    // A sandbox may refuse the question: then nothing is known.
    return clock_state >= 0 && clock_state != TIME_ERROR;
}
