/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON's tokens (RFC 8259), checked while they are passed over. Never leaves this folder.
 *
 * Every function takes the place of a token's first byte and the end of the input, and returns
 * the place after the token, or NULL when it is malformed. Nothing at or after `end` is read.
 * No memory, no state, any thread. Never builds a tree; never changes the input.
 */
#ifndef HEADRACE_INGEST_JSON_H
#define HEADRACE_INGEST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arrays and objects inside each other: RFC 8259 §9 lets a parser set a limit. */
#define JSON_DEPTH_MAX 16

/* The inside of a string, as it stands between the quotes. */
struct json_text {
	const uint8_t *data;
	uint32_t bytes;
	bool escaped; /* has a backslash */
};

/* RFC 8259 §2: the four white-space bytes. A measured hot inline. */
static inline const uint8_t *json_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* A string (RFC 8259 §7); `p` is at its opening quote. UTF-8 must be well-formed (§8.1). */
const uint8_t *json_scan_string(const uint8_t *p, const uint8_t *end, struct json_text *text);

/* Is it well-formed UTF-8 (Unicode 15, table 3-7)? */
bool json_is_utf8(const uint8_t *p, uint32_t bytes);

/* true, false or null: `word` with its length. */
const uint8_t *json_word(const uint8_t *p, const uint8_t *end, const char *word, uint32_t bytes);

/* Any value; `levels` is how many arrays and objects may still be opened. */
const uint8_t *json_skip(const uint8_t *p, const uint8_t *end, uint32_t levels);

/* The text with its escapes resolved, as UTF-8, at most `max` bytes. Returns its length, or -1
 * when it is longer or holds half a surrogate pair. `text` is what json_scan_string accepted. */
int32_t json_unescape(const struct json_text *text, char *out, uint32_t max);

#endif
