/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "base/error.h"

/* PCRE2's own fences, behind the counting of steps. */
#define MATCH_LIMIT    (50 * 1000 * 1000)
#define HEAP_LIMIT_KIB (32 * 1024)
#define NEST_LIMIT     100

struct regex {
    pcre2_code *code;
};

/* What is compiled dies with its arena. */
static void *take(size_t bytes, void *arena)
{
    return arena_alloc(arena, bytes);
}

static void give_back(void *memory, void *arena)
{
}

int regex_compile(struct arena *arena, struct text pattern, struct regex **ret_regex,
                  char *ret_what, size_t what_size)
{
    struct buffer translated;
    buffer_init(&translated, 0);
    const char *what =
        pattern.len > REGEX_PATTERN_MAX_BYTES ? "too long" : regex_translate(pattern, &translated);
    struct regex *regex = arena_calloc(arena, 1, sizeof *regex);
    char library[96];
    if (!what) {
        pcre2_general_context *general = pcre2_general_context_create(take, give_back, arena);
        pcre2_compile_context *context = pcre2_compile_context_create(general);
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, NEST_LIMIT);
        int code = 0;
        PCRE2_SIZE offset = 0;
        struct text text = buffer_text(&translated);
        regex->code = pcre2_compile((PCRE2_SPTR)text.data, text.len,
                                    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_AUTO_CALLOUT |
                                        PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                                    &code, &offset, context);
        if (!regex->code) {
            pcre2_get_error_message(code, (PCRE2_UCHAR *)library, sizeof library);
            what = library;
        }
    }
    buffer_done(&translated);
    *ret_regex = regex;
    if (!what)
        return 0;
    snprintf(ret_what, what_size, "not a regular expression: %s", what);
    return ERR_REFUSED;
}

size_t regex_size(const struct regex *regex)
{
    size_t bytes = 0;
    pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &bytes);
    return bytes;
}

struct meter {
    uint64_t steps; /* what may still be taken */
    size_t last;    /* where in the subject the last step was */
    bool exhausted;
};

/* Called before each item of the pattern. What an item before has run over counts too. */
static int count_step(pcre2_callout_block *block, void *data)
{
    struct meter *meter = data;
    size_t at = block->current_position;
    uint64_t steps = 1 + (at > meter->last ? at - meter->last : 0);
    meter->last = at;
    if (steps > meter->steps) {
        meter->exhausted = true;
        return PCRE2_ERROR_CALLOUT;
    }
    meter->steps -= steps;
    return 0;
}

int regex_match(const struct regex *regex, struct text subject, uint64_t *steps, bool *ret_match)
{
    struct meter meter = {.steps = *steps};
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;
    if (context && data) {
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_depth_limit(context, MATCH_LIMIT);
        pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
        pcre2_set_callout(context, count_step, &meter);
        rc = pcre2_match(regex->code, (PCRE2_SPTR)(subject.data ? subject.data : ""), subject.len,
                         0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    *steps = meter.steps;
    *ret_match = rc >= 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return 0;
    bool beyond = meter.exhausted || rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
                  rc == PCRE2_ERROR_DEPTHLIMIT;
    return beyond ? ERR_COST : ERR_REFUSED;
}
