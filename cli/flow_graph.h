/* SPDX-License-Identifier: Apache-2.0 */
/* A flow as a picture, in the languages of Graphviz and Mermaid: a box for each task, a frame
 * around each nested flow, an arrow from what is needed to what needs it. Pure. */
#ifndef CLI_FLOW_GRAPH_H
#define CLI_FLOW_GRAPH_H

#include "base/buffer.h"
#include "engine/flow/flow.h"

/* How the tasks of a job stand. */
struct graph_state {
    struct text path;  /* items and rounds left out: `hosts/install` */
    struct text state; /* of several items the one that tells most */
};

struct graph_states {
    struct graph_state *list; /* by path; NULL: no job is shown */
    size_t count, capacity;
    struct arena arena; /* owns it all */
};

/* Adds the state of the task at `path` as the job has it (`hosts/3/install`). */
void graph_states_add(struct graph_states *states, struct text path, struct text state);
/* Puts them in order and keeps one per path; before any look-up. */
void graph_states_sort(struct graph_states *states);
/* None: the task has not moved yet. */
struct text graph_states_find(const struct graph_states *states, struct text path);
void graph_states_done(struct graph_states *states);

/* What stands in a box: name, verb, and what wraps it, as two or three lines joined by `line`. */
void graph_label(const struct flow_task *task, const char *name, struct text state,
                 const char *line, struct buffer *ret_label);
/* A colour that fits the state. */
const char *graph_colour(struct text state);

void flow_graph_dot(const struct flow *flow, const struct graph_states *states,
                    struct buffer *ret_text);
void flow_graph_mermaid(const struct flow *flow, const struct graph_states *states,
                        struct buffer *ret_text);

#endif
