/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "cli/dev_state.h"

/* Reads members of one object; the first trouble sticks. */
struct fields {
    struct arena *arena;
    const struct json *object;
    const char *fault; /* NULL: none so far */
};

static int64_t take_int(struct fields *fields, const char *key, int64_t min, int64_t max)
{
    int64_t value = 0;
    if (!json_int64(json_member(fields->object, text_of(key)), &value) || value < min ||
        value > max) {
        fields->fault = key;
        return 0;
    }
    return value;
}

/* NULL for null, and with a fault for anything that is no text. */
static const char *take_string(struct fields *fields, const char *key)
{
    const struct json *value = json_member(fields->object, text_of(key));
    if (!value || (value->kind != JSON_STRING && value->kind != JSON_NULL) ||
        (value->kind == JSON_STRING && memchr(value->string.data, '\0', value->string.len))) {
        fields->fault = key;
        return NULL;
    }
    return value->kind == JSON_STRING ? arena_string(fields->arena, value->string) : NULL;
}

static bool take_bool(struct fields *fields, const char *key)
{
    const struct json *value = json_member(fields->object, text_of(key));
    if (!value || (value->kind != JSON_TRUE && value->kind != JSON_FALSE))
        fields->fault = key;
    return value && value->kind == JSON_TRUE;
}

static void take_args(struct fields *fields, struct dev_service *service)
{
    const struct json *list = json_member(fields->object, TEXT("args"));
    if (!list || list->kind != JSON_ARRAY) {
        fields->fault = "args";
        return;
    }
    service->args = arena_calloc(fields->arena, list->count + 1, sizeof service->args[0]);
    for (const struct json *item = list->first; item; item = item->next) {
        if (item->kind != JSON_STRING)
            fields->fault = "args";
        else
            service->args[service->arg_count++] = arena_string(fields->arena, item->string);
    }
}

static bool find_kind(const char *name, enum dev_kind *ret_kind)
{
    for (int kind = DEV_ZOOKEEPER; kind <= DEV_ENGINE; kind++) {
        if (name && !strcmp(name, dev_kind_name((enum dev_kind)kind))) {
            *ret_kind = (enum dev_kind)kind;
            return true;
        }
    }
    return false;
}

static int take_service(struct fields *fields, struct dev_state *state, struct error *error)
{
    enum dev_kind kind;
    struct dev_service *service;
    const char *name = take_string(fields, "name");
    if (!name || !find_kind(take_string(fields, "kind"), &kind))
        return error_set(error, ERR_INVALID, "a service without name or kind");
    int code = dev_state_add(state, kind, name, &service, error);
    if (code)
        return code;
    service->number = (int)take_int(fields, "number", 0, DEV_SERVICES_MAX);
    service->process.pid = (pid_t)take_int(fields, "pid", 0, INT32_MAX);
    service->process.start_ticks = (uint64_t)take_int(fields, "start_ticks", 0, INT64_MAX);
    service->started_at_ms = take_int(fields, "started_at_ms", 0, INT64_MAX);
    service->port = (int)take_int(fields, "port", 0, 65535);
    service->quorum_port = (int)take_int(fields, "quorum_port", 0, 65535);
    service->election_port = (int)take_int(fields, "election_port", 0, 65535);
    service->log_offset = take_int(fields, "log_offset", 0, INT64_MAX);
    service->ready = take_bool(fields, "ready");
    take_args(fields, service);
    return 0;
}

/* Whether `path` is where we would have put the data: in the folder, or in a folder of our id. */
static bool is_our_data(const struct dev_state *state, const char *path)
{
    char tail[UUID_TEXT_LEN + 16];
    size_t dir_len = strlen(state->dir), len = strlen(path);
    if (!strncmp(path, state->dir, dir_len) && !strcmp(path + dir_len, "/postgres"))
        return true;
    int tail_len = snprintf(tail, sizeof tail, "/jobboard-dev-%s", state->id);
    return path[0] == '/' && len > (size_t)tail_len && !strstr(path, "/../") &&
           !strcmp(path + len - tail_len, tail);
}

static int take_head(struct fields *fields, struct dev_state *state, const char *dir,
                     char saved_boot_id[UUID_TEXT_LEN + 1], struct error *error)
{
    struct uuid id;
    if (take_int(fields, "format", 1, INT64_MAX) != DEV_STATE_FORMAT)
        return error_set(error, ERR_INVALID, "its format is not ours (%d)", DEV_STATE_FORMAT);
    const char *text = take_string(fields, "id");
    if (!text || !uuid_parse(text_of(text), &id))
        return error_set(error, ERR_INVALID, "its id is no UUID");
    uuid_format(&id, state->id);
    const char *boot = take_string(fields, "boot_id");
    snprintf(saved_boot_id, UUID_TEXT_LEN + 1, "%s", boot ? boot : "");
    text = take_string(fields, "dir");
    if (!text || strcmp(text, dir) != 0)
        return error_set(error, ERR_INVALID, "it speaks of the folder %.200s, not of this one",
                         text ? text : "null");
    state->created_dir = take_bool(fields, "created_dir");
    state->postgres_data = take_string(fields, "postgres_data");
    if (state->postgres_data && !is_our_data(state, state->postgres_data))
        return error_set(error, ERR_INVALID, "its Postgres data stands in a foreign place: %.200s",
                         state->postgres_data);
    state->postgres_user = take_string(fields, "postgres_user");
    state->board = take_string(fields, "board");
    state->schema = take_string(fields, "schema");
    state->session_timeout_ms = take_int(fields, "session_timeout_ms", 1, INT32_MAX);
    state->tick_ms = take_int(fields, "tick_ms", 1, INT32_MAX);
    return 0;
}

static int take_state(struct dev_state *state, const struct json *root, const char *dir,
                      struct error *error)
{
    char saved_boot_id[UUID_TEXT_LEN + 1];
    struct fields fields = {&state->arena, root, NULL};
    int code = take_head(&fields, state, dir, saved_boot_id, error);
    const struct json *services = json_member(root, TEXT("services"));
    const struct json *service = services && services->kind == JSON_ARRAY ? services->first : NULL;
    for (; service && !code; service = service->next) {
        fields.object = service;
        code = take_service(&fields, state, error);
    }
    if (!code && fields.fault)
        code = error_set(error, ERR_INVALID, "'%s' is missing or wrong", fields.fault);
    if (!code && (!services || !state->board || !state->schema))
        code = error_set(error, ERR_INVALID, "services, board or schema is missing");
    if (!strcmp(saved_boot_id, state->boot_id))
        return code;
    for (size_t i = 0; i < state->service_count; i++)
        state->services[i].process.pid = 0;
    return code;
}

static int read_file(const char *path, struct buffer *text, struct error *error)
{
    char chunk[4096];
    size_t got;
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_SYSTEM,
                         "cannot read %s: %s", path, strerror(errno));
    buffer_init(text, DEV_STATE_MAX_BYTES);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_add(text, chunk, got);
    int trouble = ferror(file) || text->overflowed;
    fclose(file);
    return trouble ? error_set(error, ERR_INVALID, "%s is unreadable or too large", path) : 0;
}

int dev_state_load(struct dev_state *ret_state, const char *dir, struct error *ret_error)
{
    struct buffer text = {0};
    struct json *root;
    struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/dev.json", dir).data;
    int code = read_file(path, &text, ret_error);
    if (!code) {
        dev_state_init(ret_state, dir);
        code = json_parse(&arena, buffer_text(&text), &root, ret_error);
        if (!code)
            code = take_state(ret_state, root, dir, ret_error);
        if (code) {
            ret_error->code = ERR_INVALID;
            code = error_wrap(ret_error, "%s is damaged or not ours", path);
            dev_state_done(ret_state);
        }
    }
    buffer_done(&text);
    arena_done(&arena);
    return code;
}
