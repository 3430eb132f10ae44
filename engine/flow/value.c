/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/flow/value.h"

#include "base/check.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/nearest.h"

#define NAME_MAX_BYTES 63

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has_name_form(struct text name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || !is_letter(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_letter(name.data[i]) && !is_digit(name.data[i]))
            return false;
    return true;
}

static bool is_taken_word(struct text name)
{
    return text_equal(name, TEXT("in")) || text_equal(name, TEXT("true")) ||
           text_equal(name, TEXT("false")) || text_equal(name, TEXT("null"));
}

bool value_is_name(struct text name)
{
    return has_name_form(name) && !is_taken_word(name);
}

/* What `name` would be if its hyphens and blanks were `_`; no text when that is no NAME either. */
static struct text mended_name(struct compiler *c, struct text name)
{
    char *mended = arena_string(&c->scratch, name);
    for (size_t i = 0; i < name.len; i++)
        if (mended[i] == '-' || mended[i] == ' ' || mended[i] == '.')
            mended[i] = '_';
    struct text text = {mended, name.len};
    return value_is_name(text) ? text : TEXT_NONE;
}

bool value_check_name(struct compiler *c, const struct node *node, const char *what)
{
    struct flow_problem *problem;
    if (node->kind != NODE_STRING) {
        report_error(&c->report, node->span, "expected %s, not %s", what, node_kind_name(node));
        return false;
    }
    if (value_is_name(node->text))
        return true;
    if (is_taken_word(node->text)) {
        report_error(&c->report, node->span, "`%.*s` is a word of the expression language, not %s",
                     TEXT_ARG(node->text), what);
        return false;
    }
    problem = report_error(&c->report, node->span,
                           "`%.*s` is not %s: letters, digits and `_`, up to %d, no digit first",
                           TEXT_ARG(node->text), what, NAME_MAX_BYTES);
    struct text mended = mended_name(c, node->text);
    if (mended.data)
        report_hint(&c->report, problem, "write `%.*s`%s", TEXT_ARG(mended),
                    memchr(node->text.data, '-', node->text.len)
                        ? ": in an expression `-` means minus"
                        : "");
    return false;
}

static bool has_nul(struct text text)
{
    return text.len > 0 && memchr(text.data, 0, text.len);
}

bool value_plain_text(struct compiler *c, const struct node *node, const char *key,
                      struct text *ret_text)
{
    if (node->kind != NODE_STRING) {
        struct flow_problem *problem = report_error(
            &c->report, node->span, "`%s` must be text, not %s", key, node_kind_name(node));
        if (node->kind == NODE_NUMBER || node->kind == NODE_BOOLEAN)
            report_hint(&c->report, problem, "put quotes around it: \"%.*s\"",
                        TEXT_ARG(node->text));
        return false;
    }
    if (has_nul(node->text)) {
        report_error(&c->report, node->span, "`%s` can't hold the character U+0000", key);
        return false;
    }
    *ret_text = arena_text(c->arena, node->text);
    return true;
}

/* ----------------------------------------------------------------------------------- plain kinds
 */

bool value_integer(struct compiler *c, const struct node *node, const char *key, int64_t min,
                   int64_t max, int64_t *ret_value)
{
    struct json number = {.kind = JSON_NUMBER, .raw = node->text};
    int64_t value;
    if (node->kind == NODE_NUMBER && json_int64(&number, &value) && value >= min && value <= max) {
        *ret_value = value;
        return true;
    }
    report_error(&c->report, node->span, "`%s` must be a whole number from %lld to %lld%s%s", key,
                 (long long)min, (long long)max, node->kind == NODE_NUMBER ? "" : ", not ",
                 node->kind == NODE_NUMBER ? "" : node_kind_name(node));
    return false;
}

/* A JSON number as a double: exact for up to 15 digits, whatever the locale. */
static double decimal_value(struct text number)
{
    double digits = 0;
    int scale = 0, exponent = 0, sign = 1;
    bool is_fraction = false;
    size_t at = number.data[0] == '-';
    for (; at < number.len && (is_digit(number.data[at]) || number.data[at] == '.'); at++) {
        if (number.data[at] == '.') {
            is_fraction = true;
        } else {
            digits = digits * 10 + (number.data[at] - '0');
            scale -= is_fraction;
        }
    }
    if (at < number.len && number.data[++at] == '-')
        sign = -1;
    for (; at < number.len && exponent < 10000; at++)
        if (is_digit(number.data[at]))
            exponent = exponent * 10 + (number.data[at] - '0');
    for (scale += sign * exponent; scale > 0 && digits < 1e300; scale--)
        digits *= 10;
    double power = 1;
    for (; scale < 0 && power < 1e300; scale++)
        power *= 10;
    return (number.data[0] == '-' ? -1 : 1) * digits / power;
}

bool value_number(struct compiler *c, const struct node *node, const char *key, double min,
                  double max, double *ret_value)
{
    if (node->kind == NODE_NUMBER) {
        double value = decimal_value(node->text);
        if (value >= min && value <= max) {
            *ret_value = value;
            return true;
        }
    }
    report_error(&c->report, node->span, "`%s` must be a number from %g to %g%s%s", key, min, max,
                 node->kind == NODE_NUMBER ? "" : ", not ",
                 node->kind == NODE_NUMBER ? "" : node_kind_name(node));
    return false;
}

void value_hint_plain(struct compiler *c, struct flow_problem *problem, const struct node *node)
{
    if (node->kind == NODE_STRING && node->style == NODE_PLAIN)
        report_hint(&c->report, problem, "`%.*s` is text here, as every plain word is",
                    TEXT_ARG(node->text));
}

bool value_boolean(struct compiler *c, const struct node *node, const char *key, bool *ret_value)
{
    if (node->kind == NODE_BOOLEAN) {
        *ret_value = text_equal(node->text, TEXT("true"));
        return true;
    }
    struct flow_problem *problem = report_error(
        &c->report, node->span, "`%s` must be true or false, not %s", key, node_kind_name(node));
    value_hint_plain(c, problem, node);
    return false;
}

bool value_choice(struct compiler *c, const struct node *node, const char *key,
                  const char *const *words, size_t count, size_t *ret_number)
{
    struct buffer list;
    buffer_init(&list, 0);
    for (size_t i = 0; i < count; i++) {
        if (node->kind == NODE_STRING && text_equal(node->text, text_of(words[i]))) {
            buffer_done(&list);
            *ret_number = i;
            return true;
        }
        buffer_printf(&list, "%s`%s`", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    }
    struct flow_problem *problem =
        report_error(&c->report, node->span, "`%s` must be %s", key, list.data);
    buffer_done(&list);
    const char *nearest = node->kind == NODE_STRING ? nearest_word(node->text, words, count) : NULL;
    if (nearest)
        report_hint(&c->report, problem, "did you mean `%s`?", nearest);
    return false;
}

/* -------------------------------------------------------------------------- durations and counts
 */

static bool takes_expression(struct compiler *c, const struct node *node,
                             const struct expr_home *home, struct flow_amount *ret_amount,
                             bool *ret_good)
{
    if (!value_is_expression(node))
        return false;
    ret_amount->expr = value_expression(c, node, home);
    ret_amount->present = ret_amount->expr != NULL;
    *ret_good = ret_amount->present;
    return true;
}

static bool report_no_duration(struct compiler *c, const struct node *node,
                               const struct expr_home *home)
{
    bool is_number = node->kind == NODE_NUMBER;
    struct flow_problem *problem = report_error(
        &c->report, node->span, "`%s` must be a duration with units, such as 500ms, 90s, 1h30m, 5d",
        home->key);
    if (is_number && strspn(node->text.data, "0123456789") == node->text.len)
        report_hint(&c->report, problem, "seconds are written `%.*ss`", TEXT_ARG(node->text));
    else if (is_number)
        report_hint(&c->report, problem, "whole numbers only: 1500ms, not 1.5s");
    else if (node->kind == NODE_STRING)
        report_hint(&c->report, problem,
                    "units are w d h m s ms, from the largest to the smallest");
    return false;
}

bool value_duration(struct compiler *c, const struct node *node, const struct expr_home *home,
                    int64_t min_ms, struct flow_amount *ret_amount)
{
    bool is_good;
    int64_t ms;
    if (takes_expression(c, node, home, ret_amount, &is_good))
        return is_good;
    if (node->kind != NODE_STRING || !duration_parse_ms(node->text, &ms))
        return report_no_duration(c, node, home);
    if (ms < min_ms) {
        report_error(&c->report, node->span, "`%s` must be longer than nothing", home->key);
        return false;
    }
    *ret_amount = (struct flow_amount){.value = ms, .present = true};
    return true;
}

bool value_count(struct compiler *c, const struct node *node, const struct expr_home *home,
                 int64_t min, int64_t max, struct flow_amount *ret_amount)
{
    bool is_good;
    int64_t value;
    if (takes_expression(c, node, home, ret_amount, &is_good))
        return is_good;
    if (!value_integer(c, node, home->key, min, max, &value))
        return false;
    *ret_amount = (struct flow_amount){.value = value, .present = true};
    return true;
}

int flow_parse_duration(struct text text, int64_t *ret_ms)
{
    return duration_parse_ms(text, ret_ms) ? 0 : ERR_INVALID;
}
