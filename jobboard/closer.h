/* SPDX-License-Identifier: Apache-2.0 */
/* Closes a former session without its handle and without waiting.
 *
 * zookeeper_close() blocks for up to 4.5 s when a server does not answer, and does not close the
 * session at all when the handle is not connected. So the handle is dropped at once, and the
 * session is closed from here: a fresh connection, the session's id and password and a close
 * request in one write (any client that knows the password may), one address after the other until
 * one confirms. Nobody's answer in time: the session lives until its timeout.
 *
 * Knows two frames of ZooKeeper's protocol and nothing else. */
#ifndef JOBBOARD_CLOSER_H
#define JOBBOARD_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/os/source.h"
#include "jobboard/address.h"

#define CLOSER_FRAMES_MAX 64

struct closer {
    const struct addresses *addresses; /* the board's */
    size_t next;                       /* address to try */
    int fd;                            /* -1: none */
    bool is_active;
    bool is_sent;
    bool was_confirmed;   /* the server said that the session is closed (or was gone already) */
    int64_t try_until_ms; /* of the present address */
    int64_t until_ms;     /* of it all */
    uint8_t frames[CLOSER_FRAMES_MAX]; /* connect and close */
    size_t frames_len;
    uint8_t reply[256]; /* what came so far */
    size_t reply_len;
};

void closer_init(struct closer *closer, const struct addresses *addresses);
/* Begins closing a session; one that is under way is given up. */
void closer_begin(struct closer *closer, int64_t session_id, const char password[16],
                  int32_t timeout_ms, int64_t now_ms, int64_t until_ms);
void closer_interest(struct closer *closer, int64_t now_ms, struct interest *ret_interest);
void closer_process(struct closer *closer, bool readable, bool writable, int64_t now_ms);
/* Stops and frees the descriptor. */
void closer_stop(struct closer *closer);

#endif
