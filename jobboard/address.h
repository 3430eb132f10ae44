/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of the ensemble, resolved once.
 *
 * Knows names and the resolver; refuses to be called inside the loop (it blocks). The client
 * library gets numeric addresses only, since it resolves at each reconnect, and an odd number of
 * them, since with an even one its cursor visits only every second (ZOOKEEPER-2466). */
#ifndef JOBBOARD_ADDRESS_H
#define JOBBOARD_ADDRESS_H

#include <sys/socket.h>

#include "base/error.h"

#define ADDRESSES_MAX 31

struct addresses {
    struct address {
        struct sockaddr_storage at;
        socklen_t len;
    } each[ADDRESSES_MAX];
    size_t count;    /* different ones */
    char list[2048]; /* "ip:port,ip:port…", an odd number of entries */
};

/* `hosts` is host:port,host:port…; a name may stand for several addresses; IPv4 is preferred.
 * ERR_INVALID (shape), ERR_UNREACHABLE (a name that does not resolve), ERR_TOO_LARGE. */
int addresses_resolve(const char *hosts, struct addresses *ret_addresses, struct error *ret_error);

#endif
