/* SPDX-License-Identifier: Apache-2.0 */
/* What a row keeps for the core itself, as a small JSON object: everything of a unit that its state
 * and its documents do not tell, and that a takeover must know. */
#include "engine/core/tree_private.h"

static const struct {
    enum skip_how how;
    const char *word;
} hows[] = {
    {HOW_IF, "if"},   {HOW_SKIP, "skip"},     {HOW_UNREACHABLE, "unreachable"},
    {HOW_CUT, "cut"}, {HOW_FAILED, "failed"},
};

static void begin_member(struct buffer *json, const char *key)
{
    buffer_add_char(json, json->len ? ',' : '{');
    buffer_printf(json, "\"%s\":", key);
}

static void add_number(struct buffer *json, const char *key, int64_t value)
{
    if (!value)
        return;
    begin_member(json, key);
    buffer_printf(json, "%lld", (long long)value);
}

/* Results that a person gave instead of runs. */
static void add_given(struct buffer *json, const struct job *job)
{
    if (!job->given)
        return;
    begin_member(json, "given");
    buffer_add_text(json, job->given->raw);
}

static void read_given(struct job *job, const struct json *given)
{
    struct json *copy = NULL;
    if (given && given->kind == JSON_OBJECT)
        CHECK(json_parse(&job->arena, arena_text(&job->arena, given->raw), &copy, NULL) == 0);
    job->given = copy;
}

static void add_json(struct buffer *json, const char *key, struct text value)
{
    if (!value.data)
        return;
    begin_member(json, key);
    buffer_add_text(json, value);
}

struct text notes_write(struct arena *arena, const struct unit *unit)
{
    struct buffer json = {0};
    bool is_pending = unit->state == TASK_PENDING;
    bool escapes = unit->escape && !is_pending; /* COVER_EXCL_BR_LINE: 1 random flow in 400,000 */
    add_number(&json, "order", unit->order);
    add_number(&json, "not_begun", unit->state == TASK_FAILURE && !unit->started);
    add_number(&json, "cancelled", unit->cancelled);
    add_number(&json, "escape", escapes);
    add_number(&json, "broke", unit->broke);
    add_number(&json, "pause", unit->state == TASK_RETRYING ? unit->pause : 0);
    add_number(&json, "own", unit->own);
    add_number(&json, "halted", unit->halted);
    add_number(&json, "undone", unit->undone);
    add_number(&json, "blocked", unit->blocked);
    add_number(&json, "reverts", unit->reverts_ran);
    add_number(&json, "revert_attempt", unit->revert_attempt);
    add_number(&json, "revert_over", unit->revert_over);
    add_number(&json, "rerun", unit->rerun);
    if (unit->kind == UNIT_JOB) {
        add_number(&json, "attempt", unit->attempt);
        add_number(&json, "rerun_number", unit->job->rerun_number);
        add_number(&json, "rerun_at", unit->job->rerun_at_us);
        add_given(&json, unit->job);
    }
    for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
        if (hows[i].how == unit->how) {
            begin_member(&json, "how");
            buffer_printf(&json, "\"%s\"", hows[i].word);
        }
    }
    add_json(&json, "earlier", unit->earlier);
    add_json(&json, "cause", unit->cause);
    struct text text = TEXT_NONE;
    if (json.len) {
        buffer_add_char(&json, '}');
        text = arena_text(arena, buffer_text(&json));
    }
    buffer_done(&json);
    return text;
}

static int64_t number(const struct json *notes, const char *key)
{
    int64_t value = 0;
    const struct json *member = json_member(notes, text_of(key));
    if (member)
        json_int64(member, &value);
    return value;
}

void notes_read(struct unit *unit, struct text notes)
{
    struct arena arena = {0};
    struct json *json = NULL;
    /* Notes that cannot be read are none: a person may have changed the row. */
    if (notes.data && json_parse(&arena, notes, &json, NULL) == 0 && json->kind == JSON_OBJECT) {
        unit->order = (uint32_t)number(json, "order");
        unit->started &= number(json, "not_begun") == 0;
        unit->cancelled = number(json, "cancelled") != 0;
        unit->escape = number(json, "escape") != 0;
        unit->pause = (uint32_t)number(json, "pause");
        unit->broke = (uint32_t)number(json, "broke");
        unit->own = (uint32_t)number(json, "own");
        unit->halted = (enum stop_reason)number(json, "halted");
        unit->expired = unit->halted == STOP_DEADLINE;
        unit->undone = number(json, "undone") != 0;
        unit->blocked = number(json, "blocked") != 0;
        unit->reverts_ran = number(json, "reverts") != 0;
        unit->revert_attempt = (int32_t)number(json, "revert_attempt");
        unit->revert_over = number(json, "revert_over") != 0;
        unit->rerun = (uint32_t)number(json, "rerun");
        if (unit->kind == UNIT_JOB) {
            unit->attempt = (int32_t)number(json, "attempt");
            unit->job->rerun_number = (uint32_t)number(json, "rerun_number");
            unit->job->rerun_at_us = number(json, "rerun_at");
            read_given(unit->job, json_member(json, TEXT("given")));
        }
        const struct json *how = json_member(json, TEXT("how"));
        for (size_t i = 0; how && i < sizeof hows / sizeof hows[0]; i++) {
            if (text_equal(how->string, text_of(hows[i].word)))
                unit->how = hows[i].how;
        }
        const struct json *earlier = json_member(json, TEXT("earlier"));
        if (earlier && earlier->kind == JSON_ARRAY && earlier->count > 0)
            unit->earlier = arena_text(&unit->job->arena, earlier->raw);
        const struct json *cause = json_member(json, TEXT("cause"));
        if (cause && cause->kind == JSON_OBJECT)
            unit->cause = arena_text(&unit->job->arena, cause->raw);
    }
    arena_done(&arena);
}
