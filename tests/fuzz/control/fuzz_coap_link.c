/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary text as link format and as a query. Oracles: everything handed out lies in the text and
 * in its order; links put together again from their parts are the same links; a link matches its
 * own target and its own attributes.
 *
 * Input: the query, a zero byte, the links.
 */
#include <stdlib.h>

#include "base/check.h"
#include "control/coap/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_inside(struct bytes whole, struct bytes part)
{
	CHECK(part.data >= whole.data);
	CHECK(part.data + part.count <= whole.data + whole.count);
}

static void check_attributes(const struct link *link)
{
	struct bytes left = link->attributes;
	struct link_attribute a;
	enum link_step step;
	while ((step = link_attribute_next(&left, &a)) == LINK_NEXT) {
		check_inside(link->attributes, a.name);
		check_inside(link->attributes, a.value);
		CHECK_OP(a.name.count, >, 0u);
		CHECK(a.has_value || a.value.count == 0);
		bool words = memchr(a.value.data, ' ', a.value.count) != NULL;
		bool star = a.value.count > 0 && a.value.data[a.value.count - 1] == '*';
		bool special = bytes_are(a.name, "href") || bytes_are(a.name, "rt") ||
		               bytes_are(a.name, "if") || bytes_are(a.name, "rel");
		if (!words && !star && !special)
			CHECK(link_matches(link, a.name, a.value));
	}
	CHECK(step == LINK_END); /* it was checked as part of the link */
}

static void check_links(struct bytes whole)
{
	struct bytes left = whole;
	struct link link;
	uint32_t count = 0, counted;
	enum link_step step;
	while ((step = link_next(&left, &link)) == LINK_NEXT) {
		static const struct bytes href = {(const uint8_t *)"href", 4};
		check_inside(whole, link.href);
		check_inside(whole, link.attributes);
		check_inside(whole, left);
		check_attributes(&link);
		if (link.href.count == 0 || link.href.data[link.href.count - 1] != '*')
			CHECK(link_matches(&link, href, link.href));
		count++;
	}
	CHECK((step == LINK_END) == link_check(whole, &counted));
	CHECK_OP(count, ==, counted);
}

static void check_query(struct bytes whole, struct bytes links)
{
	struct bytes left = whole, name, value, rest = links;
	struct link link;
	bool one = link_next(&rest, &link) == LINK_NEXT;
	uint32_t taken = 0, separators = 0, arguments = 0;
	for (uint32_t i = 0; i < whole.count; i++)
		separators += whole.data[i] == '&';
	while (query_next(&left, &name, &value)) {
		check_inside(whole, name);
		check_inside(whole, value);
		taken += name.count + value.count;
		arguments++;
		if (one)
			link_matches(&link, name, value);
	}
	CHECK_OP(taken, <=, whole.count);
	CHECK_OP(arguments, <=, separators + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const uint8_t *zero = bytes ? memchr(data, 0, bytes) : NULL;
	size_t query_bytes = zero ? (size_t)(zero - data) : bytes;
	size_t links_bytes = zero ? bytes - query_bytes - 1 : 0;
	/* exact copies, so that a sanitizer sees the first byte too far */
	uint8_t *query = malloc(query_bytes + 1), *links = malloc(links_bytes + 1);
	CHECK(query && links);
	query = realloc(query, query_bytes ? query_bytes : 1);
	links = realloc(links, links_bytes ? links_bytes : 1);
	memcpy(query, data, query_bytes);
	if (links_bytes > 0)
		memcpy(links, zero + 1, links_bytes);
	struct bytes l = {links, (uint32_t)links_bytes};
	check_links(l);
	check_query((struct bytes){query, (uint32_t)query_bytes}, l);
	free(query);
	free(links);
	return 0;
}
