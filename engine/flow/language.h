/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the flow language as data: a key is a row that says where it may stand, with which
 * verbs, and which function reads its value. A new key is a new row. Keys that the language has
 * and this version does not, and keys that would mean nothing in some place, are rows of lists of
 * their own, so that they are refused with the reason. */
#ifndef ENGINE_FLOW_LANGUAGE_H
#define ENGINE_FLOW_LANGUAGE_H

#include "engine/flow/compiler.h"

/* Where a key stands. */
enum key_home {
    IN_FILE = 1u << 0,
    IN_TASK = 1u << 1, /* in `tasks` */
    IN_STEP = 1u << 2, /* in `steps` */
    IN_REVERT = 1u << 3,
    IN_FINALLY = 1u << 4,
    IN_DEFAULTS = 1u << 5,
    IN_RETRY = 1u << 6,
    IN_FOREACH = 1u << 7,
    IN_REPEAT = 1u << 8,
    IN_HTTP = 1u << 9,
    IN_INPUT = 1u << 10,
    IN_ANY_TASK = IN_TASK | IN_STEP,
    IN_ANY_VERB = IN_ANY_TASK | IN_REVERT | IN_FINALLY, /* has exactly one verb */
};
#define KEY_HOMES 11

#define VERB_BIT(verb) (1u << (verb))
#define NO_VERB        (-1)

typedef void key_reader(struct compiler *c, const struct target *target, const struct node *value);

struct key_rule {
    const char *name;
    unsigned homes;    /* key_home bits */
    int verb;          /* enum flow_verb, or NO_VERB */
    unsigned verbs;    /* it goes with these only; 0: with all */
    bool may_be_empty; /* a value may be missing */
    key_reader *read;
    const char *wants;  /* what stands in it, for messages */
    const char *schema; /* the same as JSON Schema (schema.c) */
};

/* A key of the language that this version does not run, or that is kept for one to come. */
struct key_later {
    const char *name;
    unsigned homes;
    bool is_verb;
    const char *hint; /* NULL: none */
};

/* A key that stands in tasks and would mean nothing here. */
struct key_misplaced {
    const char *name;
    unsigned homes;
    const char *why;
};

/* The tables (language_table.c). */
const struct key_rule *language_rules(size_t *ret_count);
const struct key_later *language_laters(size_t *ret_count);
/* Why the key can't stand in `home` although it is known, or NULL. */
const char *language_why_not(struct text name, enum key_home home);

/* Reads the map `map`, whose home is `home`, key by key into `target`. */
void language_read(struct compiler *c, enum key_home home, const struct node *map,
                   const struct target *target);

/* Whether all keys of `map` are known in `home`. */
bool language_knows_keys(enum key_home home, const struct node *map);

/* The hint for a word that other systems use as a key in `home`, or NULL. */
const char *habit_hint(struct text word, unsigned home);
/* Whether other systems use the word for what is a verb here. */
bool habit_is_verb(struct text word);

/* "did you mean …" for a key that is not known in `home`. */
void language_hint_key(struct compiler *c, struct flow_problem *problem, struct text word,
                       enum key_home home);

#endif
