/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/source.h"

#include <errno.h>
#include <poll.h>

#include "base/check.h"
#include "base/error.h"
#include "base/os/clock.h"

#define SOURCES_MAX 64

static int pause_ms(const struct interest *interests, size_t count, int64_t until_ms,
                    int64_t now_ms)
{
    int64_t soonest = until_ms;
    for (size_t i = 0; i < count; i++) {
        int64_t deadline = interests[i].deadline_ms;
        if (deadline >= 0 && (soonest < 0 || deadline < soonest))
            soonest = deadline;
    }
    if (soonest < 0)
        return -1;
    int64_t pause = soonest - now_ms;
    return pause < 0 ? 0 : pause > 3600000 ? 3600000 : (int)pause;
}

int source_poll(const struct source *sources, size_t count, int64_t until_ms)
{
    CHECK(count <= SOURCES_MAX);
    struct interest interests[SOURCES_MAX];
    struct pollfd fds[SOURCES_MAX];
    int64_t now_ms = clock_now_ms();
    for (size_t i = 0; i < count; i++) {
        interests[i] = (struct interest){.fd = -1, .deadline_ms = -1};
        sources[i].interest(sources[i].self, now_ms, &interests[i]);
        short events = (short)((interests[i].want_read ? POLLIN : 0) |
                               (interests[i].want_write ? POLLOUT : 0));
        fds[i] = (struct pollfd){.fd = interests[i].fd, .events = events};
    }
    int ready = poll(fds, count, pause_ms(interests, count, until_ms, now_ms));
    if (ready < 0)
        return errno == EINTR ? ERR_INTERRUPTED : ERR_SYSTEM;
    now_ms = clock_now_ms();
    for (size_t i = 0; i < count; i++) {
        bool broken = fds[i].revents & (POLLERR | POLLHUP | POLLNVAL);
        bool readable = (fds[i].revents & POLLIN) || broken;
        bool writable = (fds[i].revents & POLLOUT) || broken;
        bool due = interests[i].deadline_ms >= 0 && interests[i].deadline_ms <= now_ms;
        if (readable || writable || due)
            sources[i].process(sources[i].self, readable && interests[i].want_read,
                               writable && interests[i].want_write, now_ms);
    }
    return 0;
}
