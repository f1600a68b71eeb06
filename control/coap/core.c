/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /.well-known/core (RFC 6690 4): links to what there is, filtered by the query. Where readings are
 * sent to comes from the profiles; a device's resources only by asking for it (href=/readings/ID).
 */
#include <stdio.h>
#include <string.h>

#include "control/coap/service_priv.h"

#define INGEST ";rt=\"headrace.ingest\";ct=\"50\";title=\"POST readings\""

/* Does a link match all of the query's arguments? */
static bool is_wanted(const struct coap_call *call, const char *href, const char *attributes)
{
	struct link link = {
	    .href = {(const uint8_t *)href, (uint32_t)strlen(href)},
	    .attributes = {(const uint8_t *)attributes, (uint32_t)strlen(attributes)},
	};
	struct bytes left = {(const uint8_t *)call->query, call->ask->query_bytes}, name, value;
	while (query_next(&left, &name, &value))
		if (!link_matches(&link, name, value))
			return false;
	return true;
}

/* `attributes` begins with a semicolon. */
static void put_link(struct coap_call *call, const char *href, const char *attributes)
{
	struct text *t = &call->reply.body;
	if (is_wanted(call, href, attributes))
		text_add(t, "%s<%s>%s", t->used ? "," : "", href, attributes);
}

/* The URIs of profiles that are one path, each once. */
static void put_profiles(struct coap_call *call)
{
	const struct profile_set *set = call->service->config.profiles;
	for (uint32_t i = 0; i < set->count; i++)
		for (uint32_t u = 0; u < set->profiles[i].uri_count; u++) {
			const char *uri = set->profiles[i].uris[u];
			bool known = strpbrk(uri, "+#") != NULL;
			for (uint32_t j = 0; j <= i && !known; j++)
				for (uint32_t v = 0; v < set->profiles[j].uri_count; v++)
					known |= (j < i || v < u) &&
					         strcmp(set->profiles[j].uris[v], uri) == 0;
			if (!known)
				put_link(call, uri, INGEST);
		}
}

void core_serve(struct coap_call *call)
{
	static const uint16_t formats[] = {CONTENT_LINKS};
	struct coap_service *s = call->service;
	char attributes[256];
	if (!call_method(call, ALLOW_GET) || !call_format(call, formats, 1, &call->reply.format))
		return;
	call->reply.code = CODE_CONTENT;
	call->reply.has_max_age = true;
	call->reply.max_age_s = 3600;
	put_profiles(call);
	for (uint32_t i = 0; i < s->resource_count; i++) {
		const struct resource *r = s->resources[i];
		if (!r->attributes)
			continue;
		snprintf(attributes, sizeof attributes, ";%s", r->attributes);
		put_link(call, r->path, attributes);
	}
}
