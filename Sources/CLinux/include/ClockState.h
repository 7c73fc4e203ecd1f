#ifndef OBISD_CLOCK_STATE_H
#define OBISD_CLOCK_STATE_H

enum obisd_clock_state {
    OBISD_CLOCK_UNSYNCHRONIZED,
    OBISD_CLOCK_SYNCHRONIZED,
    /// A sandbox refuses the question.
    OBISD_CLOCK_UNKNOWN,
};

/// Whether a time server keeps the system's clock right, as the kernel was told (adjtimex(2)).
enum obisd_clock_state obisd_clock_state(void);

#endif
