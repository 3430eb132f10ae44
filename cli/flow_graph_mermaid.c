/* SPDX-License-Identifier: Apache-2.0 */
/* Mermaid: a nested flow is a subgraph. Boxes have numbers, because some words (`end`) can't be
 * their names there. */
#include <stdlib.h>

#include "base/alloc.h"
#include "cli/flow_graph.h"

struct drawing {
    const struct graph_states *states;
    struct buffer *out;
    struct buffer path;
    unsigned next; /* number of the next box */
};

static void indent(struct drawing *d, int depth)
{
    for (int i = 0; i < depth; i++)
        buffer_add_string(d->out, "  ");
}

static void draw_level(struct drawing *d, const struct flow_level *level, int depth);

/* Returns its number. */
static unsigned draw_task(struct drawing *d, const struct flow_task *task, const char *name,
                          int depth)
{
    unsigned number = d->next++;
    struct text state = graph_states_find(d->states, buffer_text(&d->path));
    struct buffer label = {0};
    graph_label(task, name, state, "<br/>", &label);
    indent(d, depth);
    if (task->nested) {
        buffer_printf(d->out, "subgraph t%u[\"%s\"]\n", number, label.data);
        draw_level(d, task->nested, depth + 1);
        indent(d, depth);
        buffer_add_string(d->out, "end\n");
    } else {
        buffer_printf(d->out, "t%u[\"%s\"]\n", number, label.data);
    }
    if (state.data) {
        indent(d, depth);
        buffer_printf(d->out, "style t%u fill:%s\n", number, graph_colour(state));
    }
    buffer_done(&label);
    return number;
}

/* Recurses as deep as flows nest: FLOW_NESTING_MAX. */
static void draw_level(struct drawing *d, const struct flow_level *level, int depth)
{
    static const char *const arrows[] = {"-->", "-. failure .->", "-. done .->"};
    unsigned *numbers = xcalloc(level->task_count, sizeof *numbers);
    for (uint32_t i = 0; i < level->task_count; i++) {
        struct buffer name = {0};
        size_t before = d->path.len;
        buffer_printf(&d->path, "%s%.*s", before ? "/" : "", TEXT_ARG(level->tasks[i].name));
        buffer_add_text(&name, level->tasks[i].name);
        numbers[i] = draw_task(d, &level->tasks[i], name.data, depth);
        d->path.len = before;
        buffer_done(&name);
    }
    for (uint32_t i = 0; i < level->task_count; i++) {
        for (size_t j = 0; j < level->tasks[i].need_count; j++) {
            const struct flow_need *need = &level->tasks[i].needs[j];
            indent(d, depth);
            buffer_printf(d->out, "t%u %s t%u\n", numbers[need->task], arrows[need->kind],
                          numbers[i]);
        }
    }
    free(numbers);
}

void flow_graph_mermaid(const struct flow *flow, const struct graph_states *states,
                        struct buffer *ret_text)
{
    struct drawing d = {.states = states, .out = ret_text};
    buffer_add_string(ret_text, "flowchart TD\n");
    draw_level(&d, &flow->top, 1);
    if (flow->finally) {
        buffer_add_string(&d.path, "finally");
        draw_task(&d, flow->finally, "finally", 1);
    }
    buffer_done(&d.path);
}
