/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the flow language as data: a key is a row that says where it may stand, with which
 * verbs, and which function reads its value. A new key is a new row. Keys that the language has
 * and this version does not are rows of one list, so that they are refused with the reason. */
#ifndef ENGINE_FLOW_LANGUAGE_H
#define ENGINE_FLOW_LANGUAGE_H

#include "engine/flow/compiler.h"

/* Where a key stands. */
enum key_home {
    IN_FILE = 1u << 0,
    IN_TASK = 1u << 1, /* in `tasks` */
    IN_STEP = 1u << 2, /* in `steps` */
    IN_RETRY = 1u << 3,
    IN_INPUT = 1u << 4,
    IN_ANY_TASK = IN_TASK | IN_STEP,
};

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
    const char *wants; /* what stands in it, for messages */
};

/* A key of the language that this version does not run, or that is kept for one to come. */
struct key_later {
    const char *name;
    unsigned homes;
    bool is_verb;
};

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
