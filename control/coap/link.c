/* SPDX-License-Identifier: Apache-2.0 */
#include "control/coap/link.h"

static struct bytes from(struct bytes b, uint32_t at)
{
	return (struct bytes){b.data + at, b.count - at};
}

static struct bytes up_to(struct bytes b, uint32_t count)
{
	return (struct bytes){b.data, count};
}

static uint32_t skip_spaces(struct bytes b, uint32_t at)
{
	while (at < b.count && (b.data[at] == ' ' || b.data[at] == '\t' || b.data[at] == '\r' ||
	                        b.data[at] == '\n'))
		at++;
	return at;
}

/* Where an attribute's value ends: behind its closing quote, or before ';', ',' or the end.
 * UINT32_MAX: a quote is not closed. */
static uint32_t value_end(struct bytes b, uint32_t at)
{
	if (at < b.count && b.data[at] == '"') {
		for (at++; at < b.count && b.data[at] != '"'; at++)
			if (b.data[at] == '\\')
				at++;
		return at < b.count ? at + 1 : UINT32_MAX;
	}
	while (at < b.count && b.data[at] != ';' && b.data[at] != ',')
		at++;
	return at;
}

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$&+-.^_`|~*%", c));
}

enum link_step link_attribute_next(struct bytes *left, struct link_attribute *out)
{
	struct bytes b = *left;
	uint32_t at = skip_spaces(b, 0);
	if (at == b.count || b.data[at] != ';')
		return at == b.count ? LINK_END : LINK_BAD;
	at = skip_spaces(b, at + 1);
	uint32_t start = at;
	while (at < b.count && is_name_byte(b.data[at]))
		at++;
	if (at == start)
		return LINK_BAD;
	out->name = up_to(from(b, start), at - start);
	out->value = from(b, at);
	out->value.count = 0;
	out->has_value = at < b.count && b.data[at] == '=';
	if (out->has_value) {
		uint32_t end = value_end(b, at + 1);
		if (end == UINT32_MAX)
			return LINK_BAD;
		bool quoted = end > at + 1 && b.data[at + 1] == '"';
		out->value = up_to(from(b, at + 1 + quoted), end - at - 1 - 2 * quoted);
		at = end;
	}
	*left = from(b, at);
	return LINK_NEXT;
}

/* How long the attributes at the start of `b` are; false: malformed. */
static bool attributes_end(struct bytes b, uint32_t *end)
{
	struct bytes left = b;
	struct link_attribute a;
	enum link_step step = LINK_NEXT;
	*end = 0;
	while (step == LINK_NEXT) {
		*end = b.count - left.count;
		uint32_t at = skip_spaces(left, 0);
		if (at == left.count || left.data[at] == ',')
			return true;
		step = link_attribute_next(&left, &a);
	}
	return step == LINK_END;
}

enum link_step link_next(struct bytes *left, struct link *out)
{
	struct bytes b = *left;
	uint32_t at = skip_spaces(b, 0);
	if (at == b.count)
		return LINK_END;
	if (b.data[at] != '<')
		return LINK_BAD;
	const uint8_t *close = memchr(b.data + at, '>', b.count - at);
	if (!close)
		return LINK_BAD;
	uint32_t end = (uint32_t)(close - b.data), attributes;
	out->href = up_to(from(b, at + 1), end - at - 1);
	struct bytes rest = from(b, end + 1);
	if (!attributes_end(rest, &attributes))
		return LINK_BAD;
	out->attributes = up_to(rest, attributes);
	rest = from(rest, attributes);
	at = skip_spaces(rest, 0);
	if (at < rest.count) {
		/* behind a comma there must be another link */
		rest = from(rest, at + 1);
		if (skip_spaces(rest, 0) == rest.count)
			return LINK_BAD;
	} else {
		rest = from(rest, at);
	}
	*left = rest;
	return LINK_NEXT;
}

bool bytes_match(struct bytes b, struct bytes pattern)
{
	bool prefix = pattern.count > 0 && pattern.data[pattern.count - 1] == '*';
	uint32_t count = pattern.count - prefix;
	if (prefix ? b.count < count : b.count != count)
		return false;
	return count == 0 || memcmp(b.data, pattern.data, count) == 0;
}

static bool word_matches(struct bytes words, struct bytes pattern)
{
	while (words.count > 0) {
		uint32_t end = 0;
		while (end < words.count && words.data[end] != ' ')
			end++;
		if (bytes_match(up_to(words, end), pattern))
			return true;
		words = from(words, end < words.count ? end + 1 : end);
	}
	return false;
}

bool link_matches(const struct link *link, struct bytes name, struct bytes value)
{
	if (bytes_are(name, "href"))
		return bytes_match(link->href, value);
	bool words = bytes_are(name, "rt") || bytes_are(name, "if") || bytes_are(name, "rel");
	struct bytes left = link->attributes;
	struct link_attribute a;
	while (link_attribute_next(&left, &a) == LINK_NEXT) {
		if (a.name.count != name.count || memcmp(a.name.data, name.data, name.count) != 0)
			continue;
		if (words ? word_matches(a.value, value) : bytes_match(a.value, value))
			return true;
	}
	return false;
}

bool link_check(struct bytes text, uint32_t *count)
{
	struct link link;
	enum link_step step;
	*count = 0;
	while ((step = link_next(&text, &link)) == LINK_NEXT)
		(*count)++;
	return step == LINK_END;
}

bool query_next(struct bytes *left, struct bytes *name, struct bytes *value)
{
	if (left->count == 0)
		return false;
	const uint8_t *stop = memchr(left->data, '&', left->count);
	struct bytes argument = up_to(*left, stop ? (uint32_t)(stop - left->data) : left->count);
	const uint8_t *equals =
	    argument.count ? memchr(argument.data, '=', argument.count) : NULL;
	*left = from(*left, argument.count + (stop != NULL));
	*name = equals ? up_to(argument, (uint32_t)(equals - argument.data)) : argument;
	*value = equals ? from(argument, name->count + 1) : from(argument, argument.count);
	return true;
}
