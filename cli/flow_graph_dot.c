/* SPDX-License-Identifier: Apache-2.0 */
/* Graphviz: a nested flow is a cluster, and arrows to and from it end at its border. */
#include "cli/flow_graph.h"

struct drawing {
    const struct graph_states *states;
    struct buffer *out;
    struct buffer path; /* of the level or task at hand */
};

static void indent(struct drawing *d, int depth)
{
    for (int i = 0; i < depth; i++)
        buffer_add_string(d->out, "  ");
}

/* Adds `/name` to the path; returns its length before. */
static size_t enter(struct drawing *d, struct text name)
{
    size_t before = d->path.len;
    if (before)
        buffer_add_char(&d->path, '/');
    buffer_add_text(&d->path, name);
    return before;
}

static void add_path(struct drawing *d)
{
    buffer_add_text(d->out, buffer_text(&d->path));
}

static void draw_level(struct drawing *d, const struct flow_level *level, int depth);

static void draw_task(struct drawing *d, const struct flow_task *task, const char *name, int depth)
{
    struct text state = graph_states_find(d->states, buffer_text(&d->path));
    struct buffer label = {0};
    graph_label(task, name, state, "\\n", &label);
    indent(d, depth);
    buffer_add_string(d->out, task->nested ? "subgraph \"cluster_" : "\"");
    add_path(d);
    if (task->nested) {
        buffer_printf(d->out, "\" {\n");
        indent(d, depth + 1);
        buffer_printf(d->out,
                      "label=\"%s\"; style=\"rounded,filled\"; color=\"#888888\"; "
                      "fillcolor=\"%s\";\n",
                      label.data, state.data ? graph_colour(state) : "#fafafa");
        draw_level(d, task->nested, depth + 1);
        indent(d, depth);
        buffer_add_string(d->out, "}\n");
    } else {
        buffer_printf(d->out, "\" [label=\"%s\", fillcolor=\"%s\"];\n", label.data,
                      graph_colour(state));
    }
    buffer_done(&label);
}

/* A box inside the task: an arrow needs one at either end. */
static void add_end(struct drawing *d, const struct flow_task *task, bool is_first)
{
    size_t before = enter(d, task->name);
    if (task->nested)
        add_end(d, &task->nested->tasks[is_first ? 0 : task->nested->task_count - 1], is_first);
    else
        add_path(d);
    d->path.len = before;
}

static void add_attribute(struct drawing *d, bool *has_more, const char *text)
{
    if (*text)
        buffer_printf(d->out, "%s%s", *has_more ? ", " : " [", text);
    *has_more |= *text != 0;
}

/* An arrow that ends at a nested flow ends at its border. */
static void add_border(struct drawing *d, bool *has_more, const struct flow_task *task,
                       const char *end)
{
    if (!task->nested)
        return;
    size_t before = enter(d, task->name);
    add_attribute(d, has_more, end);
    buffer_add_string(d->out, "=\"cluster_");
    add_path(d);
    buffer_add_char(d->out, '"');
    d->path.len = before;
}

static void draw_arrow(struct drawing *d, const struct flow_task *from, const struct flow_task *to,
                       enum flow_need_kind kind, int depth)
{
    static const char *const looks[] = {
        "", "style=dashed, color=\"#c0392b\", fontcolor=\"#c0392b\", label=failure",
        "style=dotted, label=done"};
    indent(d, depth);
    buffer_add_char(d->out, '"');
    add_end(d, from, false);
    buffer_add_string(d->out, "\" -> \"");
    add_end(d, to, true);
    buffer_add_char(d->out, '"');
    bool has_more = false;
    add_attribute(d, &has_more, looks[kind]);
    add_border(d, &has_more, from, "ltail");
    add_border(d, &has_more, to, "lhead");
    buffer_add_string(d->out, has_more ? "];\n" : ";\n");
}

/* Recurses as deep as flows nest: FLOW_NESTING_MAX. */
static void draw_level(struct drawing *d, const struct flow_level *level, int depth)
{
    for (uint32_t i = 0; i < level->task_count; i++) {
        struct buffer name = {0};
        size_t before = enter(d, level->tasks[i].name);
        buffer_add_text(&name, level->tasks[i].name);
        draw_task(d, &level->tasks[i], name.data, depth);
        d->path.len = before;
        buffer_done(&name);
    }
    for (uint32_t i = 0; i < level->task_count; i++)
        for (size_t j = 0; j < level->tasks[i].need_count; j++)
            draw_arrow(d, &level->tasks[level->tasks[i].needs[j].task], &level->tasks[i],
                       level->tasks[i].needs[j].kind, depth);
}

void flow_graph_dot(const struct flow *flow, const struct graph_states *states,
                    struct buffer *ret_text)
{
    struct drawing d = {.states = states, .out = ret_text};
    buffer_printf(
        ret_text,
        "digraph \"%.*s\" {\n  compound=true;\n  node [shape=box, style=\"rounded,filled\", "
        "fillcolor=\"#ffffff\", fontname=\"sans-serif\"];\n  graph "
        "[fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n",
        TEXT_ARG(flow->name));
    draw_level(&d, &flow->top, 1);
    if (flow->finally) {
        enter(&d, TEXT("finally"));
        draw_task(&d, flow->finally, "finally", 1);
    }
    buffer_add_string(ret_text, "}\n");
    buffer_done(&d.path);
}
