#ifndef OBISD_PSEUDO_TERMINAL_H
#define OBISD_PSEUDO_TERMINAL_H

#include <stddef.h>

/// Opens a pseudo-terminal pair's master side, non-blocking and closed on exec, and unlocks its slave.
///
/// Writes the path of the slave to `path`, which holds `size` bytes.
/// Returns the descriptor of the master, which the caller owns, or -1 with `errno` set.
int obisd_open_pseudo_terminal(char *path, size_t size);

#endif
