/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of device ids from an operator's file: an id per line, or a pattern with '*' and '?'; what
 * begins with '#' is a comment. Private to control/registry. Memory: the heap, read once.
 */
#ifndef HEADRACE_REGISTRY_ALLOW_LIST_H
#define HEADRACE_REGISTRY_ALLOW_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

struct allow_list {
	char *text;           /* the file, cut into lines */
	char **ids;           /* in order */
	char **patterns;      /* as they came */
	size_t id_count, pattern_count;
};

/* RESULT_INPUT: "path:line: what is wrong". */
MUST_USE enum result allow_list_load(struct allow_list *list, const char *path, struct error *err);
void allow_list_free(struct allow_list *list);

bool allow_list_has(const struct allow_list *list, const char *id);

#endif
