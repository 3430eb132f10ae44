/* SPDX-License-Identifier: Apache-2.0 */
/* Between link.c (connecting) and link_flow.c (statements). */
#ifndef STORAGE_LINK_PRIVATE_H
#define STORAGE_LINK_PRIVATE_H

#include "storage/link.h"

/* The link's own statements. */
enum own_shot { OWN_NONE, OWN_SETTINGS, OWN_FITNESS, OWN_PREPARE };

/* Queues the two statements that make a session ours. */
void link_flow_set_up(struct link *link, int64_t now_ms);
void link_flow_process(struct link *link, bool readable, bool writable, int64_t now_ms);
/* Hands back everything in flight as broken. */
void link_flow_broke(struct link *link);
void link_flow_came_up(struct link *link);

#endif
