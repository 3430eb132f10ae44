/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/expr/eval.h"

#include "base/check.h"

/* A loop at work. */
struct loop {
    struct eval *eval;
    const struct node *node;
    struct value range;
    size_t count;
    size_t i;
};

/* A variable whose value failed: the failure shows where the variable is used. */
static int keep_failure(struct eval *eval, struct value *ret)
{
    struct expr_error *failure = eval_alloc(eval, 1, sizeof *failure);
    if (!failure)
        return eval->error->code;
    *failure = *eval->error;
    *ret = (struct value){.kind = VALUE_FAILED, .failure = failure};
    return 0;
}

static int open_range(struct loop *loop)
{
    struct eval *eval = loop->eval;
    int rc = eval_node(eval, loop->node->macro.range, &loop->range);
    if (rc)
        return rc;
    eval->offset = loop->node->offset;
    if (loop->range.kind == VALUE_LIST) {
        rc = list_open(eval, loop->range.list);
        loop->count = rc ? 0 : loop->range.list->count;
    } else if (loop->range.kind == VALUE_MAP) {
        rc = map_open(eval, loop->range.map);
        loop->count = rc ? 0 : loop->range.map->count;
    } else {
        return eval_fail(eval, "only lists and maps can be gone through, not %s",
                         value_kind_name(loop->range.kind));
    }
    return rc;
}

/* Sets the variables for element `i`: of a list the element, of a map the key; with two variables
 * the index or the key, and the value. */
static int set_variables(struct loop *loop)
{
    struct eval *eval = loop->eval;
    struct value *locals = eval->locals;
    const size_t *slots = loop->node->macro.locals;
    bool two = loop->node->macro.two;
    size_t value_slot = slots[two ? 1 : 0];
    int rc = 0;
    eval->offset = loop->node->offset;
    if (loop->range.kind == VALUE_LIST) {
        if (two)
            locals[slots[0]] = value_int((int64_t)loop->i);
        rc = list_at(eval, loop->range.list, loop->i, &locals[value_slot]);
    } else {
        locals[slots[0]] = loop->range.map->entries[loop->i].key;
        if (two)
            rc = map_at(eval, loop->range.map, loop->i, &locals[value_slot]);
    }
    return rc == ERR_REFUSED ? keep_failure(eval, &locals[value_slot]) : rc;
}

static int fail_no_bool(struct loop *loop, const struct value *value)
{
    loop->eval->offset = loop->node->offset;
    return eval_fail(loop->eval, "the condition of a loop needs true or false, not %s",
                     value_kind_name(value->kind));
}

static int condition(struct loop *loop, const struct node *node, bool *ret_holds)
{
    struct value value;
    int rc = eval_node(loop->eval, node, &value);
    if (rc)
        return rc;
    *ret_holds = value.kind == VALUE_BOOL && value.boolean;
    return value.kind == VALUE_BOOL ? 0 : fail_no_bool(loop, &value);
}

/* all() and exists(): the deciding value wins over failures of other elements. */
static int search(struct loop *loop, bool deciding, struct value *ret)
{
    struct eval *eval = loop->eval;
    struct expr_error first;
    first.code = 0;
    *ret = value_bool(!deciding);
    for (loop->i = 0; loop->i < loop->count; loop->i++) {
        bool holds = !deciding;
        int rc = set_variables(loop);
        if (!rc)
            rc = condition(loop, loop->node->macro.body, &holds);
        if (rc && rc != ERR_REFUSED)
            return rc;
        if (rc && !first.code)
            first = *eval->error;
        if (!rc && holds == deciding) {
            *ret = value_bool(deciding);
            return 0;
        }
    }
    if (first.code)
        *eval->error = first;
    return first.code;
}

static int exists_one(struct loop *loop, struct value *ret)
{
    size_t found = 0;
    for (loop->i = 0; loop->i < loop->count; loop->i++) {
        bool holds;
        int rc = set_variables(loop);
        if (!rc)
            rc = condition(loop, loop->node->macro.body, &holds);
        if (rc)
            return rc;
        found += holds;
    }
    *ret = value_bool(found == 1);
    return 0;
}

/* Whether element `i` passes the filter, if there is one. Sets the variables. */
static int passes(struct loop *loop, bool *ret_passes)
{
    const struct node *filter = loop->node->macro.filter;
    int rc = set_variables(loop);
    *ret_passes = true;
    return rc || !filter ? rc : condition(loop, filter, ret_passes);
}

/* What filter() keeps: the element as it stands, perhaps unread. */
static struct value element(const struct loop *loop)
{
    return loop->range.kind == VALUE_LIST ? loop->range.list->items[loop->i]
                                          : loop->range.map->entries[loop->i].key;
}

/* map(), filter(), transformList() */
static int build_list(struct loop *loop, struct value *ret)
{
    struct eval *eval = loop->eval;
    bool filter = loop->node->macro.macro == MACRO_FILTER;
    size_t count = 0;
    struct value *items = eval_alloc(eval, loop->count, sizeof *items);
    if (!items)
        return eval->error->code;
    for (loop->i = 0; loop->i < loop->count; loop->i++) {
        bool keep;
        int rc = passes(loop, &keep);
        if (!rc && filter)
            rc = condition(loop, loop->node->macro.body, &keep);
        if (!rc && keep && filter)
            items[count] = element(loop);
        else if (!rc && keep)
            rc = eval_node(eval, loop->node->macro.body, &items[count]);
        if (rc)
            return rc;
        count += keep;
    }
    eval->offset = loop->node->offset;
    return list_new(eval, items, count, ret);
}

/* The entries of the map an element was turned into. */
static int put_all(struct loop *loop, struct map_builder *builder, struct value *body)
{
    struct eval *eval = loop->eval;
    if (body->kind != VALUE_MAP)
        return eval_fail(eval, "transformMapEntry() needs a map, not %s",
                         value_kind_name(body->kind));
    int rc = map_open(eval, body->map);
    for (size_t i = 0; !rc && i < body->map->count; i++) {
        struct value value;
        rc = map_at(eval, body->map, i, &value);
        if (!rc)
            rc = map_put(eval, builder, &body->map->entries[i].key, &value);
    }
    return rc;
}

/* transformMap(), transformMapEntry() */
static int build_map(struct loop *loop, struct value *ret)
{
    struct eval *eval = loop->eval;
    struct map_builder builder;
    int rc = map_begin(eval, &builder, loop->count);
    for (loop->i = 0; !rc && loop->i < loop->count; loop->i++) {
        struct value body;
        bool keep;
        rc = passes(loop, &keep);
        if (rc || !keep)
            continue;
        rc = eval_node(eval, loop->node->macro.body, &body);
        if (rc)
            return rc;
        eval->offset = loop->node->offset;
        if (loop->node->macro.macro == MACRO_TRANSFORM_MAP)
            rc = map_put(eval, &builder, &eval->locals[loop->node->macro.locals[0]], &body);
        else
            rc = put_all(loop, &builder, &body);
    }
    return rc ? rc : map_end(eval, &builder, ret);
}

int eval_loop(struct eval *eval, const struct node *node, struct value *ret)
{
    struct loop loop = {.eval = eval, .node = node};
    int rc = open_range(&loop);
    if (rc)
        return rc;
    switch (node->macro.macro) {
    case MACRO_ALL:
        return search(&loop, false, ret);
    case MACRO_EXISTS:
        return search(&loop, true, ret);
    case MACRO_EXISTS_ONE:
        return exists_one(&loop, ret);
    case MACRO_MAP:
    case MACRO_FILTER:
    case MACRO_TRANSFORM_LIST:
        return build_list(&loop, ret);
    case MACRO_TRANSFORM_MAP:
    case MACRO_TRANSFORM_MAP_ENTRY:
        return build_map(&loop, ret);
    case MACRO_BIND:
    case MACRO_OPT_MAP:
    case MACRO_OPT_FLAT_MAP:
        break;
    }
    UNREACHABLE();
}

static int opt_map(struct eval *eval, const struct node *node, const struct value *target,
                   struct value *ret)
{
    eval->offset = node->offset;
    if (target->kind != VALUE_OPTIONAL)
        return eval_fail_types(eval, "optMap()", target, 1);
    *ret = *target;
    if (!target->inner)
        return 0;
    eval->locals[node->macro.locals[0]] = *target->inner;
    int rc = eval_node(eval, node->macro.body, ret);
    if (rc)
        return rc;
    eval->offset = node->offset;
    if (node->macro.macro == MACRO_OPT_FLAT_MAP)
        return ret->kind == VALUE_OPTIONAL ? 0 : eval_fail(eval, "optFlatMap() needs an optional");
    struct value *inner = eval_alloc(eval, 1, sizeof *inner);
    if (!inner)
        return eval->error->code;
    *inner = *ret;
    *ret = value_optional(inner);
    return value_depth(ret) > VALUE_DEPTH_MAX
               ? eval_fail_code(eval, ERR_TOO_LARGE, "the value is nested too deeply")
               : 0;
}

int eval_bind(struct eval *eval, const struct node *node, struct value *ret)
{
    struct value value;
    int rc = eval_node(eval, node->macro.range, &value);
    if (node->macro.macro != MACRO_BIND)
        return rc ? rc : opt_map(eval, node, &value, ret);
    if (rc == ERR_REFUSED)
        rc = keep_failure(eval, &value);
    if (rc)
        return rc;
    eval->locals[node->macro.locals[0]] = value;
    return eval_node(eval, node->macro.body, ret);
}
