/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned tables, colours and numbers for people. On a terminal a table is cut to its width: long
 * texts first, then the columns at the right.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/cli/cli.h"

#define COLUMNS_MAX 32
#define CUT_WIDTH   8 /* a text is never cut to less */

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
	tame(cell); /* it may be what a device sent */
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

/* The bytes of the first `width` characters. */
static int bytes_of(const char *text, size_t width)
{
	const char *at = text;
	for (; *at; at++)
		if (((unsigned char)*at & 0xc0) != 0x80 && width-- == 0)
			break;
	return (int)(at - text);
}

static void print_cell(const char *cell, size_t width, bool right, bool last)
{
	size_t own = width_of(cell);
	if (own > width) {
		printf("%.*s\xe2\x80\xa6", bytes_of(cell, width - 1), cell);
		own = width;
	} else {
		printf("%*s%s", right ? (int)(width - own) : 0, "", cell);
	}
	if (!right && !last)
		printf("%*s", (int)(width - own), "");
	fputs(last ? "\n" : "  ", stdout);
}

static size_t sum_of(const size_t *widths, unsigned columns)
{
	size_t sum = 0;
	for (unsigned c = 0; c < columns; c++)
		sum += widths[c] + (c > 0 ? 2 : 0);
	return sum;
}

/* Cuts the widest text as long as it is longer than its heading, then leaves out columns at the
 * right. Returns how many are shown. */
static unsigned fit(const struct table *t, size_t *widths, size_t room)
{
	unsigned columns = t->columns;
	while (sum_of(widths, columns) > room) {
		unsigned widest = columns;
		for (unsigned c = 0; c < columns; c++) {
			size_t least = width_of(t->cells[c]);
			least = least < CUT_WIDTH ? CUT_WIDTH : least;
			if (!t->right[c] && widths[c] > least &&
			    (widest == columns || widths[c] >= widths[widest]))
				widest = c;
		}
		if (widest < columns)
			widths[widest]--;
		else if (columns > 1)
			columns--;
		else
			break;
	}
	return columns;
}

/* --- order --- */

struct sorting {
	const struct table *table;
	unsigned column;
	bool descending;
};

/* Both begin with a number (1,234.5 or 17 % or 2.0 MiB): *out is their order. */
static bool compare_numbers(const char *a, const char *b, int *out)
{
	double values[2];
	const char *texts[2] = {a, b};
	for (unsigned i = 0; i < 2; i++) {
		char digits[40], *end;
		size_t used = 0;
		for (const char *c = texts[i]; *c && used < sizeof digits - 1; c++)
			if (*c != ',')
				digits[used++] = *c;
		digits[used] = '\0';
		values[i] = strtod(digits, &end);
		if (end == digits)
			return false;
		const char *units = "KMGT", *unit = strchr(units, end[0] == ' ' ? end[1] : '\0');
		for (long n = unit && *unit ? unit - units + 1 : 0; n > 0; n--)
			values[i] *= 1024;
	}
	*out = values[0] < values[1] ? -1 : values[0] > values[1];
	return true;
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct sorting *s = context;
	const char *x = ((char *const *)a)[s->column], *y = ((char *const *)b)[s->column];
	int order;
	if (!compare_numbers(x, y, &order))
		order = strcmp(x, y);
	return s->descending ? -order : order;
}

void table_sort(struct table *t, unsigned column, bool descending)
{
	struct sorting s = {t, column, descending};
	size_t rows = t->count / t->columns;
	if (column < t->columns && rows > 2)
		qsort_r(t->cells + t->columns, rows - 1, t->columns * sizeof *t->cells,
		        compare_rows, &s);
}

void table_print(struct table *t)
{
	table_print_rows(t, SIZE_MAX);
}

void table_print_rows(struct table *t, size_t rows)
{
	size_t widths[COLUMNS_MAX] = {0};
	unsigned columns = t->columns;
	for (size_t i = 0; i < t->count; i++)
		if (width_of(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = width_of(t->cells[i]);
	if (isatty(STDOUT_FILENO))
		columns = fit(t, widths, terminal_width());
	for (size_t i = 0, n = 0; i + t->columns <= t->count && n <= rows; i += t->columns, n++) {
		if (i == 0)
			fputs(colour_bold(), stdout);
		for (unsigned c = 0; c < columns; c++)
			print_cell(t->cells[i + c], widths[c], t->right[c], c + 1 == columns);
		if (i == 0)
			fputs(colour_end(), stdout);
	}
	if (columns < t->columns)
		printf("(%u more columns: widen the window, or --format csv)\n",
		       t->columns - columns);
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

/* --- the terminal --- */

unsigned terminal_width(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

unsigned terminal_height(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static bool colour_wanted(void)
{
	const char *refused = getenv("NO_COLOR");
	return isatty(STDOUT_FILENO) && !(refused && *refused);
}

static const char *colour(const char *sequence)
{
	static int wanted = -1;
	if (wanted < 0)
		wanted = colour_wanted();
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

const char *colour_yellow(void)
{
	return colour("\033[33m");
}

const char *colour_reverse(void)
{
	return colour("\033[7m");
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
