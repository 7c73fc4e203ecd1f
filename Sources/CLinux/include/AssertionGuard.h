#ifndef OBISD_ASSERTION_GUARD_H
#define OBISD_ASSERTION_GUARD_H

#include <stdbool.h>

struct mosquitto;

/// Calls a function of the MQTT library, and comes back as well where an assertion (assert(3)) of the library fails.
///
/// libmosquitto 2.0 asserts that there is a client to log for, and passes none where it meets a property of MQTT 5 that
/// it does not know: seven bytes of a broker would end the process. The function is left where it stood, so the only
/// thing that may be done with the handle afterwards is to destroy it.
///
/// No frame between this call and the assertion may be of another language than C: callbacks do not call the library.
///
/// Returns whether the function returned, and then sets `result`.
bool obisd_call_guarded(
    int (*function)(struct mosquitto *, int), struct mosquitto *handle, int argument, int *result);

#endif
