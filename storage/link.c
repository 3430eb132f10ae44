/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/link.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "storage/link_private.h"

#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   2000

#define B MACHINE_BIT
static const struct machine_state states[LINK_STATES] = {
    [LINK_IDLE] = {"IDLE", B(LINK_CONNECTING), true, true},
    [LINK_PAUSED] = {"PAUSED", B(LINK_CONNECTING), false, true},
    [LINK_CONNECTING] = {"CONNECTING", B(LINK_PAUSED) | B(LINK_CONNECTING) | B(LINK_SETTING_UP),
                         false, true},
    [LINK_SETTING_UP] = {"SETTING_UP", B(LINK_PAUSED) | B(LINK_CONNECTING) | B(LINK_UP), false,
                         true},
    [LINK_UP] = {"UP", B(LINK_PAUSED), false, true},
};
const struct machine link_machine = {"link", states, LINK_STATES};
#undef B

void link_init(struct link *link, const char *name, const struct targets *targets,
               const struct link_limits *limits, uint64_t seed)
{
    CHECK(targets->count > 0 && limits->connect_timeout_ms > 0 && limits->answer_timeout_ms > 0);
    *link = (struct link){.name = name, .targets = targets, .limits = *limits};
    link->backoff = (struct backoff){PAUSE_FIRST_MS, PAUSE_MAX_MS, 0};
    random_seed(&link->random, seed);
    snprintf(link->trouble, sizeof link->trouble, "not connected yet");
}

static void drop_connection(struct link *link)
{
    if (link->conn)
        PQfinish(link->conn);
    link->conn = NULL;
    link->poll_writes = link->flush_needed = false;
    link->prepared_count = 0;
    link->nulls = 0;
}

void link_done(struct link *link)
{
    drop_connection(link);
    link_flow_broke(link);
}

bool link_is_up(const struct link *link)
{
    return link->state == LINK_UP;
}

/* One line of what libpq or we have to say. */
static void note_trouble(struct link *link, const char *trouble)
{
    size_t len = strlen(trouble);
    while (len && (trouble[len - 1] == '\n' || trouble[len - 1] == ' '))
        len--;
    snprintf(link->trouble, sizeof link->trouble, "%.*s", (int)len, trouble);
    for (char *p = link->trouble; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
}

static void begin_connecting(struct link *link, int64_t now_ms);

/* The next target at once; after all of them a pause. */
static void try_failed(struct link *link, const char *trouble, int64_t now_ms)
{
    note_trouble(link, trouble);
    drop_connection(link);
    link->target = (link->target + 1) % link->targets->count;
    link->failed++;
    machine_move(&link_machine, &link->state, LINK_PAUSED);
    link->wake_ms = now_ms;
    if (link->failed >= link->targets->count) {
        link->failed = 0;
        link->wake_ms = now_ms + backoff_failed(&link->backoff, &link->random);
    }
}

/* What the server remarks is not for our stderr. Why it ends a session is worth keeping: the break
 * that follows says only that the connection is gone. */
static void take_notice(void *argument, const PGresult *result)
{
    struct link *link = argument;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (severity && message && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC")))
        snprintf(link->last_words, sizeof link->last_words, "%s", message);
}

static void begin_connecting(struct link *link, int64_t now_ms)
{
    CHECK(!link->conn && !link->first);
    machine_move(&link_machine, &link->state, LINK_CONNECTING);
    link->conn = targets_connect(link->targets, link->target);
    link->last_words[0] = 0;
    PQsetNoticeReceiver(link->conn, take_notice, link);
    link->wake_ms = now_ms + link->limits.connect_timeout_ms;
    link->poll_writes = true;
    if (PQstatus(link->conn) == CONNECTION_BAD)
        try_failed(link, PQerrorMessage(link->conn), now_ms);
}

void link_want(struct link *link, int64_t now_ms)
{
    if (link->state == LINK_IDLE)
        begin_connecting(link, now_ms);
}

void link_break(struct link *link, const char *trouble, int64_t now_ms)
{
    CHECK(link->state == LINK_UP || link->state == LINK_SETTING_UP);
    if (link->now.pid)
        link->former = link->now;
    link->now = (struct backend){0};
    char text[TROUBLE_MAX]; /* it may be a view of what is dropped */
    snprintf(text, sizeof text, "%s", link->last_words[0] ? link->last_words : trouble);
    bool was_up = link->state == LINK_UP;
    link->went_down |= was_up;
    try_failed(link, text, now_ms);
    if (was_up) { /* the address was good: it is the first to be tried again */
        size_t count = link->targets->count;
        link->target = (link->target + count - 1) % count;
        link->failed = 0;
        link->wake_ms = now_ms + backoff_failed(&link->backoff, &link->random);
    }
    link_flow_broke(link);
}

void link_flow_came_up(struct link *link)
{
    machine_move(&link_machine, &link->state, LINK_UP);
    link->failed = 0;
    link->came_up = true;
    link->ups++;
    link->trouble[0] = 0;
}

static void connected(struct link *link, int64_t now_ms)
{
    machine_move(&link_machine, &link->state, LINK_SETTING_UP);
    if (PQsetnonblocking(link->conn, 1) || !PQenterPipelineMode(link->conn)) {
        link_break(link, PQerrorMessage(link->conn), now_ms);
        return;
    }
    link_flow_set_up(link, now_ms);
}

static void go_on_connecting(struct link *link, bool ready, int64_t now_ms)
{
    if (!ready) {
        if (now_ms >= link->wake_ms)
            try_failed(link, "no answer while connecting", now_ms);
        return;
    }
    switch (PQconnectPoll(link->conn)) {
    case PGRES_POLLING_READING:
        link->poll_writes = false;
        return;
    case PGRES_POLLING_WRITING:
    case PGRES_POLLING_ACTIVE:
        link->poll_writes = true;
        return;
    case PGRES_POLLING_OK:
        connected(link, now_ms);
        return;
    case PGRES_POLLING_FAILED:
        try_failed(link, PQerrorMessage(link->conn), now_ms);
        return;
    }
}

void link_process(struct link *link, bool readable, bool writable, int64_t now_ms)
{
    switch ((enum link_state)link->state) {
    case LINK_PAUSED:
        if (now_ms >= link->wake_ms)
            begin_connecting(link, now_ms);
        return;
    case LINK_CONNECTING:
        go_on_connecting(link, readable || writable, now_ms);
        return;
    case LINK_SETTING_UP:
    case LINK_UP:
        link_flow_process(link, readable, writable, now_ms);
        return;
    case LINK_IDLE:
    case LINK_STATES:
        return;
    }
}

void link_interest(struct link *link, struct interest *ret_interest)
{
    *ret_interest = (struct interest){.fd = -1, .deadline_ms = -1};
    switch ((enum link_state)link->state) {
    case LINK_PAUSED:
        ret_interest->deadline_ms = link->wake_ms;
        return;
    case LINK_CONNECTING:
        ret_interest->fd = PQsocket(link->conn);
        ret_interest->want_write = link->poll_writes;
        ret_interest->want_read = !link->poll_writes;
        ret_interest->deadline_ms = link->wake_ms;
        return;
    case LINK_SETTING_UP:
    case LINK_UP:
        ret_interest->fd = PQsocket(link->conn);
        ret_interest->want_read = true;
        ret_interest->want_write = link->flush_needed;
        if (link->first)
            ret_interest->deadline_ms = link->heard_ms + link->limits.answer_timeout_ms;
        return;
    case LINK_IDLE:
    case LINK_STATES:
        return;
    }
}
