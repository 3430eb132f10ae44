/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/os/clock.h"
#include "engine/adapters/http_private.h"

/* --- checks -------------------------------------------------------------------------------------
 */

/* A token of HTTP: what methods and names are made of. */
static bool is_token(struct text text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (!c || !strchr(marks, c)))
            return false;
    }
    return text.len > 0;
}

static bool has_control(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static bool is_name(struct text name, const char *wanted)
{
    return name.len == strlen(wanted) && !strncasecmp(name.data, wanted, name.len);
}

/* Headers that frame the message or rule the connection. */
static bool is_of_source(struct text name)
{
    static const char *const names[] = {
        "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive",
        "Expect",         "Upgrade",           "TE",         "Trailer",
        "HTTP2-Settings"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_name(name, names[i]))
            return true;
    }
    return false;
}

static bool check(struct http_request *r, const struct http_spec *spec)
{
    if (!is_token(spec->method) || is_name(spec->method, "CONNECT")) {
        http_set_trouble(r, HTTP_TROUBLE_INVALID, "the method is none of HTTP's");
    } else if (text_equal(spec->method, TEXT("HEAD")) && spec->body.len) {
        http_set_trouble(r, HTTP_TROUBLE_INVALID, "a HEAD request has no body");
    }
    for (size_t i = 0; i < spec->header_count && !r->trouble; i++) {
        const struct http_header *header = &spec->headers[i];
        if (!is_token(header->name))
            http_set_trouble(r, HTTP_TROUBLE_INVALID, "the name of header %zu is malformed", i + 1);
        else if (has_control(header->value))
            http_set_trouble(r, HTTP_TROUBLE_INVALID, "header %.100s holds a control character",
                             arena_string(&r->arena, header->name));
        else if (is_of_source(header->name))
            http_set_trouble(r, HTTP_TROUBLE_INVALID, "header %.100s cannot be given",
                             arena_string(&r->arena, header->name));
    }
    return !r->trouble;
}

/* --- the URL ------------------------------------------------------------------------------------
 */

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    curl_url_get(url, part, &text, CURLU_DEFAULT_PORT);
    return text;
}

static bool has_scheme(CURLU *url, const char *wanted)
{
    char *scheme = part_of(url, CURLUPART_SCHEME);
    bool has = scheme && !strcasecmp(scheme, wanted);
    curl_free(scheme);
    return has;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *of_a = part_of(a, part), *of_b = part_of(b, part);
    bool same = of_a && of_b && !strcasecmp(of_a, of_b);
    curl_free(of_a);
    curl_free(of_b);
    return same;
}

static bool same_origin(CURLU *a, CURLU *b)
{
    return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
           same_part(a, b, CURLUPART_PORT);
}

static bool read_url(struct http_request *r, struct text url)
{
    CURLUcode code = CURLUE_MALFORMED_INPUT;
    r->url = curl_url();
    CHECK(r->url);
    if (url.len && !has_control(url))
        code = curl_url_set(r->url, CURLUPART_URL, arena_string(&r->arena, url), 0);
    if (code != CURLUE_OK)
        http_set_trouble(r, HTTP_TROUBLE_INVALID, "the URL is malformed: %s",
                         curl_url_strerror(code));
    else if (!has_scheme(r->url, "http") && !has_scheme(r->url, "https"))
        http_set_trouble(r, HTTP_TROUBLE_INVALID, "the URL is neither http nor https");
    return !r->trouble;
}

bool http_request_redirect(struct http_request *r, const char *location)
{
    CURLU *url = curl_url();
    CHECK(url);
    bool good =
        curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK &&
        (has_scheme(url, "https") || (has_scheme(url, "http") && has_scheme(r->url, "http")));
    if (!good) {
        curl_url_cleanup(url);
        return false;
    }
    if (!same_origin(r->url, url)) {
        /* Once away it does not get them back: the way may lead through a stranger. */
        curl_slist_free_all(r->headers);
        r->headers = NULL;
        curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->own);
    }
    curl_easy_setopt(r->easy, CURLOPT_CURLU, url);
    curl_url_cleanup(r->url);
    r->url = url;
    r->redirects++;
    return true;
}

/* --- headers ------------------------------------------------------------------------------------
 */

static void add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    CHECK(longer);
    *list = longer;
}

static bool is_given(const struct http_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->header_count; i++) {
        if (is_name(spec->headers[i].name, name))
            return true;
    }
    return false;
}

static const char *header_line(struct arena *arena, struct text name, struct text value)
{
    /* To libcurl `Name:` takes a header away, and `Name;` is the empty one. */
    bool blank = true;
    for (size_t i = 0; i < value.len; i++)
        blank &= value.data[i] == ' ' || value.data[i] == '\t';
    if (blank)
        return arena_printf(arena, "%.*s;", TEXT_ARG(name)).data;
    return arena_printf(arena, "%.*s: %.*s", TEXT_ARG(name), TEXT_ARG(value)).data;
}

static void add_own(struct http_request *r, const struct http_spec *spec, struct curl_slist **list)
{
    /* libcurl would wait a second for the word to send a large body. */
    add(list, "Expect:");
    if (!is_given(spec, "User-Agent"))
        add(list, "User-Agent: jobboard/" JOBBOARD_VERSION);
    if (spec->key.data && !has_control(spec->key) && !is_given(spec, "Idempotency-Key"))
        add(list, header_line(&r->arena, TEXT("Idempotency-Key"), spec->key));
    if (is_given(spec, "Content-Type"))
        return;
    if (!spec->body.len)
        add(list, "Content-Type:");
    else if (spec->body_is_json)
        add(list, "Content-Type: application/json");
    else
        add(list, "Content-Type: text/plain; charset=utf-8");
}

static void make_headers(struct http_request *r, const struct http_spec *spec)
{
    add_own(r, spec, &r->own);
    add_own(r, spec, &r->headers);
    for (size_t i = 0; i < spec->header_count; i++)
        add(&r->headers, header_line(&r->arena, spec->headers[i].name, spec->headers[i].value));
}

/* --- the connection -----------------------------------------------------------------------------
 */

static bool is_link_local(const struct sockaddr *address)
{
    const unsigned char *bytes;
    if (address->sa_family == AF_INET) {
        bytes = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_LINKLOCAL(six))
            return true;
        if (!IN6_IS_ADDR_V4MAPPED(six))
            return false;
        bytes = six->s6_addr + 12;
    } else {
        return false;
    }
    return bytes[0] == 169 && bytes[1] == 254;
}

static curl_socket_t on_open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_request *r = self;
    if (!r->source->allow_link_local && is_link_local(&to->addr)) {
        r->is_denied = true;
        return CURL_SOCKET_BAD;
    }
    /* Ours, since libcurl's would be inherited by every program that is started. */
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* A connection is ready for the request, and nothing of it was sent over it yet. */
static int on_ready(void *self, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct http_request *r = self;
    if (clock_now_ms() >= r->source->kill_at_ms) {
        r->lease_over = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (r->sendings++ && !r->is_safe)
        return CURL_PREREQFUNC_ABORT;
    r->may_have_arrived = true;
    return CURL_PREREQFUNC_OK;
}

/* --- options ------------------------------------------------------------------------------------
 */

static void set_method(struct http_request *r)
{
    CURL *easy = r->easy;
    const char *method = r->method.data;
    bool has_body = r->body.len || !strcmp(method, "POST") || !strcmp(method, "PUT") ||
                    !strcmp(method, "PATCH");
    if (!strcmp(method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (has_body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.data);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(struct http_request *r)
{
    CURL *easy = r->easy;
    const struct http_source *h = r->source;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->curl_text);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Else the end of a request would wait for its resolver thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, r);
    if (!r->is_safe)
        curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)HTTP_UNSAFE_IDLE_S);
    if (h->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    } else if (h->ca_path) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, h->ca_path);
    }
    curl_easy_setopt(easy, CURLOPT_CURLU, r->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
    set_method(r);
    http_answer_attach(r);
}

int http_request_prepare(struct http_request *r, const struct http_spec *spec)
{
    if (!check(r, spec) || !read_url(r, spec->url))
        return -1;
    r->method = arena_text(&r->arena, spec->method);
    r->body = arena_text(&r->arena, spec->body.data ? spec->body : TEXT(""));
    r->is_safe = text_equal(r->method, TEXT("GET")) || text_equal(r->method, TEXT("HEAD"));
    r->discard_in = spec->discard_body;
    buffer_init(&r->in, spec->body_max_bytes ? spec->body_max_bytes : HTTP_BODY_MAX_BYTES);
    make_headers(r, spec);
    r->easy = curl_easy_init();
    CHECK(r->easy);
    set_options(r);
    return 0;
}

void http_request_free(struct http_request *r)
{
    if (r->easy)
        curl_easy_cleanup(r->easy);
    curl_url_cleanup(r->url);
    curl_slist_free_all(r->own);
    curl_slist_free_all(r->headers);
    buffer_done(&r->in);
    buffer_done(&r->headers_json);
    arena_done(&r->arena);
    free(r);
}
