/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `http`: a request. */
#include "engine/flow/readers.h"
#include "engine/flow/value.h"

#define HEADERS_MAX 100

static struct expr_home attempt_home(const struct target *target, const char *key)
{
    return home_of(target->draft, key, ROOTS_OF_ATTEMPT);
}

static bool begins_with(struct text text, const char *start)
{
    size_t len = strlen(start);
    for (size_t i = 0; i < len; i++)
        if (i >= text.len || (text.data[i] | 0x20) != start[i])
            return false;
    return true;
}

/* Whether `text` may begin `start`: an expression may give the rest of it. */
static bool may_begin_with(struct text text, const char *start)
{
    const char *found = memmem(text.data, text.len, "${", 2);
    size_t known = found ? (size_t)(found - text.data) : text.len;
    if (known >= strlen(start) || !found)
        return begins_with(text, start);
    for (size_t i = 0; i < known; i++)
        if ((text.data[i] | 0x20) != start[i])
            return false;
    return true;
}

/* What can be seen of a URL before its expressions are computed. */
static void check_url(struct compiler *c, const struct node *value)
{
    struct text text = value->text;
    struct flow_problem *problem;
    if (text.len == 0) {
        report_error(&c->report, value->span, "the URL is empty");
    } else if (!may_begin_with(text, "http://") && !may_begin_with(text, "https://")) {
        problem =
            report_error(&c->report, value->span, "a URL begins with `http://` or `https://`");
        if (!memmem(text.data, text.len, "://", 3) && text.data[0] != '/' &&
            !begins_with(text, "http"))
            report_hint(&c->report, problem, "write `http://%.*s`", TEXT_ARG(text));
    } else if (memchr(text.data, ' ', text.len) && !memmem(text.data, text.len, "${", 2)) {
        problem = report_error(&c->report, value->span, "a blank can't stand in a URL");
        report_hint(&c->report, problem, "it is written `%%20`");
    }
}

void key_url(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "url");
    target->draft->task->http.url = value_text(c, value, &home, false);
    if (target->draft->task->http.url)
        check_url(c, value);
}

static bool is_token(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char ch = (unsigned char)text.data[i];
        if (ch <= ' ' || ch >= 0x7F || memchr("()<>@,;:\\\"/[]?={}", ch, 17))
            return false;
    }
    return text.len > 0;
}

static bool is_method(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] < 'A' || text.data[i] > 'Z') && text.data[i] != '-')
            return false;
    return text.len > 0;
}

void key_method(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "method");
    const struct template *method = value_text(c, value, &home, false);
    target->draft->task->http.method = method;
    if (!method || memmem(value->text.data, value->text.len, "${", 2))
        return;
    struct text text = value->text;
    if (is_method(text))
        return;
    struct flow_problem *problem = report_error(
        &c->report, value->span, "`%.*s` is no method; expected GET, POST, PUT …", TEXT_ARG(text));
    char *upper = arena_string(&c->scratch, text);
    for (size_t i = 0; i < text.len; i++)
        if (upper[i] >= 'a' && upper[i] <= 'z')
            upper[i] &= (char)~0x20;
    if (is_method((struct text){upper, text.len}))
        report_hint(&c->report, problem, "methods are written in capitals: %s", upper);
}

static bool same_name(struct text a, struct text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if ((a.data[i] | 0x20) != (b.data[i] | 0x20))
            return false;
    return true;
}

static void check_header(struct compiler *c, const struct node *headers, const struct node *header)
{
    struct text name = header->key->text;
    if (header->key->kind != NODE_STRING)
        return;
    if (!is_token(name)) {
        report_error(&c->report, header->key->span, "`%.*s` is no name of a header",
                     TEXT_ARG(name));
        return;
    }
    if (same_name(name, TEXT("Content-Length")))
        report_error(&c->report, header->key->span,
                     "the engine itself sets `Content-Length`: leave it out");
    for (const struct node *other = headers->first; other != header; other = other->next) {
        if (other->key->kind != NODE_STRING || !same_name(name, other->key->text))
            continue;
        report_error(&c->report, header->key->span,
                     "the header `%.*s` stands here twice: capitals make no difference",
                     TEXT_ARG(name));
        return;
    }
}

void key_headers(struct compiler *c, const struct target *target, const struct node *value)
{
    struct flow_http *http = &target->draft->task->http;
    struct expr_home home = attempt_home(target, "headers");
    if (value->kind == NODE_MAP && value->count > HEADERS_MAX) {
        report_error(&c->report, value->key->span, "more than %d headers", HEADERS_MAX);
        return;
    }
    if (read_pairs(c, value, &home, "the header", &http->headers, &http->header_count))
        for (const struct node *child = value->first; child; child = child->next)
            check_header(c, value, child);
}

void key_body(struct compiler *c, const struct target *target, const struct node *value)
{
    struct expr_home home = attempt_home(target, "body");
    target->draft->task->http.body = value_data(c, value, &home);
}

void key_http(struct compiler *c, const struct target *target, const struct node *value)
{
    if (value->kind == NODE_STRING) {
        key_url(c, target, value);
        return;
    }
    if (value->kind != NODE_MAP) {
        report_error(&c->report, value->span,
                     "`http` must be a URL or a map {method, url, headers, body}, not %s",
                     node_kind_name(value));
        return;
    }
    language_read(c, IN_HTTP, value, target);
    if (!node_member(value, "url") && language_knows_keys(IN_HTTP, value))
        report_error(&c->report, value->key->span, "`http` has no `url`");
}
