/* SPDX-License-Identifier: Apache-2.0 */
/* A flow file as a tree of nodes that know their place.
 *
 * The tree is JSON's: what a plain word means is decided here (only true, false, null and JSON's
 * numbers are more than strings), and what YAML has beyond JSON (anchors, aliases, tags, merge
 * keys, directives, several documents) is refused here, so that nobody above needs to know which
 * of the two was read. Knows nothing of flows. */
#ifndef ENGINE_FLOW_NODE_H
#define ENGINE_FLOW_NODE_H

#include "engine/flow/problem.h"

/* Enough for flows nested FLOW_NESTING_MAX deep, each with two or three levels of its own, and for
 * data; small enough for code that recurses over a tree. */
#define NODE_DEPTH_MAX 200

enum node_kind {
    NODE_BAD,   /* refused already: whoever meets it says nothing more */
    NODE_EMPTY, /* nothing was written: null in data, otherwise a mistake */
    NODE_NULL,
    NODE_BOOLEAN,
    NODE_NUMBER,
    NODE_STRING,
    NODE_LIST,
    NODE_MAP,
};

enum node_style {
    NODE_PLAIN,  /* a scalar without quotes; a list or map without brackets */
    NODE_SINGLE, /* '…' */
    NODE_DOUBLE, /* "…" */
    NODE_BLOCK,  /* | or > */
    NODE_FLOW,   /* […] or {…} */
};

struct node {
    enum node_kind kind;
    enum node_style style;
    struct span span;   /* of the value; a block list or map: of its first line at least */
    struct text text;   /* scalars: the value without quotes and escapes; numbers to the letter */
    struct node *key;   /* of a member of a map: its key, a NODE_STRING or NODE_BAD */
    struct node *first; /* list, map: children in the order written */
    struct node *next;  /* next sibling */
    uint32_t count;     /* children */
};

/* Reads `source` (YAML or JSON). Returns the root, or NULL when the text can't be read; what is
 * wrong is in `report` either way. */
struct node *node_read(struct arena *arena, const struct lines *source, struct report *report);

/* The two ways, for node_read only. node_read_json returns NULL without a report when the text is
 * not JSON. */
struct node *node_read_json(struct arena *arena, const struct lines *source);
struct node *node_read_yaml(struct arena *arena, const struct lines *source, struct report *report);

/* What a plain word is: NODE_NULL, NODE_BOOLEAN, NODE_NUMBER, NODE_STRING; NODE_EMPTY for none. */
enum node_kind node_kind_of_word(struct text word);

/* Appends the value as JSON text: numbers to the letter, empty as null. */
void node_add_json(const struct node *node, struct buffer *ret_json);

/* A mistake that was reported already, also one that YAML made of a value. */
bool node_is_refused(const struct node *node);
/* The value of the key `key` in a map, or NULL. */
const struct node *node_member(const struct node *map, const char *key);

/* "a list", "a number" … for messages. */
const char *node_kind_name(const struct node *node);

/* Where the bytes `begin` to `end` of a scalar's text stand in the source: exact up to white space
 * that YAML folded away. */
struct span node_text_span(const struct lines *source, const struct node *scalar, size_t begin,
                           size_t end);

#endif
