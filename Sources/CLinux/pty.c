#define _GNU_SOURCE
#include "PseudoTerminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int obisd_open_pseudo_terminal(char *path, size_t size) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0) {
        return -1;
    }
    int error = 0;
    if (grantpt(master) != 0 || unlockpt(master) != 0) {
        error = errno;
    } else {
        error = ptsname_r(master, path, size);
    }
    if (error != 0) {
        close(master);
        errno = error;
        return -1;
    }
    return master;
}
