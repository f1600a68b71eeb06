/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned tables, colours and numbers for people. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/cli.h"

#define COLUMNS_MAX 32

struct table {
	unsigned columns;
	bool right[COLUMNS_MAX];
	char **cells; /* row by row; the first row is the names */
	size_t count, capacity;
};

static void *must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "headrace: no memory\n");
		exit(EXIT_FAILED);
	}
	return memory;
}

struct table *table_new(const char *const *names, unsigned columns)
{
	struct table *t = must(calloc(1, sizeof *t));
	t->columns = columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
	for (unsigned i = 0; i < t->columns; i++)
		table_add(t, names[i]);
	return t;
}

void table_right(struct table *t, unsigned column)
{
	if (column < t->columns)
		t->right[column] = true;
}

void table_add(struct table *t, const char *text)
{
	if (t->count == t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 64;
		t->cells = must(realloc(t->cells, t->capacity * sizeof *t->cells));
	}
	char *cell = must(strdup(text ? text : ""));
	/* what a device sent must not steer the terminal */
	for (char *c = cell; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	t->cells[t->count++] = cell;
}

/* Decimals that the number needs: digits behind the point without zeros at the end. */
static size_t decimals_needed(const char *text)
{
	const char *point = strchr(text, '.');
	size_t length = point ? strlen(point + 1) : 0;
	while (length > 0 && point[length] == '0')
		length--;
	return length;
}

void table_trim_decimals(struct table *t, unsigned column)
{
	size_t most = 0;
	for (size_t i = t->columns + column; i < t->count; i += t->columns)
		if (decimals_needed(t->cells[i]) > most)
			most = decimals_needed(t->cells[i]);
	for (size_t i = t->columns + column; i < t->count; i += t->columns) {
		char *point = strchr(t->cells[i], '.');
		if (point && strlen(point + 1) > most)
			point[most ? most + 1 : 0] = '\0';
	}
}

/* Characters, not bytes: UTF-8's continuation bytes take no place. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_row(const struct table *t, size_t first, const size_t *widths)
{
	for (unsigned c = 0; c < t->columns; c++) {
		const char *cell = t->cells[first + c];
		int pad = (int)(widths[c] - width_of(cell));
		bool last = c + 1 == t->columns;
		if (t->right[c])
			printf("%*s%s", pad, "", cell);
		else
			printf("%s%*s", cell, last ? 0 : pad, "");
		fputs(last ? "\n" : "  ", stdout);
	}
}

void table_print(struct table *t)
{
	size_t widths[COLUMNS_MAX] = {0};
	for (size_t i = 0; i < t->count; i++)
		if (width_of(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = width_of(t->cells[i]);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns) {
		if (i == 0)
			fputs(colour_bold(), stdout);
		print_row(t, i, widths);
		if (i == 0)
			fputs(colour_end(), stdout);
	}
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

static const char *colour(const char *sequence)
{
	static int wanted = -1;
	if (wanted < 0) {
		const char *refused = getenv("NO_COLOR");
		wanted = isatty(STDOUT_FILENO) && !(refused && *refused);
	}
	return wanted ? sequence : "";
}

const char *colour_bold(void)
{
	return colour("\033[1m");
}

const char *colour_red(void)
{
	return colour("\033[31m");
}

const char *colour_green(void)
{
	return colour("\033[32m");
}

const char *colour_end(void)
{
	return colour("\033[0m");
}

const char *grouped(json_int_t number)
{
	static char texts[8][40];
	static unsigned turn;
	char digits[32];
	char *out = texts[turn++ % 8];
	int length = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, number);
	size_t used = 0;
	for (int i = 0; i < length; i++) {
		int left = length - i;
		if (i > 0 && left % 3 == 0 && digits[i - 1] != '-')
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
	return out;
}
