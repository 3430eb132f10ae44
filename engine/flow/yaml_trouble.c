/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/yaml_trouble.h"

#define QUOTE_EXPRESSION                                                                              \
    "put quotes around a value that holds ${ }: \"${ … }\", or '${ … }' if it has double quotes " \
    "inside"
#define QUOTE_CONDITION                                                                            \
    "put quotes around the whole condition, or write it below `|-` on a line of its own"

/* The reader's words and ours; without ours they are passed on. */
struct translation {
    const char *reader;
    const char *message;
    const char *hint; /* NULL: none */
    bool at_context;  /* point to where the thing began */
};

static const struct translation translations[] = {
    {"mapping values are not allowed in this context",
     "`: ` can't stand here: YAML reads what is before it as a key",
     "put quotes around the value, or check the indentation", false},
    {"could not find expected ':'", "a `:` is expected after this key",
     "a key is written `key: value`", true},
    {"found unexpected end of stream", "the quotation that begins here never ends",
     "add the closing quote", true},
    {"found unexpected document indicator", "the quotation that begins here never ends",
     "add the closing quote", true},
    {"found unknown escape character", "this escape does not exist",
     "known are \\n \\t \\\" \\\\ \\uXXXX and the like; in 'single quotes' a backslash is itself",
     false},
    {"did not find expected hexdecimal number", "hexadecimal digits are expected in this escape",
     NULL, false},
    {"found invalid Unicode character escape code", "this escape is no character",
     "write one beyond U+FFFF as \\UXXXXXXXX, with eight digits", false},
    {"found a tab character that violates indentation", "a tab can't indent in YAML",
     "indent with spaces", false},
    {"found a tab character where an indentation space is expected", "a tab can't indent in YAML",
     "indent with spaces", false},
    {"did not find expected ',' or ']'", "a `,` or the `]` of this list is expected",
     "text with one of , [ ] { } : # inside brackets needs quotes", false},
    {"did not find expected ',' or '}'", "a `,` or the `}` of this map is expected",
     "text with one of , [ ] { } : # inside braces needs quotes", false},
    {"did not find expected key", "a key is expected here",
     "keys of one map begin in the same column", false},
    {"did not find expected '-' indicator", "a list item (`- …`) is expected here",
     "items of one list begin in the same column", false},
    {"block sequence entries are not allowed in this context", "a list item can't begin here",
     "begin the list on a line of its own", false},
    {"did not find expected node content", "a value is expected here", NULL, false},
    {"did not find expected <document start>", "nothing can follow here", NULL, false},
    {"did not find expected alphabetic or numeric character",
     "`*` and `&` begin an alias and an anchor, which a flow file can't have",
     "put quotes around a value that begins with one of them", true},
};

static bool contains(struct text text, const char *part)
{
    return memmem(text.data, text.len, part, strlen(part));
}

static struct text line_at(const struct lines *source, uint32_t at)
{
    struct span span = lines_span(source, lines_number(source, at));
    return (struct text){source->text.data + span.begin, span.end - span.begin};
}

/* Whether the line says that its value is a condition. */
static bool has_condition(struct text line)
{
    return contains(line, "if:") || contains(line, "expect:") || contains(line, "until:");
}

static bool ends_quotation(const struct lines *source, uint32_t at)
{
    uint32_t begin = lines_span(source, lines_number(source, at)).begin;
    while (at > begin && source->text.data[at - 1] == ' ')
        at--;
    return at > begin && (source->text.data[at - 1] == '"' || source->text.data[at - 1] == '\'');
}

static const char *hint_for_line(const struct lines *source, uint32_t at, const char *otherwise)
{
    struct text line = line_at(source, at);
    if (contains(line, "${"))
        return QUOTE_EXPRESSION;
    return has_condition(line) ? QUOTE_CONDITION : otherwise;
}

/* A character that begins no value. */
static void report_no_token(struct report *report, uint32_t at)
{
    const struct lines *source = report->source;
    struct span span = {at, at + 1};
    struct flow_problem *problem;
    char c = source->text.data[at];
    if (c == '\t') {
        problem = report_error(report, span, "a tab can't indent in YAML");
        report_hint(report, problem, "indent with spaces");
        return;
    }
    problem = report_error(report, span, "a value can't begin with `%c` in YAML", c);
    report_hint(report, problem, "put quotes around the value");
}

/* A list or map in brackets that the file ends in. */
static bool report_unclosed(struct report *report, const char *problem, uint32_t at,
                            uint32_t context_at)
{
    struct text text = report->source->text;
    if (strncmp(problem, "did not find expected ','", 25) != 0)
        return false;
    if (at < text.len)
        return false;
    report_error(report, (struct span){context_at, context_at + 1}, "this `%c` is never closed",
                 text.data[context_at]);
    return true;
}

static void report_translated(struct report *report, const struct translation *found, uint32_t at,
                              uint32_t context_at)
{
    uint32_t place = found->at_context ? context_at : at;
    struct flow_problem *problem;
    if (!strcmp(found->reader, "did not find expected key") && ends_quotation(report->source, at)) {
        problem = report_error(report, (struct span){at, at + 1},
                               "the value ends at its closing quote, and nothing can follow it");
        report_hint(report, problem, "%s",
                    hint_for_line(report->source, at,
                                  "put the whole value into quotes of the other kind: '…\"…\"…'"));
        return;
    }
    problem = report_error(report, (struct span){place, place + 1}, "%s", found->message);
    const char *hint = hint_for_line(report->source, place, found->hint);
    if (hint)
        report_hint(report, problem, "%s", hint);
}

void yaml_trouble_report(struct report *report, const char *problem, uint32_t at,
                         const char *context, uint32_t context_at)
{
    if (!strcmp(problem, "found character that cannot start any token")) {
        report_no_token(report, at);
        return;
    }
    if (context && !strcmp(context, "while scanning a tag")) {
        struct flow_problem *noted = report_error(report, (struct span){context_at, context_at + 1},
                                                  "`!` begins a tag, which a flow file can't have");
        report_hint(report, noted, "%s",
                    hint_for_line(report->source, context_at,
                                  "put quotes around a value that begins with `!`"));
        return;
    }
    if (context && report_unclosed(report, problem, at, context_at))
        return;
    for (size_t i = 0; i < sizeof translations / sizeof translations[0]; i++) {
        if (!strcmp(problem, translations[i].reader)) {
            report_translated(report, &translations[i], at, context ? context_at : at);
            return;
        }
    }
    report_error(report, (struct span){at, at + 1}, "not YAML: %s%s%s", context ? context : "",
                 context ? ", " : "", problem);
}

bool yaml_trouble_is_cut(const struct lines *source, uint32_t end)
{
    uint32_t at = end;
    while (at < source->text.len && (source->text.data[at] == ' ' || source->text.data[at] == '\t'))
        at++;
    return at > end && at < source->text.len && source->text.data[at] == '#';
}

/* Whether an expression begins in `text` and does not end. */
static bool has_open_expression(struct text text)
{
    for (size_t at = text.len; at-- > 1;) {
        if (text.data[at] == '}')
            return false;
        if (text.data[at] == '{' && text.data[at - 1] == '$')
            return at < 2 || text.data[at - 2] != '$';
    }
    return false;
}

void yaml_trouble_check_value(struct report *report, struct node *scalar)
{
    if (scalar->style != NODE_PLAIN || !has_open_expression(scalar->text) ||
        !yaml_trouble_is_cut(report->source, scalar->span.end))
        return;
    struct flow_problem *problem =
        report_error(report, scalar->span, "this value ends at ` #`, where YAML begins a comment");
    report_hint(report, problem, QUOTE_EXPRESSION);
    scalar->kind = NODE_BAD;
}

void yaml_trouble_check_key(struct report *report, struct node *key)
{
    if (key->style != NODE_PLAIN || !has_open_expression(key->text))
        return;
    struct flow_problem *problem = report_error(
        report, key->span, "YAML took this value apart at `: ` and reads what is before as a key");
    report_hint(report, problem, QUOTE_EXPRESSION);
    key->kind = NODE_BAD;
}
