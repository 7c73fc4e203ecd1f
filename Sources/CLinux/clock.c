#include "ClockState.h"

#include <sys/timex.h>

enum obisd_clock_state obisd_clock_state(void) {
    struct timex state = {.modes = 0};
    int clock_state = adjtimex(&state);
    if (clock_state < 0) return OBISD_CLOCK_UNKNOWN;
    return clock_state == TIME_ERROR ? OBISD_CLOCK_UNSYNCHRONIZED : OBISD_CLOCK_SYNCHRONIZED;
}
