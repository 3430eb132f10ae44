/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wire.h"

#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "proto/board.pb-c.h"

/* ------------------------------------------------------------------------------------ memory */

static void *allocate(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void release(void *arena, void *data)
{
}

static ProtobufCAllocator allocator_of(struct arena *arena)
{
    return (ProtobufCAllocator){allocate, release, arena};
}

/* ------------------------------------------------------------------------------------- common */

static int pack(const ProtobufCMessage *message, struct wire_bytes *ret_bytes)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    if (len > sizeof ret_bytes->data)
        return ERR_TOO_LARGE;
    ret_bytes->len = protobuf_c_message_pack(message, ret_bytes->data);
    CHECK(ret_bytes->len == len);
    return 0;
}

static void *unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                    struct text bytes, struct error *ret_error)
{
    if (!bytes.data || bytes.len > WIRE_MAX_BYTES) {
        error_set(ret_error, bytes.data ? ERR_TOO_LARGE : ERR_INVALID,
                  "%s of %zu bytes, at most %d", descriptor->short_name, bytes.len, WIRE_MAX_BYTES);
        return NULL;
    }
    ProtobufCAllocator allocator = allocator_of(arena);
    void *message =
        protobuf_c_message_unpack(descriptor, &allocator, bytes.len, (const uint8_t *)bytes.data);
    if (!message)
        error_set(ret_error, ERR_INVALID, "not a %s: %zu bytes of something else",
                  descriptor->short_name, bytes.len);
    return message;
}

/* Reads through this, so that a caller may pass no error. */
static int fault_code(const struct error *fault, struct error *ret_error)
{
    if (ret_error)
        *ret_error = *fault;
    return fault->code;
}

static bool uuid_of(ProtobufCBinaryData data, const char *what, struct uuid *ret_uuid,
                    struct error *ret_error)
{
    if (data.len != sizeof ret_uuid->bytes) {
        error_set(ret_error, ERR_INVALID, "%s has %zu bytes, not 16", what, data.len);
        return false;
    }
    memcpy(ret_uuid->bytes, data.data, sizeof ret_uuid->bytes);
    return true;
}

static ProtobufCBinaryData bytes_of(const struct uuid *uuid)
{
    return (ProtobufCBinaryData){sizeof uuid->bytes, (uint8_t *)uuid->bytes};
}

static bool text_fits(struct text text)
{
    return text.len <= WIRE_TEXT_MAX && !(text.len && memchr(text.data, 0, text.len)) &&
           utf8_valid(text);
}

/* protobuf-c cuts a string at its NUL without a word, and does not look at UTF-8. */
static bool read_text(const char *string, const char *what, struct text *ret_text,
                      struct error *ret_error)
{
    struct text text = text_of(string);
    if (text.data && !text_fits(text)) {
        error_set(ret_error, ERR_INVALID, "%s is too long or not UTF-8", what);
        return false;
    }
    *ret_text = text;
    return true;
}

static bool read_tags(struct arena *arena, char **tags, size_t count, const struct text **ret_tags,
                      struct error *ret_error)
{
    if (count > WIRE_TAGS_MAX) {
        error_set(ret_error, ERR_TOO_LARGE, "%zu tags, at most %d", count, WIRE_TAGS_MAX);
        return false;
    }
    struct text *texts = arena_calloc(arena, count + 1, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        if (!read_text(tags[i], "a tag", &texts[i], ret_error))
            return false;
    }
    *ret_tags = texts;
    return true;
}

/* NUL-terminated copies for packing; NULL when a tag is beyond the limits. */
static char **pack_tags(struct arena *arena, const struct text *tags, size_t count)
{
    char **strings = arena_calloc(arena, count + 1, sizeof *strings);
    for (size_t i = 0; i < count; i++) {
        if (!text_fits(tags[i]))
            return NULL;
        strings[i] = arena_string(arena, tags[i]);
    }
    return strings;
}

/* --------------------------------------------------------------------------------------- root */

int wire_pack_root(const struct wire_root *root, struct wire_bytes *ret_bytes)
{
    Jobboard__BoardRoot message = JOBBOARD__BOARD_ROOT__INIT;
    message.uuid = bytes_of(&root->uuid);
    message.format = root->format;
    message.shard_count = root->shard_count;
    return pack(&message.base, ret_bytes);
}

int wire_read_root(struct text bytes, struct wire_root *ret_root, struct error *ret_error)
{
    struct arena arena = {0};
    struct error fault = {0};
    struct wire_root root = {{{0}}, 0, 0};
    Jobboard__BoardRoot *message = unpack(&arena, &jobboard__board_root__descriptor, bytes, &fault);
    if (message && uuid_of(message->uuid, "the board's uuid", &root.uuid, &fault)) {
        root.format = message->format;
        root.shard_count = message->shard_count;
        *ret_root = root;
    }
    arena_done(&arena);
    return fault_code(&fault, ret_error);
}

/* --------------------------------------------------------------------------------------- lock */

int wire_pack_lock(const struct wire_lock *lock, struct wire_bytes *ret_bytes)
{
    Jobboard__Lock message = JOBBOARD__LOCK__INIT;
    message.boot = bytes_of(&lock->boot);
    message.claim = bytes_of(&lock->claim);
    return pack(&message.base, ret_bytes);
}

int wire_read_lock(struct text bytes, struct wire_lock *ret_lock, struct error *ret_error)
{
    struct arena arena = {0};
    struct error fault = {0};
    struct wire_lock lock;
    Jobboard__Lock *message = unpack(&arena, &jobboard__lock__descriptor, bytes, &fault);
    if (message && uuid_of(message->boot, "a lock's boot", &lock.boot, &fault) &&
        uuid_of(message->claim, "a lock's claim", &lock.claim, &fault))
        *ret_lock = lock;
    arena_done(&arena);
    return fault_code(&fault, ret_error);
}

/* --------------------------------------------------------------------------------------- card */

int wire_pack_card(const struct wire_card *card, struct wire_bytes *ret_bytes)
{
    if (card->flow.data && !text_fits(card->flow))
        return ERR_INVALID;
    struct arena arena = {0};
    Jobboard__Card message = JOBBOARD__CARD__INIT;
    message.format = card->format;
    message.flow = card->flow.data ? arena_string(&arena, card->flow) : NULL;
    message.has_placed_at_us = card->placed_at_us != 0;
    message.placed_at_us = card->placed_at_us;
    int code = pack(&message.base, ret_bytes);
    if (code == 0 && ret_bytes->len > CARD_MAX_BYTES)
        code = ERR_TOO_LARGE;
    arena_done(&arena);
    return code;
}

int wire_read_card(struct arena *arena, struct text bytes, struct wire_card *ret_card,
                   struct error *ret_error)
{
    struct error fault = {0};
    struct wire_card card = {0};
    Jobboard__Card *message = unpack(arena, &jobboard__card__descriptor, bytes, &fault);
    if (message && read_text(message->flow, "a flow's name", &card.flow, &fault)) {
        card.format = message->format;
        card.placed_at_us = message->has_placed_at_us ? message->placed_at_us : 0;
        *ret_card = card;
    }
    return fault_code(&fault, ret_error);
}

/* --------------------------------------------------------------------------------------- pool */

int wire_pack_pool(const struct text *tags, size_t count, struct wire_bytes *ret_bytes)
{
    if (count > WIRE_TAGS_MAX)
        return ERR_TOO_LARGE;
    struct arena arena = {0};
    Jobboard__Pool message = JOBBOARD__POOL__INIT;
    message.tags = pack_tags(&arena, tags, count);
    message.n_tags = count;
    int code = message.tags ? pack(&message.base, ret_bytes) : ERR_INVALID;
    arena_done(&arena);
    return code;
}

int wire_read_pool(struct arena *arena, struct text bytes, const struct text **ret_tags,
                   size_t *ret_count, struct error *ret_error)
{
    struct error fault = {0};
    Jobboard__Pool *message = unpack(arena, &jobboard__pool__descriptor, bytes, &fault);
    if (message && read_tags(arena, message->tags, message->n_tags, ret_tags, &fault))
        *ret_count = message->n_tags;
    return fault_code(&fault, ret_error);
}

/* ------------------------------------------------------------------------------------- engine */

int wire_pack_engine(const struct member *member, struct wire_bytes *ret_bytes)
{
    if (member->tag_count > WIRE_TAGS_MAX)
        return ERR_TOO_LARGE;
    if (!text_fits(member->name) || !text_fits(member->host))
        return ERR_INVALID;
    struct arena arena = {0};
    Jobboard__Engine message = JOBBOARD__ENGINE__INIT;
    message.name = arena_string(&arena, member->name.data ? member->name : TEXT(""));
    message.host = member->host.data ? arena_string(&arena, member->host) : NULL;
    message.has_pid = message.has_slots = message.has_free = message.has_state = 1;
    message.pid = member->pid;
    message.has_supervisor_pid = member->supervisor_pid != 0;
    message.supervisor_pid = member->supervisor_pid;
    message.slots = member->slots;
    message.free = member->free;
    message.state =
        member->draining ? JOBBOARD__ENGINE__STATE__DRAINING : JOBBOARD__ENGINE__STATE__ACTIVE;
    message.tags = pack_tags(&arena, member->tags, member->tag_count);
    message.n_tags = member->tag_count;
    int code = message.tags ? pack(&message.base, ret_bytes) : ERR_INVALID;
    arena_done(&arena);
    return code;
}

int wire_read_engine(struct arena *arena, struct text bytes, struct member *ret_member,
                     struct error *ret_error)
{
    struct error fault = {0};
    struct member member = {0};
    Jobboard__Engine *message = unpack(arena, &jobboard__engine__descriptor, bytes, &fault);
    if (message && read_text(message->name, "an engine's name", &member.name, &fault) &&
        read_text(message->host, "an engine's host", &member.host, &fault) &&
        read_tags(arena, message->tags, message->n_tags, &member.tags, &fault)) {
        member.tag_count = message->n_tags;
        member.pid = message->pid;
        member.supervisor_pid = message->supervisor_pid;
        member.slots = message->slots;
        member.free = message->free;
        member.draining = message->state == JOBBOARD__ENGINE__STATE__DRAINING;
        *ret_member = member;
    }
    return fault_code(&fault, ret_error);
}
