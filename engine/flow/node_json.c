/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON file as nodes. Says nothing about what is wrong: what is no JSON is read as YAML, whose
 * reader says it. */
#include "base/check.h"
#include "base/json.h"
#include "engine/flow/node.h"

/* Where a node's children come from. */
struct level {
    const struct json *next; /* child to read next */
    struct node *parent;
    struct node **link; /* where the next child goes */
    uint32_t at;        /* end of what was read last */
};

static enum node_kind kind_of(const struct json *json)
{
    switch (json->kind) {
    case JSON_NULL:
        return NODE_NULL;
    case JSON_FALSE:
    case JSON_TRUE:
        return NODE_BOOLEAN;
    case JSON_NUMBER:
        return NODE_NUMBER;
    case JSON_STRING:
        return NODE_STRING;
    case JSON_ARRAY:
        return NODE_LIST;
    case JSON_OBJECT:
        return NODE_MAP;
    }
    UNREACHABLE();
}

static struct node *make_node(struct arena *arena, const struct lines *source,
                              const struct json *json)
{
    struct node *node = arena_calloc(arena, 1, sizeof *node);
    uint32_t begin = (uint32_t)(json->raw.data - source->text.data);
    node->kind = kind_of(json);
    node->span = (struct span){begin, begin + (uint32_t)json->raw.len};
    node->text = json->kind == JSON_STRING ? json->string : json->raw;
    node->style = json->kind == JSON_STRING ? NODE_DOUBLE : NODE_PLAIN;
    node->count = json->count;
    if (json->kind == JSON_ARRAY || json->kind == JSON_OBJECT) {
        node->style = NODE_FLOW;
        node->text = TEXT_NONE;
    }
    return node;
}

/* The key of the member that follows byte `at`: its opening quote is the next one. */
static struct node *make_key(struct arena *arena, const struct lines *source, uint32_t at,
                             struct text key)
{
    struct node *node = arena_calloc(arena, 1, sizeof *node);
    const char *data = source->text.data;
    while (data[at] != '"')
        at++;
    uint32_t end = at + 1;
    while (data[end] != '"')
        end += data[end] == '\\' ? 2 : 1;
    node->kind = NODE_STRING;
    node->style = NODE_DOUBLE;
    node->span = (struct span){at, end + 1};
    node->text = key;
    return node;
}

static void descend(struct level *level, struct node *node, const struct json *json)
{
    *level = (struct level){json->first, node, &node->first, node->span.begin + 1};
}

/* NULL when it is nested too deep: the YAML reader says so. */
static struct node *build(struct arena *arena, const struct lines *source, const struct json *json)
{
    struct level levels[NODE_DEPTH_MAX];
    struct node *root = make_node(arena, source, json);
    size_t depth = 1;
    descend(&levels[0], root, json);
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        const struct json *child = level->next;
        if (!child) {
            depth--;
            continue;
        }
        struct node *node = make_node(arena, source, child);
        if (level->parent->kind == NODE_MAP)
            node->key = make_key(arena, source, level->at, child->key);
        *level->link = node;
        level->link = &node->next;
        level->next = child->next;
        level->at = node->span.end;
        if (!child->first)
            continue;
        if (depth == NODE_DEPTH_MAX)
            return NULL;
        descend(&levels[depth++], node, child);
    }
    return root;
}

struct node *node_read_json(struct arena *arena, const struct lines *source)
{
    struct json *json;
    if (json_parse(arena, source->text, &json, NULL))
        return NULL;
    return build(arena, source, json);
}
