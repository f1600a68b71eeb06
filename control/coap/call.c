/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "control/coap/service_priv.h"

void call_problem(struct coap_call *call, uint8_t code, const char *format, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	call->reply.code = code;
	call->reply.format = COAP_FORMAT_NONE;
	call->reply.has_max_age = false;
	call->reply.etag.bytes = 0;
	call->reply.body.used = 0;
	call->reply.body.failed = false;
	text_put(&call->reply.body, text, strlen(text));
}

bool call_method(struct coap_call *call, uint32_t allowed)
{
	if (allowed >> call->ask->method & 1)
		return true;
	call_problem(call, CODE_NOT_ALLOWED, "%s", "");
	return false;
}

bool call_format(struct coap_call *call, const uint16_t *formats, uint32_t count, uint16_t *out)
{
	uint16_t accept = call->ask->accept;
	for (uint32_t i = 0; i < count; i++)
		if (accept == COAP_FORMAT_NONE || accept == formats[i]) {
			*out = formats[i];
			return true;
		}
	call_problem(call, CODE_NOT_ACCEPTABLE, "content format %u is not offered", accept);
	return false;
}

bool call_query(const struct coap_call *call, const char *name, struct bytes *value)
{
	struct bytes left = {(const uint8_t *)call->query, call->ask->query_bytes}, found;
	while (query_next(&left, &found, value))
		if (bytes_are(found, name))
			return true;
	return false;
}

static bool etag_same(const struct coap_etag *a, const struct coap_etag *b)
{
	return a->bytes == b->bytes && memcmp(a->value, b->value, a->bytes) == 0;
}

bool call_condition(struct coap_call *call, const struct coap_etag *existing)
{
	const struct coap_ask *ask = call->ask;
	bool holds = true;
	if (ask->flags & COAP_ASK_IF_NONE_MATCH)
		holds = !existing;
	if (ask->flags & COAP_ASK_IF_MATCH) {
		/* an empty one, which is not among the matches, is fulfilled by any state */
		bool matched = existing && ask->match_count == 0;
		for (uint32_t i = 0; i < ask->match_count && existing; i++)
			matched |= etag_same(&ask->matches[i], existing);
		holds &= matched;
	}
	if (!holds)
		call_problem(call, CODE_PRECONDITION, "%s", "");
	return holds;
}

struct coap_etag etag_of(const void *bytes, size_t count, uint16_t format)
{
	char text[9]; /* as text: some clients take entity tags for strings */
	struct coap_etag etag = {.bytes = sizeof etag.value};
	snprintf(text, sizeof text, "%08x", crc32c(format, bytes, count));
	memcpy(etag.value, text, sizeof etag.value);
	return etag;
}

void call_validate(struct coap_call *call)
{
	struct coap_reply *r = &call->reply;
	const struct coap_ask *ask = call->ask;
	if (ask->method != COAP_GET || r->code != CODE_CONTENT)
		return;
	if (r->etag.bytes == 0)
		r->etag = etag_of(r->body.data, r->body.used, r->format);
	for (uint32_t i = 0; i < ask->etag_count; i++)
		if (etag_same(&ask->etags[i], &r->etag)) {
			r->code = CODE_VALID;
			r->format = COAP_FORMAT_NONE;
			r->body.used = 0;
		}
}
