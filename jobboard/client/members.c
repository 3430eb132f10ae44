/* SPDX-License-Identifier: Apache-2.0 */
#include "base/os/clock.h"
#include "jobboard/client/client_private.h"

static struct member copy_member(struct arena *arena, const struct member *member)
{
    struct member copy = *member;
    struct text *tags = arena_calloc(arena, member->tag_count + 1, sizeof *tags);
    for (size_t i = 0; i < member->tag_count; i++)
        tags[i] = arena_text(arena, member->tags[i]);
    copy.name = arena_text(arena, member->name);
    copy.host = arena_text(arena, member->host);
    copy.tags = tags;
    return copy;
}

void members_came(struct jobboard *jobboard, const struct board_event *event)
{
    struct arena *arena = &jobboard->members_arena;
    arena_done(arena);
    jobboard->members = arena_calloc(arena, event->count + 1, sizeof *jobboard->members);
    for (size_t i = 0; i < event->count; i++)
        jobboard->members[i] = copy_member(arena, &event->members[i]);
    jobboard->member_count = event->count;
    jobboard->members_came = true;
}

static int away(const struct jobboard *jobboard, int64_t timeout_ms, struct error *ret_error)
{
    if (!jobboard->options.zookeeper)
        return error_set(ret_error, ERR_UNREACHABLE, "no ZooKeeper address was given");
    if (jobboard->board_trouble[0])
        return error_set(ret_error, ERR_UNREACHABLE, "ZooKeeper at %s: %s",
                         jobboard->options.zookeeper, jobboard->board_trouble);
    return error_set(ret_error, ERR_UNREACHABLE, "ZooKeeper at %s did not answer within %lld ms",
                     jobboard->options.zookeeper, (long long)timeout_ms);
}

int jobboard_members_now(struct jobboard *jobboard, int64_t timeout_ms,
                         const struct member **ret_members, size_t *ret_count,
                         struct error *ret_error)
{
    int64_t until_ms = clock_now_ms() + timeout_ms;
    client_need_board(jobboard);
    jobboard->members_came = false;
    *ret_members = NULL;
    *ret_count = 0;
    if (!jobboard->board)
        return away(jobboard, timeout_ms, ret_error);
    board_read_members(jobboard->board);
    while (!jobboard->members_came && !jobboard->board_is_missing) {
        if (clock_now_ms() >= until_ms)
            return away(jobboard, timeout_ms, ret_error);
        int code = jobboard_turn(jobboard, until_ms);
        if (code)
            return error_set(ret_error, code, "waiting for ZooKeeper: %s", error_text(code));
    }
    if (jobboard->members_came) {
        *ret_members = jobboard->members;
        *ret_count = jobboard->member_count;
    }
    return 0;
}
