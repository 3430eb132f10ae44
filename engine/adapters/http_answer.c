/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check.h"
#include "engine/adapters/http_private.h"

/* --- headers ------------------------------------------------------------------------------------
 */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trim(struct text text)
{
    while (text.len && is_blank(text.data[text.len - 1]))
        text.len--;
    while (text.len && is_blank(*text.data)) {
        text.data++;
        text.len--;
    }
    return text;
}

static struct text lower(struct arena *arena, struct text name)
{
    char *copy = arena_string(arena, name);
    for (size_t i = 0; i < name.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] - 'A' + 'a');
    }
    return (struct text){copy, name.len};
}

/* A line that begins with a blank goes on with the one before. */
static void continue_field(struct http_request *r, struct text line)
{
    struct text more = trim(line);
    if (!r->field_count || !more.len)
        return;
    struct http_field *last = &r->fields[r->field_count - 1];
    r->header_bytes += last->value.len; /* it is copied */
    last->value = arena_printf(&r->arena, "%.*s %.*s", TEXT_ARG(last->value), TEXT_ARG(more));
}

static void add_field(struct http_request *r, struct text line)
{
    const char *colon = memchr(line.data, ':', line.len);
    struct text name = trim((struct text){line.data, colon ? (size_t)(colon - line.data) : 0});
    if (!name.len)
        return;
    struct text value = trim((struct text){colon + 1, line.len - (size_t)(colon + 1 - line.data)});
    r->fields = arena_grow(&r->arena, r->fields, r->field_count, r->field_count + 1,
                           &r->field_capacity, sizeof *r->fields);
    r->fields[r->field_count++] =
        (struct http_field){lower(&r->arena, name), arena_text(&r->arena, value)};
}

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct http_request *r = self;
    struct text line = {data, size * count};
    if (r->headers_done || !line.len)
        return line.len;
    r->header_bytes += line.len;
    if (r->header_bytes > HTTP_HEADER_MAX_BYTES || r->field_count >= HTTP_HEADERS_MAX) {
        r->headers_overflow = true;
        return 0;
    }
    if (line.len >= 5 && !memcmp(data, "HTTP/", 5)) {
        r->field_count = 0; /* those of a 1xx before it */
    } else if (!trim(line).len) {
        long status = 0;
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        r->headers_done = status >= 200;
    } else if (is_blank(*data)) {
        continue_field(r, line);
    } else {
        add_field(r, line);
    }
    return line.len;
}

static bool is_repeated(const struct http_request *r, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (text_equal(r->fields[i].name, r->fields[at].name))
            return true;
    }
    return false;
}

static void render_headers(struct http_request *r)
{
    struct buffer value = {0};
    buffer_clear(&r->headers_json);
    buffer_add_char(&r->headers_json, '{');
    for (size_t i = 0; i < r->field_count; i++) {
        if (is_repeated(r, i))
            continue;
        buffer_clear(&value);
        buffer_add_text(&value, r->fields[i].value);
        for (size_t j = i + 1; j < r->field_count; j++) {
            if (!text_equal(r->fields[i].name, r->fields[j].name))
                continue;
            buffer_add_string(&value, ", ");
            buffer_add_text(&value, r->fields[j].value);
        }
        if (i)
            buffer_add_char(&r->headers_json, ',');
        buffer_add_json_string(&r->headers_json, r->fields[i].name);
        buffer_add_char(&r->headers_json, ':');
        buffer_add_json_string(&r->headers_json, buffer_text(&value));
    }
    buffer_add_char(&r->headers_json, '}');
    buffer_done(&value);
}

/* --- body ---------------------------------------------------------------------------------------
 */

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct http_request *r = self;
    size_t len = size * count;
    if (r->discard_in)
        return len;
    buffer_add(&r->in, data, len);
    r->in_overflow = r->in.overflowed;
    return r->in_overflow ? 0 : len;
}

/* --- ends ---------------------------------------------------------------------------------------
 */

void http_answer_attach(struct http_request *r)
{
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
}

void http_answer_reset(struct http_request *r)
{
    r->sendings = 0;
    r->headers_done = false;
    r->field_count = 0;
    r->header_bytes = 0;
    buffer_clear(&r->in);
    r->in.overflowed = r->in_overflow = false;
    r->curl_text[0] = 0;
}

static bool cannot_be_sent(CURLcode code)
{
    return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

void http_answer_judge(struct http_request *r, CURLcode code)
{
    const char *why = r->curl_text[0] ? r->curl_text : curl_easy_strerror(code);
    long status = 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    r->status = (int)status;
    if ((code == CURLE_OK && r->headers_done) || r->in_overflow) {
        render_headers(r);
    } else if (code == CURLE_OK) {
        /* libcurl takes a response that ends there for whole. */
        http_set_trouble(r, HTTP_TROUBLE_LOST, "the response ended within its headers");
    } else if (r->lease_over) {
        http_set_trouble(r, HTTP_TROUBLE_LEASE, "the lease was over before it was sent");
    } else if (r->headers_overflow) {
        http_set_trouble(r, HTTP_TROUBLE_LOST, "the response has more than %d headers or %zu bytes",
                         HTTP_HEADERS_MAX, HTTP_HEADER_MAX_BYTES);
    } else if (r->sendings > 1 && !r->is_safe) {
        http_set_trouble(r, HTTP_TROUBLE_LOST, "the connection was lost before an answer came");
    } else if (r->may_have_arrived) {
        http_set_trouble(r, HTTP_TROUBLE_LOST, "%s", why);
    } else if (r->is_denied) {
        http_set_trouble(r, HTTP_TROUBLE_UNREACHABLE, "link-local addresses are denied: %s", why);
    } else if (cannot_be_sent(code)) {
        http_set_trouble(r, HTTP_TROUBLE_INVALID, "%s", why);
    } else {
        http_set_trouble(r, HTTP_TROUBLE_UNREACHABLE, "%s", why);
    }
}
