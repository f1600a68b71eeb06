/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV (RFC 4180) row by row: quoted fields, doubled quotes, line ends in quotes; LF or CRLF.
 * A bad row is reported and passed over, the rows behind it are still found.
 * Memory: the struct alone; fields lie in it until the next call.
 */
#ifndef HEADRACE_REGISTRY_CSV_H
#define HEADRACE_REGISTRY_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX    64
#define CSV_ROW_BYTES_MAX 8192

struct csv_field {
	const char *text; /* unquoted; not terminated */
	uint32_t bytes;
};

struct csv {
	const char *at, *end;
	uint64_t next_line; /* of `at`, from 1 */
	/* the row */
	uint64_t line;     /* where it begins */
	const char *wrong; /* NULL: the fields are good; else why they are not */
	uint32_t field_count;
	struct csv_field fields[CSV_FIELDS_MAX];
	uint32_t used;
	char bytes[CSV_ROW_BYTES_MAX];
};

void csv_init(struct csv *c, const char *text, size_t bytes);

/* The next row that is not empty. False: the end. */
bool csv_next(struct csv *c);

#endif
