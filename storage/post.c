/* SPDX-License-Identifier: Apache-2.0 */
/* Posting. One statement inserts; what it did not insert was there, and a second, later statement
 * looks at what that is. (The first one cannot: whom it met may be younger than its snapshot.) */
#include <string.h>

#include "base/check.h"
#include "storage/storage_private.h"

#define KEY_MAX_BYTES 255
#define FLOW_NAME_MAX 63
#define TAG_SEPARATOR '\n'

/* $1, $2 flows (each once) · $3.. per job: id, key, which flow, input, pool, tags, shard, priority,
 * target */
#define POST_TYPES "TTUTIJTTIIT"
#define POST_REQUESTS                                                                              \
    "flow AS MATERIALIZED ("                                                                       \
    " SELECT ix, name, text, sha256(convert_to(name || E'\\n' || text, 'UTF8')) AS hash"           \
    " FROM unnest($1, $2) WITH ORDINALITY AS f(name, text, ix)), "                                 \
    "req AS MATERIALIZED ("                                                                        \
    " SELECT p.*, f.hash, clock_timestamp() AS at"                                                 \
    " FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11) WITH ORDINALITY"                           \
    "  AS p(id, key, flow, input, pool, tags, shard, priority, target, ix)"                        \
    " JOIN flow f ON f.ix = p.flow)"

/* Keys are entered in their order: two posts of the same keys wait for each other, never in a
 * circle. Ids need none, they are one poster's own. */
static const struct statement post_statement = {
    "post", POST_TYPES,
    "WITH " POST_REQUESTS ", new_flow AS ("
    " INSERT INTO flows (hash, name, text) SELECT hash, name, text FROM flow ORDER BY hash"
    " ON CONFLICT DO NOTHING), "
    "new_job AS ("
    " INSERT INTO jobs (id, key, flow, pool, tags, shard, priority, state, history_seq,"
    "  ready_at, posted_at, changed_at)"
    " SELECT id, key, hash, pool, string_to_array(tags, E'\\n'), shard, priority, 'READY', 1,"
    "  at, at, at"
    " FROM req ORDER BY key NULLS FIRST, id ON CONFLICT DO NOTHING RETURNING id, ready_at), "
    "new_payload AS ("
    " INSERT INTO payloads (job, input, target)"
    " SELECT r.id, r.input, r.target FROM new_job JOIN req r USING (id)), "
    "new_line AS ("
    " INSERT INTO history (at, epoch, seq, attempt, job, state)"
    " SELECT ready_at, 0, 1, 0, id, 'READY' FROM new_job)"
    "SELECT r.ix, n.ready_at FROM new_job n JOIN req r USING (id)"};

static const struct statement look_statement = {
    "look", POST_TYPES,
    "WITH " POST_REQUESTS "SELECT r.ix, j.id, j.ready_at, j.state::text,"
    " coalesce(j.flow = r.hash AND j.priority = r.priority AND j.key IS NOT DISTINCT FROM r.key"
    "  AND p.input::text = r.input::text AND p.target IS NOT DISTINCT FROM r.target, false) "
    "FROM req r"
    " JOIN LATERAL (SELECT o.*, 0 AS rank FROM jobs o WHERE o.id = r.id"
    "  UNION ALL SELECT o.*, 1 FROM jobs o WHERE o.key = r.key ORDER BY rank LIMIT 1) j ON true"
    " LEFT JOIN payloads p ON p.job = j.id"};

static bool same_flow(const struct post_request *a, const struct post_request *b)
{
    return text_equal(a->flow_text, b->flow_text) && text_equal(a->flow_name, b->flow_name);
}

/* The number, from 1, of the request's flow among those put in; puts it in when it is new. */
static int64_t flow_number(struct params *params, struct item *const *items, size_t index,
                           size_t *firsts, size_t *first_count)
{
    const struct post_request *post = &items[index]->u.post;
    for (size_t i = *first_count; i-- > 0;)
        if (same_flow(post, &items[firsts[i]]->u.post))
            return (int64_t)i + 1;
    params_text(params, 0, post->flow_name);
    params_text(params, 1, post->flow_text);
    firsts[(*first_count)++] = index;
    return (int64_t)*first_count;
}

static struct text joined_tags(struct buffer *buffer, const struct post_request *post)
{
    buffer_clear(buffer);
    for (size_t i = 0; i < post->tag_count; i++) {
        if (i)
            buffer_add_char(buffer, TAG_SEPARATOR);
        buffer_add_text(buffer, post->tags[i]);
    }
    return buffer_text(buffer);
}

static void post_bind(struct params *params, struct item *const *items, size_t count)
{
    size_t firsts[BATCH_ROWS_MAX], first_count = 0;
    struct buffer tags;
    buffer_init(&tags, 0);
    CHECK(count <= BATCH_ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct post_request *post = &items[i]->u.post;
        params_uuid(params, 2, &post->id);
        params_text(params, 3, post->key);
        params_int(params, 4, flow_number(params, items, i, firsts, &first_count));
        params_text(params, 5, post->input.data ? post->input : TEXT("{}"));
        params_text(params, 6, text_of(post->pool.name));
        params_text(params, 7, joined_tags(&tags, post));
        params_int(params, 8, post->shard);
        params_int(params, 9, post->priority);
        params_text(params, 10, post->target);
    }
    buffer_done(&tags);
}

static struct post_answer *answer_post(struct storage *storage, const struct item *item,
                                       enum post_outcome outcome)
{
    struct answer *answer = answer_new(storage, STORAGE_POSTED, item->tag);
    answer->body.u.post.outcome = outcome;
    answer->body.u.post.id = item->u.post.id;
    return &answer->body.u.post;
}

static void answer_bad(struct storage *storage, uint64_t tag, const struct uuid *id,
                       struct text why)
{
    struct answer *answer = answer_new(storage, STORAGE_POSTED, tag);
    answer->body.u.post.outcome = POST_BAD;
    answer->body.u.post.id = *id;
    answer->body.u.post.error = arena_text(&answer->arena, why);
}

static size_t batch_index(const struct batch *batch, const PGresult *result, int row)
{
    bool ok = true;
    int64_t ix = field_int(result, row, 0, &ok);
    CHECK(ok && ix >= 1 && (size_t)ix <= batch->count);
    return (size_t)ix - 1;
}

/* An answered item is freed at once and leaves its place empty. */
static void done_with(struct batch *batch, size_t index)
{
    item_free(batch->items[index]);
    batch->items[index] = NULL;
}

static void post_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    bool ok = true;
    for (int row = 0; row < PQntuples(result); row++) {
        size_t i = batch_index(batch, result, row);
        if (!batch->items[i])
            continue;
        answer_post(storage, batch->items[i], POST_OK)->ready_at_us =
            field_time_us(result, row, 1, &ok);
        storage->counts.rows_written += 3;
        done_with(batch, i);
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i])
            lane_add(storage, LANE_LOOK, batch->items[i]);
        batch->items[i] = NULL;
    }
}

static void look_decode(struct storage *storage, struct batch *batch, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        bool ok = true;
        size_t i = batch_index(batch, result, row);
        if (!batch->items[i])
            continue;
        struct uuid found = field_uuid(result, row, 1, &ok);
        bool is_mine = uuid_equal(&found, &batch->items[i]->u.post.id);
        bool is_same = field_bool(result, row, 4, &ok);
        enum post_outcome outcome = !is_same ? POST_CONFLICT : is_mine ? POST_OK : POST_SAME;
        struct post_answer *answer = answer_post(storage, batch->items[i], outcome);
        answer->id = found;
        answer->ready_at_us = field_time_us(result, row, 2, &ok);
        job_state_find(field_text(result, row, 3), &answer->state);
        done_with(batch, i);
    }
    for (size_t i = 0; i < batch->count; i++) { /* whom it met is gone again */
        if (batch->items[i])
            lane_add(storage, LANE_POST, batch->items[i]);
        batch->items[i] = NULL;
    }
}

static void post_unknown(struct storage *storage, struct item *item)
{
    storage->counts.unknown++;
    answer_post(storage, item, POST_UNKNOWN);
}

static void post_failed(struct storage *storage, struct item *item, enum failure_kind kind,
                        struct text text)
{
    if (kind == FAILED_BUSY)
        answer_post(storage, item, POST_UNKNOWN);
    else
        answer_bad(storage, item->tag, &item->u.post.id, text);
}

#define POST_LANE(lane)                                                                            \
    const struct lane_type lane_##lane = {                                                         \
        .name = #lane,                                                                             \
        .link = LINK_WORK,                                                                         \
        .count = COUNT_POST,                                                                       \
        .rows_max = BATCH_ROWS_MAX,                                                                \
        .batches_max = 1,                                                                          \
        .statement = &lane##_statement,                                                            \
        .bind = post_bind,                                                                         \
        .decode = lane##_decode,                                                                   \
        .unknown = post_unknown,                                                                   \
        .failed = post_failed,                                                                     \
    }
POST_LANE(post);
POST_LANE(look);

/* What can be said without asking the server; NULL when nothing is wrong. */
static const char *post_fault(const struct post_request *post)
{
    if (uuid_is_nil(&post->id))
        return "a job needs an id";
    if (post->key.data && (post->key.len == 0 || post->key.len > KEY_MAX_BYTES))
        return "a key has 1 to 255 bytes";
    if (!post->flow_name.data || !post->flow_text.data || post->flow_name.len > FLOW_NAME_MAX)
        return "a job needs a flow, with a name of at most 63 characters";
    if (post->flow_text.len > PAYLOAD_MAX_BYTES || post->input.len > PAYLOAD_MAX_BYTES)
        return "larger than a document may be (16 MiB)";
    if (post->priority > PRIORITY_MAX)
        return "priority beyond 9";
    for (size_t i = 0; i < post->tag_count; i++)
        if (post->tags[i].len == 0 || memchr(post->tags[i].data, TAG_SEPARATOR, post->tags[i].len))
            return "a tag is empty or holds a line break";
    return NULL;
}

void storage_post(struct storage *storage, const struct post_request *request, uint64_t tag)
{
    const char *fault = post_fault(request);
    if (fault) {
        answer_bad(storage, tag, &request->id, text_of(fault));
        return;
    }
    struct item *item = item_new();
    struct post_request *post = &item->u.post;
    item->tag = tag;
    *post = *request;
    post->key = arena_text(&item->arena, request->key);
    post->flow_name = arena_text(&item->arena, request->flow_name);
    post->flow_text = arena_text(&item->arena, request->flow_text);
    post->input = arena_text(&item->arena, request->input);
    post->target = arena_text(&item->arena, request->target);
    struct text *tags = arena_calloc(&item->arena, request->tag_count + 1, sizeof *tags);
    for (size_t i = 0; i < request->tag_count; i++)
        tags[i] = arena_text(&item->arena, request->tags[i]);
    post->tags = tags;
    item->bytes = item->arena.used_bytes;
    lane_add(storage, LANE_POST, item);
}
