/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/placement.h"
#include "jobboard/client/client_private.h"

int jobboard_flow_read(struct text source, struct jobboard_flow **ret_flow,
                       struct flow_problems *ret_problems)
{
    struct flow *plan;
    int code = flow_compile(source, &plan, ret_problems);
    if (code)
        return code;
    struct jobboard_flow *flow = xcalloc(1, sizeof *flow);
    flow->plan = plan;
    flow->text = arena_text(&flow->arena, source);
    struct text *tags = arena_calloc(&flow->arena, plan->tag_count + 1, sizeof *tags);
    for (size_t i = 0; i < plan->tag_count; i++)
        tags[i] = plan->runs_on[i];
    flow->pool = placement_pool(tags, plan->tag_count);
    *ret_flow = flow;
    return 0;
}

void jobboard_flow_free(struct jobboard_flow *flow)
{
    if (!flow)
        return;
    flow_free(flow->plan);
    arena_done(&flow->arena);
    free(flow);
}

const struct flow *jobboard_flow_plan(const struct jobboard_flow *flow)
{
    return flow->plan;
}
