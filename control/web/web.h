/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard's files, as control/web/page has them, embedded at build (embed.py): nothing is
 * read from disk when it runs. Constant; any thread.
 */
#ifndef HEADRACE_WEB_WEB_H
#define HEADRACE_WEB_WEB_H

#include <stddef.h>
#include <stdint.h>

struct web_file {
	const char *name; /* "main.js" */
	const char *type; /* of its content */
	const char *etag; /* with its quotes: of the content's hash */
	const uint8_t *plain, *gzip;
	size_t bytes, gzip_bytes;
};

/* In order of their names; web_file_count of them. */
extern const struct web_file web_files[];
extern const size_t web_file_count;

/* NULL: there is none. */
const struct web_file *web_find(const char *name);

#endif
