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
        if (entry->jobs == 0) /* COVER_EXCL_BR_LINE: no test has 257 different flows running */
            free_entry(core, entry);
    }
}

/* What the compiled flow is kept under. The hash holds any bytes. */
static struct text name_of(const struct job_load *load, struct arena *arena)
{
    struct buffer name = {0};
    if (!load->target.data)
        return load->flow_hash;
    buffer_add_text(&name, load->flow_hash);
    buffer_add_char(&name, '/');
    buffer_add_text(&name, load->target);
    struct text text = arena_text(arena, buffer_text(&name));
    buffer_done(&name);
    return text;
}

/* NULL and a reason when the text does not compile, or has no such task as is wanted. */
static struct flow *compile(const struct job_load *load, struct arena *arena,
                            struct text *ret_reason)
{
    struct flow *flow = NULL;
    struct flow_problems problems = {0};
    struct error error = {0};
    int code = flow_compile(load->flow_text, &flow, &problems);
    if (code != 0) {
        CHECK(problems.count > 0);
        *ret_reason = arena_printf(arena, "the flow does not compile: line %u: %.*s",
                                   problems.list[0].line, TEXT_ARG(problems.list[0].message));
    }
    flow_problems_done(&problems);
    if (code == 0 && load->target.data && flow_cut_down(flow, load->target, &error) != 0) {
        *ret_reason = arena_text(arena, text_of(error.text));
        flow_free(flow);
        return NULL;
    }
    return flow;
}

struct flow_entry *flows_take(struct core *core, const struct job_load *load, struct arena *arena,
                              struct text *ret_reason)
{
    struct flow_entry *entry = NULL;
    struct text name = name_of(load, arena);
    HASH_FIND(hh, core->flows, name.data, name.len, entry);
    if (!entry) {
        struct flow *flow = compile(load, arena, ret_reason);
        if (!flow)
            return NULL;
        entry = new_entry(flow, name);
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
