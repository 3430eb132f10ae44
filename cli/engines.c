/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engines.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "cli/job_json.h"
#include "cli/session.h"
#include "cli/table.h"

const char *engine_state(const struct member *member)
{
    if (member->draining)
        return "draining";
    return member->dividing ? "running" : "aside";
}

static int32_t jobs_held(const struct member *member)
{
    return member->slots > member->free ? member->slots - member->free : 0;
}

void engine_json(const struct member *member, struct buffer *ret_json)
{
    buffer_add_char(ret_json, '{');
    json_text(ret_json, "name", member->name);
    json_uuid(ret_json, "boot", &member->boot);
    json_text(ret_json, "host", member->host);
    json_int(ret_json, "pid", member->pid);
    if (member->supervisor_pid)
        json_int(ret_json, "supervisor_pid", member->supervisor_pid);
    else
        json_raw(ret_json, "supervisor_pid", TEXT_NONE);
    json_text(ret_json, "state", text_of(engine_state(member)));
    json_int(ret_json, "slots", member->slots);
    json_int(ret_json, "running", jobs_held(member));
    buffer_add_char(ret_json, '}');
}

static int by_name(const void *a, const void *b)
{
    const struct member *const *left = a, *const *right = b;
    int order = text_compare((*left)->name, (*right)->name);
    return order ? order : uuid_compare(&(*left)->boot, &(*right)->boot);
}

const struct member **engines_sorted(const struct member *members, size_t count)
{
    const struct member **sorted = xcalloc(count + 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &members[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    return sorted;
}

static struct text tags_text(struct arena *arena, const struct member *member)
{
    struct text text = TEXT("");
    for (size_t i = 0; i < member->tag_count; i++)
        text = arena_printf(arena, "%.*s%s%.*s", TEXT_ARG(text), i ? " " : "",
                            TEXT_ARG(member->tags[i]));
    return text;
}

void engines_print(const struct member *members, size_t count)
{
    static const struct table_column columns[] = {
        {"NAME", TABLE_CUT},    {"BOOT", 0},
        {"HOST", TABLE_CUT},    {"PID", TABLE_RIGHT},
        {"STATE", TABLE_STATE}, {"RUNNING", TABLE_RIGHT},
        {"SLOTS", TABLE_RIGHT}, {"TAGS", TABLE_CUT},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    const struct member **sorted = engines_sorted(members, count);
    for (size_t i = 0; i < count; i++) {
        struct arena arena = {0};
        const struct member *member = sorted[i];
        const struct text cells[] = {
            member->name,
            text_of(ID_SHORT(&member->boot)),
            member->host,
            arena_printf(&arena, "%d", member->pid),
            text_of(engine_state(member)),
            arena_printf(&arena, "%d", jobs_held(member)),
            arena_printf(&arena, "%d", member->slots),
            tags_text(&arena, member),
        };
        table_row(table, cells);
        arena_done(&arena);
    }
    free(sorted);
    table_print(table);
}
