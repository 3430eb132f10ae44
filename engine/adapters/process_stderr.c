/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/process_stderr.h"

#include <stdlib.h>

#include "base/check.h"
#include "engine/adapters/process.h"

static const struct text progress_mark = TEXT("::progress ");

void process_stderr_init(struct process_stderr *err, size_t keep_bytes)
{
    CHECK(keep_bytes > 0);
    *err = (struct process_stderr){.keep_bytes = keep_bytes};
    buffer_init(&err->tail, 0);
    buffer_init(&err->line, PROCESS_PROGRESS_MAX);
    buffer_init(&err->progress, PROCESS_PROGRESS_MAX);
}

void process_stderr_done(struct process_stderr *err)
{
    buffer_done(&err->tail);
    buffer_done(&err->line);
    buffer_done(&err->progress);
}

static void trim(struct process_stderr *err)
{
    if (err->tail.len <= err->keep_bytes)
        return;
    err->cut = true;
    buffer_consume(&err->tail, err->tail.len - err->keep_bytes);
}

static void keep(struct process_stderr *err, const char *data, size_t len)
{
    if (len > err->keep_bytes) {
        err->cut = true;
        data += len - err->keep_bytes;
        len = err->keep_bytes;
    }
    /* Moving the bytes down only when as many again have come keeps the cost per byte constant. */
    if (err->tail.len + len > 2 * err->keep_bytes)
        trim(err);
    buffer_add(&err->tail, data, len);
}

/* Whether `line`, unfinished, may still become a progress line. */
static bool may_be_progress(struct text line)
{
    size_t shared = line.len < progress_mark.len ? line.len : progress_mark.len;
    return memcmp(line.data, progress_mark.data, shared) == 0;
}

static bool only_digits_and_point(struct text number)
{
    for (size_t i = 0; i < number.len; i++)
        if ((number.data[i] < '0' || number.data[i] > '9') && number.data[i] != '.')
            return false;
    return number.len > 0 && number.data[0] != '.';
}

/* Reads "::progress 0.4 text"; false: not one. */
static bool take_progress(struct process_stderr *err)
{
    struct text line = buffer_text(&err->line);
    if (line.len <= progress_mark.len || !may_be_progress(line))
        return false;
    const char *number = line.data + progress_mark.len;
    size_t rest = line.len - progress_mark.len;
    const char *space = memchr(number, ' ', rest);
    size_t number_len = space ? (size_t)(space - number) : rest;
    if (!only_digits_and_point((struct text){number, number_len}))
        return false;
    char *end;
    double fraction = strtod(number, &end);
    if (end != number + number_len || fraction > 1)
        return false;
    err->fraction = fraction;
    buffer_clear(&err->progress);
    if (space)
        buffer_add(&err->progress, space + 1, rest - number_len - 1);
    err->progress_new = true;
    return true;
}

static void line_is_plain(struct process_stderr *err)
{
    keep(err, err->line.data ? err->line.data : "", err->line.len);
    buffer_clear(&err->line);
    err->state = STDERR_LINE_PLAIN;
}

/* Takes bytes of one line; `ended`: its newline follows them. */
static void add_piece(struct process_stderr *err, const char *data, size_t len, bool ended)
{
    if (err->state == STDERR_LINE_MAYBE) {
        if (err->line.len + len > PROCESS_PROGRESS_MAX) {
            line_is_plain(err);
        } else {
            buffer_add(&err->line, data, len);
            data += len;
            len = 0;
            if (ended && take_progress(err)) {
                buffer_clear(&err->line);
                return;
            }
            if (ended || !may_be_progress(buffer_text(&err->line)))
                line_is_plain(err);
        }
    }
    keep(err, data, len);
    if (ended) {
        keep(err, "\n", 1);
        err->state = STDERR_LINE_MAYBE;
    }
}

void process_stderr_add(struct process_stderr *err, const char *data, size_t len)
{
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t piece = newline ? (size_t)(newline - data) : len;
        add_piece(err, data, piece, newline != NULL);
        size_t taken = piece + (newline != NULL);
        data += taken;
        len -= taken;
    }
}

struct text process_stderr_end(struct process_stderr *err)
{
    if (err->state == STDERR_LINE_MAYBE && err->line.len) {
        if (take_progress(err))
            buffer_clear(&err->line);
        else
            line_is_plain(err);
    }
    trim(err);
    return buffer_text(&err->tail);
}
