#include "AssertionGuard.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

/// Where the thread's guarded call began; null outside of one.
static _Thread_local jmp_buf *guarded;

bool obisd_call_guarded(
    int (*function)(struct mosquitto *, int), struct mosquitto *handle, int argument, int *result) {
    jmp_buf here;
    if (setjmp(here) != 0) {
        guarded = NULL;
        return false;
    }
    guarded = &here;
    *result = function(handle, argument);
    guarded = NULL;
    return true;
}

/// Stands before the one of the C library, for every assertion of the process. Outside of a guarded call it does the
/// same.
__attribute__((noreturn, visibility("default"), used)) void __assert_fail(
    const char *assertion, const char *file, unsigned int line, const char *function) {
    if (guarded != NULL) {
        longjmp(*guarded, 1);
    }
    fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, assertion);
    abort();
}
