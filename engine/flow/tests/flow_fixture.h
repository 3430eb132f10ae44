/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of flow files: compiling text, and what was said about it. */
#ifndef ENGINE_FLOW_TESTS_FLOW_FIXTURE_H
#define ENGINE_FLOW_TESTS_FLOW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "engine/flow/flow.h"

/* The whole file; the caller frees `data`. Fails the test when it can't be read. */
static inline struct text read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("can't open %s", path);
    size_t len = 0, capacity = 1 << 16;
    char *data = xmalloc(capacity);
    for (size_t got; (got = fread(data + len, 1, capacity - len, file)) > 0;) {
        len += got;
        if (len == capacity)
            data = xrealloc(data, capacity *= 2, 1);
    }
    fclose(file);
    /* Exactly as long as the text, so that reading beyond it is seen. */
    return (struct text){xrealloc(data, len ? len : 1, 1), len};
}

/* Compiles and appends what was said to `said` (may be NULL). Returns NULL with errors. */
static inline struct flow *compile_text(struct text source, const char *file, struct buffer *said)
{
    struct flow *flow;
    struct flow_problems problems;
    int code = flow_compile(source, &flow, &problems);
    assert_int_equal(code, problems.errors > 0 ? ERR_INVALID : 0);
    assert_true((flow == NULL) == (code != 0));
    if (said)
        flow_problems_print(&problems, source, file, false, said);
    flow_problems_done(&problems);
    return flow;
}

/* A flow that must be right. */
static inline struct flow *good_text(struct text source, const char *file)
{
    struct buffer said;
    buffer_init(&said, 0);
    struct flow *flow = compile_text(source, file, &said);
    if (!flow || said.len > 0)
        fail_msg("%s is not right:\n%s", file, said.data);
    buffer_done(&said);
    return flow;
}

static inline struct flow *good(const char *source)
{
    return good_text(text_of(source), "test.yaml");
}

/* A flow that must be wrong, with `part` in what is said. */
static inline void bad(const char *source, const char *part)
{
    struct buffer said;
    buffer_init(&said, 0);
    struct flow *flow = compile_text(text_of(source), "test.yaml", &said);
    if (flow || !strstr(said.data, part))
        fail_msg("expected \"%s\", got:\n%s", part, said.data ? said.data : "");
    buffer_done(&said);
}

#define assert_text(given, string)                                                                 \
    do {                                                                                           \
        struct text assert_got = (given);                                                          \
        assert_int_equal(assert_got.len, strlen(string));                                          \
        assert_memory_equal(assert_got.data, string, assert_got.len);                              \
    } while (0)

#endif
