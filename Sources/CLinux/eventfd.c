#include "EventFD.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int obisd_event_fd_open(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int obisd_event_fd_signal(int descriptor) {
    const uint64_t one = 1;
    ssize_t written;
    do {
        written = write(descriptor, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    // A full counter (EAGAIN) is readable already.
    return written == (ssize_t)sizeof one || errno == EAGAIN ? 0 : -1;
}

void obisd_event_fd_clear(int descriptor) {
    uint64_t count;
    ssize_t got;
    do {
        got = read(descriptor, &count, sizeof count);
    } while (got < 0 && errno == EINTR);
}
