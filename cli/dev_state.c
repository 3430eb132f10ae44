/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/os/entropy.h"

static const char *const kind_names[] = {"zookeeper", "postgres", "engine"};
#define KIND_COUNT (sizeof kind_names / sizeof kind_names[0])

const char *dev_kind_name(enum dev_kind kind)
{
    CHECK(kind < KIND_COUNT);
    return kind_names[kind];
}

/* The machine's boot; empty when /proc does not tell. */
static void read_boot_id(char ret_id[UUID_TEXT_LEN + 1])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    size_t len = file ? fread(ret_id, 1, UUID_TEXT_LEN, file) : 0;
    ret_id[len] = '\0';
    if (file)
        fclose(file);
}

void dev_state_init(struct dev_state *state, const char *dir)
{
    *state = (struct dev_state){0};
    struct uuid id = entropy_uuid_v7();
    uuid_format(&id, state->id);
    read_boot_id(state->boot_id);
    state->dir = arena_string(&state->arena, text_of(dir));
}

void dev_state_done(struct dev_state *state)
{
    arena_done(&state->arena);
}

static bool is_fit_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < DEV_NAME_MAX && name[0] != '-' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

int dev_state_add(struct dev_state *state, enum dev_kind kind, const char *name,
                  struct dev_service **ret_service, struct error *ret_error)
{
    if (!is_fit_name(name))
        return error_set(ret_error, ERR_INVALID,
                         "'%.60s' is no fit name: letters, digits, '.', '_' and '-', at most %d",
                         name, DEV_NAME_MAX - 1);
    if (dev_state_find(state, name))
        return error_set(ret_error, ERR_EXISTS, "there is a %s already", name);
    if (state->service_count == DEV_SERVICES_MAX)
        return error_set(ret_error, ERR_TOO_LARGE, "no more than %d services", DEV_SERVICES_MAX);
    struct dev_service *service = &state->services[state->service_count++];
    *service = (struct dev_service){.kind = kind};
    snprintf(service->name, sizeof service->name, "%s", name);
    *ret_service = service;
    return 0;
}

struct dev_service *dev_state_find(struct dev_state *state, const char *name)
{
    for (size_t i = 0; i < state->service_count; i++)
        if (!strcmp(state->services[i].name, name))
            return &state->services[i];
    return NULL;
}

static void add_string(struct buffer *json, const char *key, const char *value)
{
    buffer_printf(json, "  \"%s\": ", key);
    if (value)
        buffer_add_json_string(json, text_of(value));
    else
        buffer_add_string(json, "null");
    buffer_add_string(json, ",\n");
}

static void add_service(struct buffer *json, const struct dev_service *service)
{
    buffer_printf(json,
                  "    {\"kind\": \"%s\", \"name\": \"%s\", \"number\": %d, \"pid\": %d, "
                  "\"start_ticks\": %" PRIu64 ", \"started_at_ms\": %" PRId64
                  ", \"port\": %d, \"quorum_port\": %d, \"election_port\": %d, "
                  "\"log_offset\": %" PRId64 ", \"ready\": %s, \"args\": [",
                  dev_kind_name(service->kind), service->name, service->number,
                  (int)service->process.pid, service->process.start_ticks, service->started_at_ms,
                  service->port, service->quorum_port, service->election_port, service->log_offset,
                  service->ready ? "true" : "false");
    for (size_t i = 0; i < service->arg_count; i++) {
        buffer_add_string(json, i ? ", " : "");
        buffer_add_json_string(json, text_of(service->args[i]));
    }
    buffer_add_string(json, "]}");
}

static void build_json(const struct dev_state *state, struct buffer *json)
{
    buffer_printf(json, "{\n  \"format\": %d,\n", DEV_STATE_FORMAT);
    add_string(json, "id", state->id);
    add_string(json, "boot_id", state->boot_id);
    add_string(json, "dir", state->dir);
    buffer_printf(json, "  \"created_dir\": %s,\n", state->created_dir ? "true" : "false");
    add_string(json, "postgres_data", state->postgres_data);
    add_string(json, "postgres_user", state->postgres_user);
    add_string(json, "board", state->board);
    add_string(json, "schema", state->schema);
    buffer_printf(json,
                  "  \"session_timeout_ms\": %" PRId64 ",\n  \"tick_ms\": %" PRId64
                  ",\n  \"services\": [\n",
                  state->session_timeout_ms, state->tick_ms);
    for (size_t i = 0; i < state->service_count; i++) {
        add_service(json, &state->services[i]);
        buffer_add_string(json, i + 1 < state->service_count ? ",\n" : "\n");
    }
    buffer_add_string(json, "  ]\n}\n");
}

static int write_file(const char *path, struct text text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    int trouble = 0;
    while (text.len > 0 && !trouble) {
        ssize_t written = write(fd, text.data, text.len);
        if (written < 0 && errno != EINTR)
            trouble = errno;
        if (written > 0)
            text = (struct text){text.data + written, text.len - (size_t)written};
    }
    if (close(fd) && !trouble)
        trouble = errno;
    return trouble;
}

int dev_state_save(const struct dev_state *state, struct error *ret_error)
{
    struct arena arena = {0};
    struct buffer json = {0};
    const char *path = arena_printf(&arena, "%s/dev.json", state->dir).data;
    const char *fresh = arena_printf(&arena, "%s/dev.json.new", state->dir).data;
    build_json(state, &json);
    int trouble = write_file(fresh, buffer_text(&json));
    if (!trouble && rename(fresh, path))
        trouble = errno;
    int code =
        trouble ? error_set(ret_error, ERR_SYSTEM, "cannot write %s: %s", path, strerror(trouble))
                : 0;
    buffer_done(&json);
    arena_done(&arena);
    return code;
}
