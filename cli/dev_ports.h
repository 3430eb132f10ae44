/* SPDX-License-Identifier: Apache-2.0 */
/* Free TCP ports on loopback, and asking a service there whether it lives. */
#ifndef CLI_DEV_PORTS_H
#define CLI_DEV_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* Chooses `count` different ports of 127.0.0.1 that are free now, below the range the kernel takes
 * for outgoing connections: so a server that is down keeps its port, and a client that tries to
 * reach it cannot connect to itself. Another program may take one before the server does: the
 * caller tries again with others. */
int dev_ports_choose(int *ret_ports, size_t count, struct error *ret_error);

/* Sends `request` to 127.0.0.1:`port` and appends the answer until the other side closes. Returns
 * ERR_UNREACHABLE or ERR_TIMEOUT. */
int dev_port_ask(int port, const char *request, int64_t timeout_ms, struct buffer *ret_answer);

#endif
