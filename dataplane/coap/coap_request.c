/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the options of a request to what the application sees, or to the reason why it is refused
 * (RFC 7252 5.4, 5.8, 5.10). Input: a well-formed message with untrusted contents. Pure.
 */
#include "coap/coap_priv.h"

struct reader {
	struct coap_request *request;
	struct coap_demand *demand;
	enum counter why; /* the first reason to refuse */
	uint16_t last;    /* number of the option before this one */
	bool has_query, wants_proxy, fails_condition, bad_path;
};

/* An option that is not understood: elective ones are as good as absent (5.4.1). */
static void not_understood(struct reader *r, uint16_t number)
{
	if (!coap_option_critical(number) || r->why != COAP_WELL_FORMED)
		return;
	bool block = number == COAP_BLOCK1 || number == COAP_BLOCK2;
	r->why = block ? COUNTER_COAP_REFUSED_BLOCK : COUNTER_COAP_REFUSED_OPTION;
	r->demand->bad_option = number;
}

/* A segment that no resource of ours has, since its joined path would mean another one, or
 * "." and ".." (5.10.1), or one too many for the path to be kept. */
static bool segment_bad(const struct reader *r, struct bytes s)
{
	bool dots = (s.count == 1 && s.data[0] == '.') ||
	            (s.count == 2 && s.data[0] == '.' && s.data[1] == '.');
	return dots || memchr(s.data, '/', s.count) || memchr(s.data, 0, s.count) ||
	       r->request->path_bytes + 1 + s.count >= sizeof r->request->path;
}

static void add_segment(struct reader *r, struct bytes segment)
{
	struct coap_request *q = r->request;
	if (r->bad_path || segment_bad(r, segment)) {
		r->bad_path = true;
		return;
	}
	q->path[q->path_bytes++] = '/';
	memcpy(q->path + q->path_bytes, segment.data, segment.count);
	q->path_bytes = (uint16_t)(q->path_bytes + segment.count);
}

/* An option of legal length, at its first or a permitted further occurrence. */
static void understood(struct reader *r, const struct coap_option *o)
{
	switch (o->number) {
	case COAP_URI_PATH:
		add_segment(r, o->value);
		break;
	case COAP_URI_QUERY:
		if (!r->has_query)
			r->request->query = o->value;
		r->has_query = true;
		break;
	case COAP_CONTENT_FORMAT:
		r->request->content_format = (uint16_t)coap_option_uint(o->value);
		break;
	case COAP_NO_RESPONSE:
		r->demand->no_response = (uint8_t)coap_option_uint(o->value);
		break;
	case COAP_PROXY_URI:
	case COAP_PROXY_SCHEME:
		r->wants_proxy = true;
		break;
	case COAP_IF_NONE_MATCH:
		r->fails_condition = true; /* 5.10.8.2: what can be sent to does exist */
		break;
	case COAP_IF_MATCH:
		r->fails_condition |= o->value.count > 0; /* 5.10.8.1: nothing has an ETag */
		break;
	case COAP_BLOCK1:
	case COAP_BLOCK2:
		not_understood(r, o->number); /* RFC 7959, not in this release */
		break;
	default:
		break; /* Uri-Host, Uri-Port, Accept, Size1, ETag ...: nothing depends on them */
	}
}

static void read_option(struct reader *r, const struct coap_option *o)
{
	const struct coap_option_rule *rule = coap_option_rule(o->number);
	bool again = o->number == r->last;
	r->last = o->number;
	if (!rule) /* 5.4.1 */
		not_understood(r, o->number);
	else if (o->value.count < rule->bytes_min || o->value.count > rule->bytes_max) /* 5.4.3 */
		not_understood(r, o->number);
	else if (again && !rule->repeatable) /* 5.4.5 */
		not_understood(r, o->number);
	else
		understood(r, o);
}

static bool method_known(uint8_t code)
{
	return code >= COAP_GET && code <= COAP_DELETE;
}

enum counter coap_request_read(const struct coap_message *msg, uint32_t payload_bytes_max,
                               struct coap_request *request, struct coap_demand *demand)
{
	struct reader r = {.request = request, .demand = demand, .why = COAP_WELL_FORMED};
	request->confirmable = msg->type == COAP_CON;
	request->method = msg->code;
	request->content_format = COAP_FORMAT_NONE;
	request->path_bytes = 0;
	request->query = (struct bytes){NULL, 0};
	request->payload = msg->payload;
	*demand = (struct coap_demand){0};

	const uint8_t *end = msg->options.data + msg->options.count;
	struct coap_options options = {msg->options.data, end, 0};
	struct coap_option option;
	while (coap_options_more(&options)) {
		enum counter why = coap_options_next(&options, &option);
		if (why != COAP_WELL_FORMED)
			return why;
		read_option(&r, &option);
	}
	if (request->path_bytes == 0)
		request->path[request->path_bytes++] = '/';
	request->path[request->path_bytes] = '\0';

	if (r.why != COAP_WELL_FORMED)
		return r.why;
	if (!method_known(msg->code))
		return COUNTER_COAP_REFUSED_METHOD; /* 5.8 */
	if (r.wants_proxy)
		return COUNTER_COAP_REFUSED_PROXY; /* 5.10.2 */
	if (r.bad_path)
		return COUNTER_COAP_REFUSED_PATH; /* 5.10.1 */
	if (r.fails_condition)
		return COUNTER_COAP_REFUSED_CONDITION; /* 5.10.8 */
	if (msg->payload.count > payload_bytes_max)
		return COUNTER_COAP_REFUSED_SIZE; /* 5.9.2.9 */
	return COAP_WELL_FORMED;
}
