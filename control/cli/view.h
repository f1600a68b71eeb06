/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listing: which members of the API's answer are shown in which columns. One description gives
 * the table for people, CSV (RFC 4180, all columns, headed by their keys) and, with --format json,
 * the answer as it is. Private to control/cli.
 */
#ifndef HEADRACE_CLI_VIEW_H
#define HEADRACE_CLI_VIEW_H

#include "control/cli/cli.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,  /* right-aligned, 1,234,567 in tables */
	COLUMN_PLAIN,   /* right-aligned, as it is */
	COLUMN_DECIMAL, /* right-aligned, without zeros that no row needs */
};

struct column {
	const char *key;   /* a member of the row; "a.b": of the object in it */
	const char *title; /* NULL: in CSV only */
	enum column_kind kind;
};

struct view {
	const char *rows; /* the member with the array of rows */
	const struct column *columns;
	unsigned count;
	/* What a table ends with; NULL: how many there are, and how to get the next ones. */
	void (*footer)(const json_t *answer);
};
#define VIEW(member, table) \
	{.rows = (member), .columns = (table), .count = sizeof(table) / sizeof((table)[0])}

/* GET of folder + tail (freed), shown as a->format says. Returns the exit code. */
int view_get(const struct arguments *a, const char *folder, char *tail, const struct view *view);
/* An answer that is already there. */
void view_print(const struct arguments *a, const struct view *view, const json_t *answer);
/* An answer that is one object: "key  value" lines, JSON, or CSV of one row. */
int view_get_object(const struct arguments *a, const char *folder, char *tail);
/* "17 shown" below a table; where there is none, "None." */
void view_count(json_int_t count);
/* A value as text: strings as they are, arrays of them joined by spaces, others as JSON. */
char *value_text(const json_t *value);
/* A field of CSV, quoted where it has to be. */
void csv_field(FILE *out, const char *text);

#endif
