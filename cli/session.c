/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/utf8.h"

#define NAMES_MAX_BYTES (16u << 20) /* of ids on stdin */

static void on_interrupt(int signal)
{
    _exit(EXIT_CODE_INTERRUPTED);
}

void session_say(const char *verb, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "jobboard %s: ", verb);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int session_try_open(const struct connection_options *connection, bool read_only,
                     struct jobboard **ret_jobboard, struct error *ret_error)
{
    struct jobboard_options options = {.postgres = connection->postgres,
                                       .schema = connection->schema,
                                       .zookeeper = connection->zookeeper,
                                       .zookeeper_auth = connection->zookeeper_auth,
                                       .board = connection->board,
                                       .application = "jobboard",
                                       .connect_timeout_ms = connection->connect_timeout_ms,
                                       .read_only = read_only};
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is no reason to die */
    signal(SIGINT, on_interrupt);
    return jobboard_open(&options, ret_jobboard, ret_error);
}

bool session_open(const char *verb, const struct connection_options *connection, bool read_only,
                  struct jobboard **ret_jobboard, int *ret_exit)
{
    struct error error = {0};
    if (session_try_open(connection, read_only, ret_jobboard, &error) == 0)
        return true;
    *ret_exit = cli_fail(verb, &error);
    return false;
}

int session_view(struct jobboard *jobboard, const char *verb, const struct view_request *request,
                 const struct view_answer **ret_answer)
{
    struct error error = {0};
    int code = jobboard_view_now(jobboard, request, ret_answer, &error);
    return code ? cli_fail(verb, &error) : EXIT_CODE_DONE;
}

/* ------------------------------------------------------------------------------------------ ids */

char *id_short(const struct uuid *id, char ret_short[ID_SHORT_LEN + 1])
{
    const char *text = UUID_STR(id);
    memcpy(ret_short, text + UUID_TEXT_LEN - ID_SHORT_LEN, ID_SHORT_LEN + 1);
    return ret_short;
}

static int tell_ambiguous(const char *verb, const char *name, const struct view_answer *answer)
{
    session_say(verb, "'%s' is ambiguous; it may be", name);
    for (size_t i = 0; i < answer->u.resolved.count; i++)
        fprintf(stderr, "  %s\n", UUID_STR(&answer->u.resolved.jobs[i]));
    return EXIT_CODE_USAGE;
}

int session_find_job(struct jobboard *jobboard, const char *verb, const char *name,
                     struct uuid *ret_job)
{
    struct view_request request = {.kind = VIEW_RESOLVE, .name = text_of(name)};
    const struct view_answer *answer;
    struct error error = {0};
    if (!utf8_valid(request.name)) {
        session_say(verb, "a job's name is no UTF-8");
        return EXIT_CODE_USAGE;
    }
    int code = jobboard_view_now(jobboard, &request, &answer, &error);
    if (code == ERR_AMBIGUOUS)
        return tell_ambiguous(verb, name, answer);
    if (code == ERR_NOT_FOUND) {
        session_say(verb, "there is no job '%s'", name);
        return EXIT_CODE_NOT_FOUND;
    }
    if (code)
        return cli_fail(verb, &error);
    *ret_job = answer->u.resolved.jobs[0];
    return EXIT_CODE_DONE;
}

struct found {
    struct uuid *jobs;
    size_t count, capacity;
};

static void add_found(struct found *found, const struct uuid *job)
{
    for (size_t i = 0; i < found->count; i++)
        if (uuid_equal(&found->jobs[i], job))
            return;
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? 2 * found->capacity : 16;
        found->jobs = xrealloc(found->jobs, found->capacity, sizeof *found->jobs);
    }
    found->jobs[found->count++] = *job;
}

static int find_from_stdin(struct jobboard *jobboard, const char *verb, struct found *found)
{
    struct buffer content;
    struct error error = {0};
    struct uuid job;
    int exit = EXIT_CODE_DONE;
    buffer_init(&content, 0);
    if (file_read("-", NAMES_MAX_BYTES, &content, &error)) {
        exit = cli_fail(verb, &error);
    } else {
        char *rest = content.data, *word;
        while (!exit && rest && (word = strsep(&rest, " \t\r\n"))) {
            if (!*word)
                continue;
            exit = session_find_job(jobboard, verb, word, &job);
            if (!exit)
                add_found(found, &job);
        }
    }
    buffer_done(&content);
    return exit;
}

int session_find_jobs(struct jobboard *jobboard, const char *verb, const char *const *names,
                      size_t count, struct uuid **ret_jobs, size_t *ret_count)
{
    struct found found = {0};
    struct uuid job;
    int exit = EXIT_CODE_DONE;
    for (size_t i = 0; i < count && !exit; i++) {
        if (!strcmp(names[i], "-")) {
            exit = find_from_stdin(jobboard, verb, &found);
            continue;
        }
        exit = session_find_job(jobboard, verb, names[i], &job);
        if (!exit)
            add_found(&found, &job);
    }
    if (exit) {
        free(found.jobs);
        found = (struct found){0};
    }
    *ret_jobs = found.jobs;
    *ret_count = found.count;
    return exit;
}

/* ---------------------------------------------------------------------------------------- files */

static int read_all(int fd, const char *path, size_t max_bytes, struct buffer *ret_content,
                    struct error *ret_error)
{
    char chunk[65536];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(ret_error, ERR_NOT_FOUND, "%s: %m", path);
        if (got == 0)
            break;
        if (ret_content->len + (size_t)got > max_bytes)
            return error_set(ret_error, ERR_TOO_LARGE, "%s: larger than %zu bytes", path,
                             max_bytes);
        buffer_add(ret_content, chunk, (size_t)got);
    }
    buffer_add(ret_content, "", 0);
    return 0;
}

int file_read(const char *path, size_t max_bytes, struct buffer *ret_content,
              struct error *ret_error)
{
    if (!strcmp(path, "-"))
        return read_all(STDIN_FILENO, "stdin", max_bytes, ret_content, ret_error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(ret_error, ERR_NOT_FOUND, "%s: %m", path);
    int code = read_all(fd, path, max_bytes, ret_content, ret_error);
    close(fd);
    return code;
}
