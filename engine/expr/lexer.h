/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a source into tokens (private to engine/expr). */
#ifndef ENGINE_EXPR_LEXER_H
#define ENGINE_EXPR_LEXER_H

#include "engine/expr/expr.h"
#include "engine/expr/value.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,        /* text; `quoted` when between backquotes */
    TOKEN_INT,         /* whole: the magnitude, up to 2^63 */
    TOKEN_UINT,        /* whole */
    TOKEN_DOUBLE,      /* number */
    TOKEN_STRING,      /* text: unescaped */
    TOKEN_BYTES,       /* text */
    TOKEN_PUNCTUATION, /* text: the operator as written */
};

struct token {
    enum token_kind kind;
    size_t offset; /* of its first byte */
    bool quoted;
    struct text text; /* as written, or what it means (see the kind) */
    uint64_t whole;
    double number;
};

struct lexer {
    struct arena *arena;
    struct text source;
    size_t at;
    struct expr_error *error;
};

/* Reads the next token. Returns 0 or a code with the error filled. */
int lexer_next(struct lexer *lexer, struct token *ret_token);

/* A quoted literal at lexer->at with its prefix letters (lexer_string.c). */
int lexer_string(struct lexer *lexer, struct token *ret_token);

#endif
