/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON looks like, in a short notation, and the JSON Schema (2020-12, as OpenAPI 3.1 has it)
 * that says the same.
 *
 *   shape  = one {"|" one} ["?"]         "?": or null
 *   one    = word                        int number string bool time day month decimal base64 any
 *          | Name                        a shape of that name (api_shape), of any topic
 *          | "'" text "'"                this string
 *          | "[" shape "]"               an array
 *          | "<" shape ">"               an object whose members' names are data
 *          | "{" {member} ["..."] "}"    an object with these members and (without "...") no other
 *   member = name ["?"] ":" shape        "?": may be absent; members are separated by spaces
 *
 * int is a whole number, decimal an exact number as a string, time RFC 3339 in UTC, day and month
 * are local: 2026-03-29, 2026-03.
 *
 * Pure. Input: our own tables; a mistake in one is found by a test.
 */
#ifndef HEADRACE_API_SHAPE_H
#define HEADRACE_API_SHAPE_H

#include "control/api/text.h"

/* Appends the schema. False: the shape is malformed; what was appended is of no use. A '!' at the
 * end is passed over (see api_param). */
bool shape_schema(const char *shape, struct text *out);

#endif
