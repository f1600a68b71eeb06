/* SPDX-License-Identifier: Apache-2.0 */
/* Files into the registry, and lists out of it. Private to control/cli. */
#ifndef HEADRACE_CLI_IMPORT_H
#define HEADRACE_CLI_IMPORT_H

#include "control/cli/cli.h"

/* The file words[0] to `path`, in parts where it is CSV or JSON lines, with a progress bar. Bad
 * lines go to stderr, the sum to stdout. Returns the exit code. */
int import_file(const struct arguments *a, const char *path);

/* `path` with the query of those options to --output or stdout. Returns the exit code. */
int export_file(const struct arguments *a, const char *path, const enum option *query,
		size_t count);

/* A table of an object's changes: GET of folder + words[0] + "/history". */
int history_show(const struct arguments *a, const char *folder);

/* POST of a JSON object (freed) to folder + words[0] + tail. NULL *answer: the code says why; else
 * it is to be freed. */
int post_object(const struct arguments *a, const char *folder, const char *tail, json_t *body,
		json_t **answer);

#endif
