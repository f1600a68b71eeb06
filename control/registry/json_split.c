/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: text of an operator, untrusted. Output: spans of it. Thread: the importer's.
 * Matches braces outside strings and nothing more: what is inside is a parser's business.
 */
#include "control/registry/json_split.h"

#include <string.h>

void json_split_init(struct json_split *s, const char *text, size_t bytes)
{
	*s = (struct json_split){.at = text, .end = text + bytes, .next_line = 1};
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s->at += 3;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void advance(struct json_split *s, const char *to)
{
	for (; s->at < to; s->at++)
		s->next_line += *s->at == '\n';
}

static void skip_space(struct json_split *s)
{
	while (s->at < s->end && is_space(*s->at))
		advance(s, s->at + 1);
}

/* Behind the bracket that closes the object at s->at; NULL: none within the limit. */
static const char *object_end(const struct json_split *s)
{
	size_t depth = 0;
	bool quoted = false;
	for (const char *p = s->at; p < s->end && p - s->at < JSON_OBJECT_BYTES_MAX; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && (*p == '{' || *p == '['))
			depth++;
		else if (!quoted && (*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static bool refuse(struct json_split *s, const char *wrong)
{
	s->wrong = wrong;
	while (s->at < s->end && *s->at != '\n')
		s->at++;
	if (s->at < s->end)
		advance(s, s->at + 1);
	return true;
}

/* What may stand between two objects. True: `s->at` is at something that should be one. */
static bool skip_between(struct json_split *s, bool first)
{
	skip_space(s);
	if (first && s->at < s->end && *s->at == '[') {
		s->array = true;
		advance(s, s->at + 1);
	} else if (!first && s->array && s->at < s->end && *s->at == ',') {
		advance(s, s->at + 1);
	}
	skip_space(s);
	if (s->array && !s->closed && s->at < s->end && *s->at == ']') {
		s->closed = true;
		advance(s, s->at + 1);
		skip_space(s);
	}
	return s->at < s->end;
}

bool json_split_next(struct json_split *s)
{
	bool first = s->line == 0;
	bool more = skip_between(s, first);
	s->line = s->next_line;
	s->wrong = NULL;
	if (!more) {
		/* the end of the text, but not of the array: say so once */
		if (s->array && !s->closed) {
			s->closed = true;
			return refuse(s, "the array is not closed by ']'");
		}
		return false;
	}
	if (s->closed)
		return refuse(s, "text behind the array's end");
	if (*s->at != '{')
		return refuse(s, "expected an object, '{'");
	const char *end = object_end(s);
	if (!end)
		return refuse(s, "an object that is not closed by '}' (or is over 65536 bytes)");
	s->text = s->at;
	s->bytes = (size_t)(end - s->at);
	advance(s, end);
	return true;
}
