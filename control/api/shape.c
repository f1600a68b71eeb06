/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/shape.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX   16
#define MEMBERS_MAX 64

struct reader {
	const char *at;
	struct text *out;
	unsigned depth;
};

static const struct {
	const char *word, *schema;
} words[] = {
    {"int", "{\"type\":\"integer\"}"},
    {"number", "{\"type\":\"number\"}"},
    {"string", "{\"type\":\"string\"}"},
    {"bool", "{\"type\":\"boolean\"}"},
    {"any", "{}"},
    {"time", "{\"type\":\"string\",\"format\":\"date-time\"}"},
    {"day", "{\"type\":\"string\",\"format\":\"date\"}"},
    {"month", "{\"type\":\"string\",\"pattern\":\"^[0-9]{4}-[0-9]{2}$\"}"},
    {"decimal", "{\"type\":\"string\",\"pattern\":\"^-?[0-9]+(\\\\.[0-9]+)?$\"}"},
    {"base64", "{\"type\":\"string\",\"contentEncoding\":\"base64\"}"},
};

static bool read_shape(struct reader *r);

static void skip(struct reader *r)
{
	r->at += strspn(r->at, " ");
}

static bool take(struct reader *r, char c)
{
	skip(r);
	if (*r->at != c)
		return false;
	r->at++;
	return true;
}

static bool read_word(struct reader *r)
{
	size_t length = 0;
	while (isalnum((unsigned char)r->at[length]) || r->at[length] == '_')
		length++;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i].word) == length && memcmp(words[i].word, r->at, length) == 0) {
			text_add(r->out, "%s", words[i].schema);
			r->at += length;
			return true;
		}
	if (!isupper((unsigned char)r->at[0]))
		return false;
	text_add(r->out, "{\"$ref\":\"#/components/schemas/%.*s\"}", (int)length, r->at);
	r->at += length;
	return true;
}

/* 'a'|'b'|'c' */
static bool read_choice(struct reader *r)
{
	const char *separator = "";
	text_add(r->out, "{\"type\":\"string\",\"enum\":[");
	do {
		const char *end = take(r, '\'') ? strchr(r->at, '\'') : NULL;
		if (!end)
			return false;
		text_add(r->out, "%s", separator);
		text_json(r->out, r->at, (size_t)(end - r->at));
		r->at = end + 1;
		separator = ",";
	} while (take(r, '|'));
	text_add(r->out, "]}");
	return true;
}

struct member {
	const char *name;
	size_t length;
	bool optional;
};

static bool read_member(struct reader *r, struct member *m)
{
	m->name = r->at;
	m->length = strcspn(r->at, ":?{}[]<>' |");
	r->at += m->length;
	m->optional = *r->at == '?';
	r->at += m->optional;
	if (m->length == 0 || *r->at++ != ':')
		return false;
	text_json(r->out, m->name, m->length);
	text_add(r->out, ":");
	return read_shape(r);
}

static bool read_object(struct reader *r)
{
	struct member members[MEMBERS_MAX];
	unsigned count = 0, required = 0;
	bool open = false;
	text_add(r->out, "{\"type\":\"object\",\"properties\":{");
	while (!take(r, '}')) {
		if (strncmp(r->at, "...", 3) == 0) {
			open = true;
			r->at += 3;
			continue;
		}
		text_add(r->out, "%s", count ? "," : "");
		if (open || count == MEMBERS_MAX || !read_member(r, &members[count++]))
			return false;
	}
	text_add(r->out, "}");
	for (unsigned i = 0; i < count; i++)
		if (!members[i].optional) {
			text_add(r->out, "%s", required++ ? "," : ",\"required\":[");
			text_json(r->out, members[i].name, members[i].length);
		}
	text_add(r->out, "%s%s}", required ? "]" : "",
	         open ? "" : ",\"additionalProperties\":false");
	return true;
}

static bool read_one(struct reader *r)
{
	skip(r);
	bool good;
	switch (*r->at) {
	case '\'':
		return read_choice(r);
	case '{':
		r->at++;
		return read_object(r);
	case '[':
		r->at++;
		text_add(r->out, "{\"type\":\"array\",\"items\":");
		good = read_shape(r) && take(r, ']');
		text_add(r->out, "}");
		return good;
	case '<':
		r->at++;
		text_add(r->out, "{\"type\":\"object\",\"additionalProperties\":");
		good = read_shape(r) && take(r, '>');
		text_add(r->out, "}");
		return good;
	default:
		return read_word(r);
	}
}

/* The text from `start` on becomes one of several: {"anyOf":[...]}. */
static void wrap(struct text *t, size_t start)
{
	static const char open[] = "{\"anyOf\":[";
	size_t length = t->used - start;
	text_put(t, open, strlen(open));
	if (t->failed)
		return;
	memmove(t->data + start + strlen(open), t->data + start, length);
	memcpy(t->data + start, open, strlen(open));
}

static bool read_shape(struct reader *r)
{
	size_t start = r->out->used;
	bool several = false;
	if (++r->depth > DEPTH_MAX || !read_one(r))
		return false;
	while (take(r, '|')) {
		if (!several)
			wrap(r->out, start);
		several = true;
		text_add(r->out, ",");
		if (!read_one(r))
			return false;
	}
	if (*r->at == '?') {
		r->at++;
		if (!several)
			wrap(r->out, start);
		several = true;
		text_add(r->out, ",{\"type\":\"null\"}");
	}
	if (several)
		text_add(r->out, "]}");
	r->depth--;
	return !r->out->failed;
}

bool shape_schema(const char *shape, struct text *out)
{
	struct reader r = {.at = shape, .out = out};
	if (!read_shape(&r))
		return false;
	skip(&r);
	return *r.at == '\0' || strcmp(r.at, "!") == 0;
}
