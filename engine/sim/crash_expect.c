/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sim/crash_expect.h"

#include <stdlib.h>
#include <string.h>

/* The text up to the next blank; the rest stays. */
static struct text next_word(struct text *rest)
{
    while (rest->len > 0 && rest->data[0] == ' ')
        *rest = (struct text){rest->data + 1, rest->len - 1};
    const char *blank = rest->len > 0 ? memchr(rest->data, ' ', rest->len) : NULL;
    struct text word = {rest->data, blank ? (size_t)(blank - rest->data) : rest->len};
    *rest = (struct text){rest->data + word.len, rest->len - word.len};
    return word;
}

/* A blank as `_`. */
static void tell_detail(struct text detail, struct buffer *ret_text)
{
    buffer_add_char(ret_text, ':');
    for (size_t i = 0; i < detail.len; i++)
        buffer_add_char(ret_text, detail.data[i] == ' ' ? '_' : detail.data[i]);
}

/* How the newest move of a task, or its remark, was told: `STATE` or `STATE:DETAIL`. */
static void tell_task(const struct stage_run *run, struct text path, bool with_detail,
                      struct buffer *ret_text)
{
    const struct stage_line *last = NULL;
    for (size_t i = 0; i < run->line_count; i++) {
        if (run->lines[i].task.data && text_equal(run->lines[i].task, path))
            last = &run->lines[i];
    }
    buffer_add_string(ret_text, last ? task_state_name((enum task_state)last->state) : "PENDING");
    if (last && with_detail)
        tell_detail(last->detail, ret_text);
}

static int calls_of(const struct stage_run *run)
{
    int calls = 0;
    for (size_t i = 0; i < run->call_count; i++)
        calls += run->calls[i].started;
    return calls;
}

static void tell(const struct stage_run *run, struct text name, struct text wanted,
                 struct buffer *ret_text)
{
    if (text_equal(name, TEXT("job")))
        buffer_add_string(ret_text, job_state_name(run->state));
    else if (text_equal(name, TEXT("end_ms")))
        buffer_printf(ret_text, "%lld", (long long)run->end_ms - STAGE_BEGIN_MS);
    else if (text_equal(name, TEXT("calls")))
        buffer_printf(ret_text, "%d", calls_of(run));
    else if (text_equal(name, TEXT("output")))
        buffer_add_text(ret_text, run->output);
    else if (text_equal(name, TEXT("failure")))
        buffer_add_text(ret_text, run->failure);
    else
        tell_task(run, name, memchr(wanted.data, ':', wanted.len) != NULL, ret_text);
}

bool crash_is_expected(const struct stage_run *run, struct text expected, struct buffer *ret_text)
{
    bool good = true;
    while (expected.len > 0) {
        struct text word = next_word(&expected);
        const char *equals = word.len > 0 ? memchr(word.data, '=', word.len) : NULL;
        if (word.len == 0)
            continue;
        if (!equals) {
            buffer_printf(ret_text, "expect: no '=' in %.*s\n", TEXT_ARG(word));
            return false;
        }
        struct text name = {word.data, (size_t)(equals - word.data)};
        struct text wanted = {equals + 1, word.len - name.len - 1};
        struct buffer found = {0};
        tell(run, name, wanted, &found);
        bool in_document = text_equal(name, TEXT("failure"));
        bool same = in_document ? found.len > 0 &&
                                      memmem(found.data, found.len, wanted.data, wanted.len) != NULL
                                : text_equal(buffer_text(&found), wanted);
        if (!same)
            buffer_printf(ret_text, "%.*s: expected %.*s, found %.*s\n", TEXT_ARG(name),
                          TEXT_ARG(wanted), TEXT_ARG(buffer_text(&found)));
        good &= same;
        buffer_done(&found);
    }
    return good;
}
