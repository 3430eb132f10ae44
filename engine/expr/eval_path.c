/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include "base/check.h"

/* What asking the caller for a document is charged with. */
#define FIND_COST 16

/* What a step into a value found. */
struct step {
    struct value value;
    bool found;
};

/* The field `name` of any value. Not found when it has none, or (asked by has() and `?`) when it
 * is nothing that could have fields. */
static int field(struct eval *eval, const struct value *operand, struct text name, bool asking,
                 struct step *ret)
{
    ret->found = false;
    if (operand->kind == VALUE_MAP)
        return map_member(eval, operand->map, name, &ret->value, &ret->found);
    if (asking)
        return 0;
    if (operand->kind == VALUE_NULL)
        return eval_fail(eval, "null has no field '%.*s'", TEXT_ARG(name));
    return eval_fail(eval, "a value of type %s has no field '%.*s'", value_kind_name(operand->kind),
                     TEXT_ARG(name));
}

static int fail_missing(struct eval *eval, struct text name)
{
    return eval_fail(eval, "there is no '%.*s'; has() asks whether a key is there",
                     (int)(name.len < 100 ? name.len : 100), name.data);
}

static int to_optional(struct eval *eval, const struct step *step, struct value *ret)
{
    struct value *inner = NULL;
    if (step->found) {
        inner = eval_alloc(eval, 1, sizeof *inner);
        if (!inner)
            return eval->error->code;
        *inner = step->value;
    }
    *ret = value_optional(inner);
    return 0;
}

/* ---- paths ------------------------------------------------------------------------------- */

static int fail_unknown(struct eval *eval, const struct node *node)
{
    return eval_fail(eval, "unknown name '%.*s'", TEXT_ARG(node->path.names[0]));
}

/* Asks for the document a path starts in: its text, and how many names that took. */
static int find_document(struct eval *eval, const struct node *node, struct text *ret_raw,
                         size_t *ret_used)
{
    eval->offset = node->offset;
    if (eval_charge(eval, FIND_COST))
        return eval->error->code;
    *ret_used = !eval->scope ? 0
                             : eval->scope->find(eval->scope->context, node->path.names,
                                                 node->path.count, ret_raw);
    if (*ret_used == 0)
        return fail_unknown(eval, node);
    CHECK(*ret_used <= node->path.count);
    *ret_raw = json_trim(*ret_raw);
    return ret_raw->len ? 0 : eval_fail(eval, "'%.*s' is no JSON", TEXT_ARG(node->path.names[0]));
}

/* Steps into `*raw` by the names from `used` up to `count`. On a missing member `*raw` has no text
 * when it is the last one and `asking`; otherwise that fails. */
static int walk_document(struct eval *eval, const struct node *node, size_t used, size_t count,
                         bool asking, struct text *raw)
{
    for (; used < count; used++) {
        struct text name = node->path.names[used], outer = *raw;
        int rc = json_find_member(eval, outer, name, raw);
        if (rc)
            return rc;
        if (raw->data)
            continue;
        if (asking && used + 1 == count)
            return 0;
        if (*outer.data == '{')
            return fail_missing(eval, name);
        struct value value;
        struct step step;
        rc = json_to_value(eval, outer, &value);
        return rc ? rc : field(eval, &value, name, false, &step);
    }
    return 0;
}

/* With typed values instead of JSON. */
static int walk_values(struct eval *eval, const struct node *node, size_t count, bool asking,
                       struct step *ret)
{
    eval->offset = node->offset;
    size_t used =
        eval->find_value(eval->find_context, node->path.names, node->path.count, &ret->value);
    if (used == 0)
        return fail_unknown(eval, node);
    ret->found = true;
    for (; used < count; used++) {
        struct value operand = ret->value;
        bool last = asking && used + 1 == count;
        int rc = field(eval, &operand, node->path.names[used], last, ret);
        if (rc || (!ret->found && last))
            return rc;
        if (!ret->found)
            return fail_missing(eval, node->path.names[used]);
    }
    return 0;
}

static int find_path(struct eval *eval, const struct node *node, bool asking, struct step *ret)
{
    if (eval->find_value)
        return walk_values(eval, node, node->path.count, asking, ret);
    struct text raw;
    size_t used;
    int rc = find_document(eval, node, &raw, &used);
    if (!rc)
        rc = walk_document(eval, node, used, node->path.count, asking, &raw);
    ret->found = !rc && raw.data;
    if (rc || asking)
        return rc;
    return json_to_value(eval, raw, &ret->value);
}

int eval_path(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value *kept = &eval->found[node->path.slot];
    if (kept->kind == VALUE_JSON) {
        struct step step;
        int rc = find_path(eval, node, false, &step);
        if (rc)
            return rc;
        *kept = step.value;
    }
    *ret = *kept;
    return 0;
}

/* ---- select, index, has ------------------------------------------------------------------ */

int eval_select(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value operand;
    struct step step;
    int rc = eval_node(eval, node->select.operand, &operand);
    if (rc)
        return rc;
    eval->offset = node->offset;
    bool optional = node->optional || operand.kind == VALUE_OPTIONAL;
    if (operand.kind == VALUE_OPTIONAL) {
        if (!operand.inner) {
            *ret = operand;
            return 0;
        }
        operand = *operand.inner;
    }
    rc = field(eval, &operand, node->select.name, optional, &step);
    if (rc)
        return rc;
    if (optional)
        return to_optional(eval, &step, ret);
    *ret = step.value;
    return step.found ? 0 : fail_missing(eval, node->select.name);
}

/* A whole number as an index of a list. */
static bool to_position(const struct value *index, size_t count, size_t *ret_position)
{
    double d;
    switch ((int)index->kind) {
    case VALUE_INT:
        *ret_position = (size_t)index->integer;
        return index->integer >= 0 && (size_t)index->integer < count;
    case VALUE_UINT:
        *ret_position = index->whole;
        return index->whole < count;
    case VALUE_DOUBLE:
        d = index->number;
        if (!(d >= 0 && d < (double)count))
            return false;
        *ret_position = (size_t)d;
        return (double)*ret_position == d;
    default:
        return false;
    }
}

static int fail_index(struct eval *eval, const struct value *operand, const struct value *index)
{
    struct text key;
    if (operand->kind == VALUE_LIST && !value_is_number(index))
        return eval_fail(eval, "a list is indexed by a number, not %s",
                         value_kind_name(index->kind));
    if (operand->kind != VALUE_LIST && operand->kind != VALUE_MAP)
        return eval_fail(eval, "a value of type %s cannot be indexed",
                         value_kind_name(operand->kind));
    int rc = value_to_string(eval, index, &key);
    if (rc && rc != ERR_REFUSED)
        return rc;
    if (rc)
        return eval_fail(eval, "there is no such key of type %s", value_kind_name(index->kind));
    if (operand->kind == VALUE_MAP)
        return fail_missing(eval, key);
    return eval_fail(eval, "the index %.*s is outside of the list with %zu elements", TEXT_ARG(key),
                     operand->list->count);
}

/* Where in an opened container `index` points; not found when nowhere. */
static int locate(struct eval *eval, const struct value *operand, const struct value *index,
                  size_t *ret_position, bool *ret_found)
{
    int rc = 0;
    *ret_found = false;
    if (operand->kind == VALUE_LIST) {
        rc = list_open(eval, operand->list);
        *ret_found = !rc && to_position(index, operand->list->count, ret_position);
    } else if (operand->kind == VALUE_MAP) {
        rc = map_find(eval, operand->map, index, ret_position);
        *ret_found = !rc && *ret_position != SIZE_MAX;
    }
    return rc;
}

static int element(struct eval *eval, const struct value *operand, size_t position,
                   struct value *ret)
{
    return operand->kind == VALUE_LIST ? list_at(eval, operand->list, position, ret)
                                       : map_at(eval, operand->map, position, ret);
}

int eval_index(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value args[2];
    struct step step;
    size_t position;
    int rc = eval_args(eval, node, args);
    if (rc)
        return rc;
    eval->offset = node->offset;
    bool optional = node->optional || args[0].kind == VALUE_OPTIONAL;
    if (args[0].kind == VALUE_OPTIONAL) {
        if (!args[0].inner) {
            *ret = args[0];
            return 0;
        }
        args[0] = *args[0].inner;
    }
    rc = locate(eval, &args[0], &args[1], &position, &step.found);
    if (!rc && step.found)
        rc = element(eval, &args[0], position, &step.value);
    if (rc)
        return rc;
    if (optional)
        return to_optional(eval, &step, ret);
    *ret = step.value;
    return step.found ? 0 : fail_index(eval, &args[0], &args[1]);
}

/* A path stays what it is during an evaluation: the answer is kept in its slot. */
static int has_path(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value *kept = &eval->found[node->path.slot];
    struct step step;
    int rc = kept->kind == VALUE_JSON ? find_path(eval, node, true, &step) : 0;
    if (!rc && kept->kind == VALUE_JSON)
        *kept = value_bool(step.found);
    *ret = *kept;
    return rc;
}

int eval_has(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value operand;
    struct step step;
    if (node->kind == NODE_PATH)
        return has_path(eval, node, ret);
    int rc = eval_node(eval, node->select.operand, &operand);
    if (rc)
        return rc;
    eval->offset = node->offset;
    if (operand.kind == VALUE_OPTIONAL)
        operand = operand.inner ? *operand.inner : value_null();
    rc = field(eval, &operand, node->select.name, true, &step);
    *ret = value_bool(!rc && step.found);
    return rc;
}

/* ---- copied as text ---------------------------------------------------------------------- */

/* The text of an element that was not computed. */
static struct text raw_of(const struct value *operand, size_t position)
{
    const struct value *value = operand->kind == VALUE_LIST
                                    ? &operand->list->items[position]
                                    : &operand->map->entries[position].value;
    return value->kind == VALUE_JSON ? value->text : TEXT_NONE;
}

static int raw_select(struct eval *eval, const struct node *node, struct text *ret_raw)
{
    struct value operand;
    int rc = eval_node(eval, node->select.operand, &operand);
    eval->offset = node->offset;
    if (rc || operand.kind != VALUE_MAP || !operand.map->raw.data)
        return rc;
    return json_find_member(eval, operand.map->raw, node->select.name, ret_raw);
}

static int raw_index(struct eval *eval, const struct node *node, struct text *ret_raw)
{
    struct value args[2];
    size_t position;
    bool found;
    int rc = eval_args(eval, node, args);
    eval->offset = node->offset;
    if (!rc)
        rc = locate(eval, &args[0], &args[1], &position, &found);
    if (!rc && found)
        *ret_raw = raw_of(&args[0], position);
    return rc;
}

int eval_raw(struct eval *eval, const struct node *node, struct text *ret_raw)
{
    *ret_raw = TEXT_NONE;
    if (eval->find_value)
        return 0;
    if (node->kind == NODE_PATH) {
        size_t used;
        int rc = find_document(eval, node, ret_raw, &used);
        return rc ? rc : walk_document(eval, node, used, node->path.count, false, ret_raw);
    }
    if (node->kind == NODE_SELECT && !node->optional)
        return raw_select(eval, node, ret_raw);
    if (node->kind == NODE_INDEX && !node->optional)
        return raw_index(eval, node, ret_raw);
    return 0;
}
