/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/targets.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

#define KEYWORDS_MAX 96

static bool schema_is_valid(const char *schema)
{
    size_t len = schema ? strlen(schema) : 0;
    if (len == 0 || len > SCHEMA_MAX || !(schema[0] == '_' || islower((unsigned char)schema[0])))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)schema[i];
        if (!(c < 0x80 && (islower(c) || isdigit(c) || c == '_')))
            return false;
    }
    return true;
}

/* The words that a target says itself or that have no meaning when polled. */
static bool is_own_keyword(const char *keyword)
{
    static const char *const own[] = {"host",
                                      "hostaddr",
                                      "port",
                                      "service",
                                      "connect_timeout",
                                      "target_session_attrs",
                                      "client_encoding",
                                      "replication"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (!strcmp(own[i], keyword))
            return true;
    return false;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (!strcmp(options->keyword, keyword))
            return options->val && options->val[0] ? options->val : NULL;
    return NULL;
}

static void set_word(struct targets *targets, size_t *count, const char *keyword, const char *value)
{
    CHECK(*count < KEYWORDS_MAX - 4);
    targets->keywords[*count] = arena_string(&targets->arena, text_of(keyword));
    targets->values[*count] = arena_string(&targets->arena, text_of(value));
    (*count)++;
}

/* What we insist on, and what we prefer unless the string says otherwise. */
static void set_words(struct targets *targets, const PQconninfoOption *given,
                      const char *application)
{
    static const struct {
        const char *keyword, *value;
    } preferred[] = {{"keepalives_idle", "10"},
                     {"keepalives_interval", "3"},
                     {"keepalives_count", "3"},
                     {"tcp_user_timeout", "10000"}};
    size_t count = 0;
    targets->keywords = arena_calloc(&targets->arena, KEYWORDS_MAX, sizeof(char *));
    targets->values = arena_calloc(&targets->arena, KEYWORDS_MAX, sizeof(char *));
    for (const PQconninfoOption *o = given; o->keyword; o++)
        if (o->val && o->val[0] && !is_own_keyword(o->keyword))
            set_word(targets, &count, o->keyword, o->val);
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++)
        if (!option_value(given, preferred[i].keyword))
            set_word(targets, &count, preferred[i].keyword, preferred[i].value);
    if (!option_value(given, "application_name") && application)
        set_word(targets, &count, "application_name", application);
    set_word(targets, &count, "client_encoding", "UTF8");
    set_word(targets, &count, "target_session_attrs", "read-write");
}

static bool needs_no_resolving(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return !host || !host[0] || host[0] == '/' || host[0] == '@' ||
           inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static void add_target(struct targets *targets, const char *host, const char *hostaddr,
                       const char *port)
{
    if (targets->count == TARGETS_MAX)
        return;
    struct target *target = &targets->list[targets->count++];
    target->host = host && host[0] ? arena_string(&targets->arena, text_of(host)) : NULL;
    target->hostaddr =
        hostaddr && hostaddr[0] ? arena_string(&targets->arena, text_of(hostaddr)) : NULL;
    target->port = port && port[0] ? arena_string(&targets->arena, text_of(port)) : NULL;
}

static void add_host(struct targets *targets, const char *host, const char *hostaddr,
                     const char *port)
{
    struct addrinfo *found = NULL, hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if ((hostaddr && hostaddr[0]) || needs_no_resolving(host) ||
        getaddrinfo(host, NULL, &hints, &found)) {
        add_target(targets, host, hostaddr, port);
        return;
    }
    for (struct addrinfo *a = found; a; a = a->ai_next) {
        char text[NI_MAXHOST];
        if (!getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            add_target(targets, host, text, port);
    }
    freeaddrinfo(found);
}

/* The n-th part of a comma-separated list; the only part stands for all. */
static const char *list_part(struct arena *arena, const char *list, size_t n, size_t *ret_parts)
{
    size_t parts = 1;
    for (const char *p = list ? list : ""; *p; p++)
        parts += *p == ',';
    *ret_parts = list ? parts : 0;
    if (!list || (n >= parts && parts > 1))
        return NULL;
    const char *begin = list;
    for (size_t i = 0; i < n && parts > 1; i++)
        begin = strchr(begin, ',') + 1;
    return arena_string(arena, (struct text){begin, strcspn(begin, ",")});
}

static void add_hosts(struct targets *targets, const PQconninfoOption *given)
{
    const char *host = option_value(given, "host");
    const char *hostaddr = option_value(given, "hostaddr");
    const char *port = option_value(given, "port");
    size_t hosts, addresses, ports;
    list_part(&targets->arena, host, 0, &hosts);
    list_part(&targets->arena, hostaddr, 0, &addresses);
    size_t count = hosts > addresses ? hosts : addresses;
    for (size_t i = 0; i < (count ? count : 1); i++)
        add_host(targets, list_part(&targets->arena, host, i, &hosts),
                 list_part(&targets->arena, hostaddr, i, &addresses),
                 list_part(&targets->arena, port, i, &ports));
}

/* A connection that is begun and dropped tells how libpq understands the string with environment
 * and service file; there is no other way to ask. */
static PQconninfoOption *effective_options(const char *conninfo, struct error *ret_error)
{
    const char *keywords[] = {"dbname", NULL};
    const char *values[] = {conninfo, NULL};
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    CHECK(conn != NULL);
    PQconninfoOption *options = PQconninfo(conn);
    if (!options || (PQstatus(conn) == CONNECTION_BAD && !option_value(options, "user") &&
                     !option_value(options, "port"))) {
        const char *message = PQerrorMessage(conn);
        error_set(ret_error, ERR_INVALID, "connection string: %.*s", (int)strcspn(message, "\n"),
                  message);
        PQconninfoFree(options);
        options = NULL;
    }
    PQfinish(conn);
    return options;
}

int targets_init(struct targets *targets, const struct storage_options *options,
                 struct error *ret_error)
{
    *targets = (struct targets){0};
    const char *conninfo = options->conninfo ? options->conninfo : "";
    if (!schema_is_valid(options->schema))
        return error_set(ret_error, ERR_INVALID, "schema \"%s\": expected [a-z_][a-z0-9_]{0,39}",
                         options->schema ? options->schema : "");
    char *message = NULL;
    PQconninfoOption *parsed = PQconninfoParse(conninfo, &message);
    if (!parsed) {
        error_set(ret_error, ERR_INVALID, "connection string: %.*s",
                  (int)strcspn(message ? message : "", "\n"), message ? message : "");
        PQfreemem(message);
        return ERR_INVALID;
    }
    PQconninfoFree(parsed);
    PQconninfoOption *given = effective_options(conninfo, ret_error);
    if (!given)
        return ERR_INVALID;
    targets->schema = arena_string(&targets->arena, text_of(options->schema));
    set_words(targets, given, options->application);
    add_hosts(targets, given);
    PQconninfoFree(given);
    return 0;
}

void targets_done(struct targets *targets)
{
    arena_done(&targets->arena);
}

PGconn *targets_connect(const struct targets *targets, size_t index)
{
    CHECK(index < targets->count);
    const struct target *target = &targets->list[index];
    const char *keywords[KEYWORDS_MAX];
    const char *values[KEYWORDS_MAX];
    size_t count = 0;
    for (; targets->keywords[count]; count++) {
        keywords[count] = targets->keywords[count];
        values[count] = targets->values[count];
    }
    const char *own[][2] = {
        {"host", target->host}, {"hostaddr", target->hostaddr}, {"port", target->port}};
    for (size_t i = 0; i < 3; i++) {
        if (own[i][1]) {
            keywords[count] = own[i][0];
            values[count++] = own[i][1];
        }
    }
    keywords[count] = values[count] = NULL;
    PGconn *conn = PQconnectStartParams(keywords, values, 0);
    CHECK(conn != NULL);
    return conn;
}
