/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "engine/expr/expr.h"

struct expr_options {
    const char *with;
};

static const struct option_row rows[] = {
    {.name = "with",
     .kind = OPTION_TEXT,
     .argument = "JSON",
     .offset = offsetof(struct expr_options, with),
     .help = "an object whose keys are the names that the expression may use; - reads it from "
             "stdin"},
};

/* `${ … }` around the whole is allowed, as in a flow file. */
static struct text without_braces(struct text source)
{
    if (source.len >= 3 && !memcmp(source.data, "${", 2) && source.data[source.len - 1] == '}')
        return (struct text){source.data + 2, source.len - 3};
    return source;
}

static size_t find_root(void *context, const struct text *names, size_t count,
                        struct text *ret_json)
{
    const struct json *member = json_member(context, names[0]);
    if (!member)
        return 0;
    *ret_json = member->raw;
    return 1;
}

/* The source's line with a caret under the place. */
static int tell(struct text source, const struct expr_error *error)
{
    size_t begin = error->offset > source.len ? source.len : error->offset, end = begin;
    size_t at = begin;
    while (begin > 0 && source.data[begin - 1] != '\n')
        begin--;
    while (end < source.len && source.data[end] != '\n')
        end++;
    fprintf(stderr, "jobboard expr: %s\n  %.*s\n  ", error->text, (int)(end - begin),
            source.data + begin);
    for (size_t i = begin; i < at; i++)
        if (((unsigned char)source.data[i] & 0xc0) != 0x80)
            fputc(source.data[i] == '\t' ? '\t' : ' ', stderr);
    fputs("^\n", stderr);
    return EXIT_CODE_NO;
}

static int evaluate(struct text source, const struct json *with)
{
    struct arena arena = {0}, scratch = {0};
    struct expr_scope scope = {.context = (void *)with, .find = find_root};
    struct expr_error error = {0};
    struct buffer json = {0};
    struct expr *expr;
    int exit = EXIT_CODE_DONE;
    if (expr_compile(&arena, source, &expr, &error) ||
        expr_eval(expr, &scratch, &scope, NULL, &json, &error))
        exit = tell(source, &error);
    else
        printf("%s\n", json.data);
    buffer_done(&json);
    arena_done(&scratch);
    arena_done(&arena);
    return exit;
}

static int parse_with(const char *given, struct arena *arena, struct buffer *content,
                      struct json **ret_with, struct error *ret_error)
{
    int code = 0;
    if (given && !strcmp(given, "-"))
        code = file_read("-", PAYLOAD_MAX_BYTES, content, ret_error);
    else
        buffer_add_string(content, given ? given : "{}");
    if (!code)
        code = json_parse(arena, buffer_text(content), ret_with, ret_error);
    if (!code && (*ret_with)->kind != JSON_OBJECT)
        code = error_set(ret_error, ERR_INVALID, "expected a JSON object");
    if (code)
        error_wrap(ret_error, "--with");
    return code;
}

int verb_expr(int argc, char **argv)
{
    struct options options;
    struct expr_options given = {0};
    struct option_group group = {.rows = rows, .count = 1, .target = &given};
    struct option_set set = {
        .program = "jobboard expr",
        .arguments = "EXPRESSION",
        .story = "Evaluates an expression of the flow language and prints the value as JSON.",
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .examples = "  jobboard expr '1 + 2'\n"
                    "  jobboard expr 'input.hosts.filter(h, h.endsWith(\".lan\"))' \\\n"
                    "      --with '{\"input\": {\"hosts\": [\"a.lan\", \"b.net\"]}}'\n"
                    "  jobboard show 1f8e55c2 --json | jobboard expr 'tasks.fetch.result' --with -",
    };
    struct arena arena = {0};
    struct buffer content = {0};
    struct error error = {0};
    struct json *with;
    int exit;
    if (!cli_parse(&options, &set, argc, argv, &exit))
        return exit;
    if (parse_with(given.with, &arena, &content, &with, &error))
        exit = cli_fail("expr", &error);
    else
        exit = evaluate(without_braces(text_of(options.operands[0])), with);
    buffer_done(&content);
    arena_done(&arena);
    options_done(&options);
    return exit;
}
