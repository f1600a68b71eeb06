/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the objects in a long JSON text, an array of them or one after the other (JSON lines),
 * so that each can be parsed on its own and a bad one costs only itself.
 */
#ifndef HEADRACE_REGISTRY_JSON_SPLIT_H
#define HEADRACE_REGISTRY_JSON_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_OBJECT_BYTES_MAX 65536

struct json_split {
	const char *at, *end;
	uint64_t next_line; /* of `at`, from 1 */
	bool array, closed;
	/* the piece */
	uint64_t line;     /* where it begins */
	const char *text;  /* from '{' to the matching '}' */
	size_t bytes;
	const char *wrong; /* NULL: text and bytes are set; else why there is no object */
};

void json_split_init(struct json_split *s, const char *text, size_t bytes);

/* The next object, or what stands in place of one. False: the end. */
bool json_split_next(struct json_split *s);

#endif
