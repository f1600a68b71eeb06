/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: text of an operator, untrusted. Output: rows in struct csv. Thread: the importer's.
 * Never allocates, never looks beyond the text.
 */
#include "control/registry/csv.h"

#include <string.h>

void csv_init(struct csv *c, const char *text, size_t bytes)
{
	c->at = text;
	c->end = text + bytes;
	c->next_line = 1;
	/* a byte order mark is no part of the first name */
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		c->at += 3;
}

static bool keep(struct csv *c, char byte)
{
	if (c->used == CSV_ROW_BYTES_MAX)
		return false;
	c->bytes[c->used++] = byte;
	return true;
}

/* At the end of a line (or of the text)? A CR counts only before LF or the end. */
static bool at_line_end(const struct csv *c)
{
	if (c->at == c->end || *c->at == '\n')
		return true;
	return *c->at == '\r' && (c->at + 1 == c->end || c->at[1] == '\n');
}

static void skip_line(struct csv *c)
{
	const char *lf = memchr(c->at, '\n', (size_t)(c->end - c->at));
	if (lf)
		c->next_line++;
	c->at = lf ? lf + 1 : c->end;
}

/* RFC 4180 2.5-2.7: between quotes everything goes, a quote is written twice. */
static const char *take_quoted(struct csv *c)
{
	for (c->at++; c->at < c->end; c->at++) {
		if (*c->at == '"') {
			if (c->at + 1 == c->end || c->at[1] != '"') {
				c->at++;
				return at_line_end(c) || *c->at == ','
				           ? NULL
				           : "text behind a closing quote";
			}
			c->at++;
		}
		c->next_line += *c->at == '\n';
		if (!keep(c, *c->at))
			break;
	}
	return c->at < c->end ? "the row is too long (is a quote not closed?)"
	                      : "a quote is not closed";
}

static const char *take_plain(struct csv *c)
{
	for (; !at_line_end(c) && *c->at != ','; c->at++) {
		if (*c->at == '"')
			return "a quote inside a field that does not begin with one";
		if (!keep(c, *c->at))
			return "the row is too long";
	}
	return NULL;
}

static const char *take_row(struct csv *c)
{
	for (;;) {
		if (c->field_count == CSV_FIELDS_MAX)
			return "the row has too many fields";
		struct csv_field *f = &c->fields[c->field_count++];
		f->text = c->bytes + c->used;
		uint32_t before = c->used;
		const char *wrong = c->at < c->end && *c->at == '"' ? take_quoted(c)
		                                                    : take_plain(c);
		f->bytes = c->used - before;
		if (wrong || at_line_end(c))
			return wrong;
		c->at++; /* the comma */
	}
}

bool csv_next(struct csv *c)
{
	while (c->at < c->end && at_line_end(c))
		skip_line(c);
	if (c->at == c->end)
		return false;
	const char *begin = c->at;
	c->line = c->next_line;
	c->field_count = 0;
	c->used = 0;
	c->wrong = take_row(c);
	/* a quote that was left open may have swallowed good rows: go back */
	if (c->wrong && c->next_line != c->line) {
		c->at = begin;
		c->next_line = c->line;
	}
	skip_line(c);
	return true;
}
