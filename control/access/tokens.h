/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the API over TCP: tokens with a name, a role and perhaps an end. The secret is shown
 * once, when the token is made; what is kept in the store (STORE_CONTROL, "token/NAME", JSON) is a
 * salted SHA-256 of it. 256 random bits can't be guessed, so a fast hash is enough.
 *
 *   hr_<id: 16 hex digits>_<secret: 64 hex digits>
 *
 * Threads: any ordinary ones; locks inside. Memory: a record for each token, at most TOKENS_MAX.
 */
#ifndef HEADRACE_ACCESS_TOKENS_H
#define HEADRACE_ACCESS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/store/store.h"

#define TOKENS_MAX       1024u
#define TOKEN_NAME_BYTES 41 /* letters, digits, '.', '_', '-' */
#define TOKEN_ID_BYTES   17
#define TOKEN_TEXT_BYTES 85 /* with its end */

struct token {
	char name[TOKEN_NAME_BYTES];
	char id[TOKEN_ID_BYTES];
	uint8_t role; /* the caller's numbers */
	int64_t created_ms;
	int64_t expires_ms;   /* 0: never */
	int64_t last_used_ms; /* since the daemon started; 0: not */
};

struct tokens;

MUST_USE enum result tokens_open(struct store *store, struct tokens **out, struct error *err);
void tokens_close(struct tokens *t); /* NULL is fine */

/* RESULT_INPUT: a bad name, one that is taken, or too many. `text`: the token, for its owner. */
MUST_USE enum result tokens_create(struct tokens *t, const char *name, uint8_t role,
                                   int64_t now_ms, int64_t expires_ms,
                                   char text[TOKEN_TEXT_BYTES], struct error *err);
/* RESULT_ABSENT: there is none of that name. It is of no use when the call returns. */
MUST_USE enum result tokens_revoke(struct tokens *t, const char *name, struct error *err);

/* A copy of each, by name; returns how many. */
uint32_t tokens_list(struct tokens *t, struct token *out, uint32_t most);

/* Is it one that is good now? The comparison takes the same time whatever is wrong with the
 * secret. */
bool tokens_check(struct tokens *t, const char *text, int64_t now_ms, struct token *out);

#endif
