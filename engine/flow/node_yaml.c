/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as nodes, from libyaml's events: its document interface would have resolved aliases
 * and merged doubled keys before anybody could refuse them. */
#include <yaml.h>

#include "base/check.h"
#include "base/utf8.h"
#include "engine/flow/names.h"
#include "engine/flow/node.h"
#include "engine/flow/yaml_trouble.h"

/* Up to here doubled keys are found by comparing each with each. */
#define FEW_MEMBERS 8

/* A list or map that is open. */
struct frame {
    struct node *node;
    struct node **link; /* where its next child goes */
    struct node *key;   /* map: the key whose value comes next; NULL: a key comes next */
};

struct reader {
    struct arena *arena;
    const struct lines *source;
    struct report *report;
    yaml_parser_t parser;
    size_t mark_index; /* the character that `mark_byte` belongs to */
    uint32_t mark_byte;
    struct frame frames[NODE_DEPTH_MAX];
    size_t depth;
    struct node *root;
    uint32_t documents;
};

/* libyaml counts characters. Marks come nearly in order, so that walking from the last is cheap. */
static uint32_t byte_of(struct reader *r, const yaml_mark_t *mark)
{
    struct text text = r->source->text;
    while (r->mark_index < mark->index) {
        size_t bytes = utf8_sequence(text.data + r->mark_byte, text.len - r->mark_byte);
        CHECK(bytes > 0);
        r->mark_byte += (uint32_t)bytes;
        r->mark_index++;
    }
    while (r->mark_index > mark->index) {
        do
            CHECK(r->mark_byte-- > 0);
        while (((unsigned char)text.data[r->mark_byte] & 0xC0) == 0x80);
        r->mark_index--;
    }
    return r->mark_byte;
}

static struct node *new_node(struct reader *r, const yaml_event_t *event, enum node_kind kind)
{
    struct node *node = arena_calloc(r->arena, 1, sizeof *node);
    node->kind = kind;
    node->span.begin = byte_of(r, &event->start_mark);
    node->span.end = byte_of(r, &event->end_mark);
    return node;
}

/* ------------------------------------------------------------------------------------- refusals */

static uint32_t end_of_word(const struct lines *source, uint32_t at)
{
    while (at < source->text.len && !memchr(" \t\r\n,[]{}", source->text.data[at], 9))
        at++;
    return at;
}

static void refuse_properties(struct reader *r, struct node *node, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    struct flow_problem *problem;
    struct span span = {node->span.begin, node->span.begin + 1};
    if (anchor) {
        span.end = end_of_word(r->source, span.begin);
        problem =
            report_error(r->report, span, "`&%.60s` is an anchor, which a flow file can't have",
                         (const char *)anchor);
        report_hint(r->report, problem, "write the value out, or put quotes around it");
    } else if (tag) {
        span.end = end_of_word(r->source, span.begin);
        problem = report_error(r->report, span, "`%.*s` is a tag, which a flow file can't have",
                               (int)(span.end - span.begin), r->source->text.data + span.begin);
        report_hint(r->report, problem,
                    "put quotes around a value that begins with `!`, or write it as \"${ … }\"");
    } else {
        return;
    }
    if (node->kind != NODE_LIST && node->kind != NODE_MAP)
        node->kind = NODE_BAD;
}

/* Makes a key bad, with the reason, unless it is plain text. */
static void check_key(struct reader *r, struct node *key)
{
    struct flow_problem *problem;
    if (key->kind == NODE_LIST || key->kind == NODE_MAP) {
        problem =
            report_error(r->report, key->span, "a key must be text, not %s", node_kind_name(key));
        if (key->style == NODE_FLOW && key->kind == NODE_MAP)
            report_hint(r->report, problem, "put quotes around a value that begins with `{`");
        return;
    }
    if (key->kind == NODE_EMPTY) {
        report_error(r->report, key->span, "a key is missing before this `:`");
    } else if (key->kind == NODE_STRING && key->style == NODE_PLAIN &&
               text_equal(key->text, TEXT("<<"))) {
        report_error(r->report, key->span, "`<<` merges maps, which a flow file can't do");
    } else if (key->kind != NODE_STRING && key->kind != NODE_BAD) {
        problem = report_error(r->report, key->span,
                               "a key must be text, and `%.*s` without quotes is none",
                               TEXT_ARG(key->text));
        report_hint(r->report, problem, "put quotes around it: \"%.*s\"", TEXT_ARG(key->text));
    } else {
        yaml_trouble_check_key(r->report, key);
        return;
    }
    key->kind = NODE_BAD;
}

static void report_doubled(struct reader *r, struct node *key, const struct node *first)
{
    report_error(r->report, key->span, "the key `%.*s` stands twice; first in line %u",
                 TEXT_ARG(key->text), lines_number(r->source, first->span.begin));
    key->kind = NODE_BAD;
}

static void check_doubled(struct reader *r, struct node *map)
{
    struct names names = {0};
    for (struct node *child = map->first; child; child = child->next) {
        if (child->key->kind != NODE_STRING)
            continue;
        const struct node *found = NULL;
        if (map->count > FEW_MEMBERS) {
            found = names_add(&names, r->arena, child->key->text, child->key);
        } else {
            for (struct node *other = map->first; other != child && !found; other = other->next)
                if (other->key->kind == NODE_STRING &&
                    text_equal(other->key->text, child->key->text))
                    found = other->key;
        }
        if (found)
            report_doubled(r, child->key, found);
    }
    names_done(&names);
}

/* ------------------------------------------------------------------------------------- building */

/* Puts the node where the text has it. */
static void place_node(struct reader *r, struct node *node)
{
    if (r->depth == 0) {
        r->root = node;
        return;
    }
    struct frame *frame = &r->frames[r->depth - 1];
    if (frame->node->kind == NODE_MAP && !frame->key) {
        check_key(r, node);
        frame->key = node;
        return;
    }
    node->key = frame->key;
    frame->key = NULL;
    *frame->link = node;
    frame->link = &node->next;
    frame->node->count++;
}

static bool open_container(struct reader *r, struct node *node)
{
    place_node(r, node);
    if (r->depth == NODE_DEPTH_MAX) {
        report_error(r->report, node->span, "nested more than %d levels deep", NODE_DEPTH_MAX);
        return false;
    }
    r->frames[r->depth++] = (struct frame){node, &node->first, NULL};
    return true;
}

static void close_container(struct reader *r, const yaml_event_t *event)
{
    struct node *node = r->frames[--r->depth].node;
    const struct node *first = node->first;
    if (node->kind == NODE_MAP)
        check_doubled(r, node);
    if (node->style == NODE_FLOW)
        node->span.end = byte_of(r, &event->end_mark);
    else /* a list or map without brackets has a member: nothing else makes it one */
        node->span.end = first->key ? first->key->span.end : first->span.end;
    /* A key that is a list or a map was refused, but what belongs to it had to be read. */
    if (r->depth > 0 && r->frames[r->depth - 1].key == node)
        node->kind = NODE_BAD;
}

static enum node_style style_of(yaml_scalar_style_t style)
{
    switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return NODE_SINGLE;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return NODE_DOUBLE;
    case YAML_LITERAL_SCALAR_STYLE:
    case YAML_FOLDED_SCALAR_STYLE:
        return NODE_BLOCK;
    case YAML_PLAIN_SCALAR_STYLE:
    case YAML_ANY_SCALAR_STYLE:
        break;
    }
    return NODE_PLAIN;
}

static void read_scalar(struct reader *r, const yaml_event_t *event)
{
    struct node *node = new_node(r, event, NODE_STRING);
    struct text value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    node->text = arena_text(r->arena, value);
    node->style = style_of(event->data.scalar.style);
    if (node->style == NODE_PLAIN)
        node->kind = node_kind_of_word(node->text);
    refuse_properties(r, node, event->data.scalar.anchor, event->data.scalar.tag);
    if (node->kind == NODE_STRING)
        yaml_trouble_check_value(r->report, node);
    place_node(r, node);
}

static void read_alias(struct reader *r, const yaml_event_t *event)
{
    struct node *node = new_node(r, event, NODE_BAD);
    struct flow_problem *problem =
        report_error(r->report, node->span, "`*%.60s` is an alias, which a flow file can't have",
                     (const char *)event->data.alias.anchor);
    report_hint(r->report, problem, "write the value out, or put quotes around it");
    place_node(r, node);
}

static bool read_document_start(struct reader *r, const yaml_event_t *event)
{
    struct span span = {byte_of(r, &event->start_mark), byte_of(r, &event->end_mark)};
    if (++r->documents > 1) {
        struct flow_problem *problem =
            report_error(r->report, span, "a second document begins here: one file is one flow");
        report_hint(r->report, problem, "put it into a file of its own");
        return false;
    }
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        report_error(r->report, span, "a directive (`%%`), which a flow file can't have");
    return true;
}

/* False when the rest of the file can't be read. */
static bool read_event(struct reader *r, const yaml_event_t *event)
{
    struct node *node;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return read_document_start(r, event);
    case YAML_SCALAR_EVENT:
        read_scalar(r, event);
        return true;
    case YAML_ALIAS_EVENT:
        read_alias(r, event);
        return true;
    case YAML_SEQUENCE_START_EVENT:
        node = new_node(r, event, NODE_LIST);
        if (event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE)
            node->style = NODE_FLOW;
        refuse_properties(r, node, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        return open_container(r, node);
    case YAML_MAPPING_START_EVENT:
        node = new_node(r, event, NODE_MAP);
        if (event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE)
            node->style = NODE_FLOW;
        refuse_properties(r, node, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return open_container(r, node);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_container(r, event);
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    UNREACHABLE();
}

static void report_parser(struct reader *r)
{
    const yaml_parser_t *parser = &r->parser;
    CHECK(parser->error != YAML_MEMORY_ERROR && parser->problem);
    uint32_t at = byte_of(r, &parser->problem_mark);
    uint32_t context_at = parser->context ? byte_of(r, &parser->context_mark) : at;
    yaml_trouble_report(r->report, parser->problem, at, parser->context, context_at);
}

static bool read_stream(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            report_parser(r);
            return false;
        }
        bool ended = event.type == YAML_STREAM_END_EVENT;
        bool goes_on = read_event(r, &event);
        yaml_event_delete(&event);
        if (ended || !goes_on)
            return goes_on;
    }
}

struct node *node_read_yaml(struct arena *arena, const struct lines *source, struct report *report)
{
    struct reader *r = arena_calloc(arena, 1, sizeof *r);
    r->arena = arena;
    r->source = source;
    r->report = report;
    CHECK(yaml_parser_initialize(&r->parser));
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)source->text.data,
                                 source->text.len);
    bool is_whole = read_stream(r);
    yaml_parser_delete(&r->parser);
    return is_whole ? r->root : NULL;
}
