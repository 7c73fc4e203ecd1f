#ifndef OBISD_TCP_TRAFFIC_H
#define OBISD_TCP_TRAFFIC_H

#include <stdint.h>

/// How many bytes the process has taken from a TCP socket since it was connected (tcp(7), TCP_INFO); -1 where the
/// kernel does not say.
int64_t obisd_tcp_bytes_taken(int descriptor);

#endif
