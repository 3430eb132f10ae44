/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the language, by name (private to engine/expr). */
#ifndef ENGINE_EXPR_FUNCTION_H
#define ENGINE_EXPR_FUNCTION_H

#include "engine/expr/eval.h"

enum function_form {
    FORM_GLOBAL = 1, /* f(x) */
    FORM_METHOD = 2, /* x.f() */
    FORM_BOTH = 3,
};

struct function {
    const char *name; /* with its namespace: "math.abs" */
    enum function_form form;
    unsigned args_min, args_max; /* a method's target is one of them */
    /* Computes the result or fails through eval_fail. `args` may be changed. */
    int (*call)(struct eval *eval, struct value *args, size_t count, struct value *ret);
};

/* One theme's functions; ends with a NULL name. */
extern const struct function functions_convert[], functions_string[], functions_string_edit[],
    functions_math[], functions_time[], functions_optional[], functions_encode[];

/* The function called `name` in that form, or NULL. */
const struct function *function_find(struct text name, enum function_form form);
/* Whether something may stand before a dot as a namespace: math, strings … */
bool function_is_namespace(struct text name);
/* For a message: what is wrong with a call of `name`, or how it should be written. */
void function_hint(struct text name, enum function_form form, char *ret_text, size_t size);

/* Functions the evaluator treats specially: their argument is only computed when it is needed. */
bool function_is_lazy(const struct function *function);
bool function_is_matches(const struct function *function);

#endif
