/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/alloc.h"
#include "engine/core/core_private.h"

#define UNUSED_FLOWS_MAX 256 /* compiled flows kept although no job runs them */

static struct flow_entry *new_entry(struct flow *flow, struct text hash)
{
    struct flow_entry *entry = xcalloc(1, sizeof *entry);
    entry->flow = flow;
    entry->hash = arena_text(&flow->arena, hash);
    return entry;
}

static void free_entry(struct core *core, struct flow_entry *entry)
{
    HASH_DEL(core->flows, entry);
    DL_DELETE(core->flow_list, entry);
    core->flow_count--;
    flow_free(entry->flow);
    free(entry);
}

static void make_room(struct core *core)
{
    struct flow_entry *entry, *other;
    DL_FOREACH_SAFE(core->flow_list, entry, other)
    {
        if (core->flow_count <= UNUSED_FLOWS_MAX)
            return;
        if (entry->jobs == 0)
            free_entry(core, entry);
    }
}

struct flow_entry *flows_take(struct core *core, const struct job_load *load, struct arena *arena,
                              struct text *ret_reason)
{
    struct flow_entry *entry = NULL;
    HASH_FIND(hh, core->flows, load->flow_hash.data, load->flow_hash.len, entry);
    if (!entry) {
        struct flow *flow = NULL;
        struct flow_problems problems = {0};
        int code = flow_compile(load->flow_text, &flow, &problems);
        if (code != 0) {
            struct text message =
                problems.count ? problems.list[0].message : text_of(error_text(code));
            *ret_reason =
                arena_printf(arena, "the flow does not compile: line %u: %.*s",
                             problems.count ? problems.list[0].line : 0, TEXT_ARG(message));
        }
        flow_problems_done(&problems);
        if (code != 0)
            return NULL;
        entry = new_entry(flow, load->flow_hash);
        HASH_ADD_KEYPTR(hh, core->flows, entry->hash.data, entry->hash.len, entry);
        core->flow_count++;
    } else {
        DL_DELETE(core->flow_list, entry);
    }
    DL_APPEND(core->flow_list, entry);
    entry->jobs++;
    make_room(core);
    return entry;
}

void flows_give_back(struct core *core, struct flow_entry *entry)
{
    CHECK(entry->jobs > 0);
    entry->jobs--;
    make_room(core);
}

void flows_done(struct core *core)
{
    while (core->flow_list)
        free_entry(core, core->flow_list);
}
