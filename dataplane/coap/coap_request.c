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
	bool wants_proxy, bad_path, bad_block;
};

/* An option that is not understood: elective ones are as good as absent (5.4.1). */
static void not_understood(struct reader *r, uint16_t number)
{
	if (!coap_option_critical(number) || r->why != COAP_WELL_FORMED)
		return;
	r->why = COUNTER_COAP_REFUSED_OPTION;
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

/* An argument that can't be kept as it is, is not understood. */
static void add_argument(struct reader *r, struct bytes argument)
{
	struct coap_request *q = r->request;
	if (memchr(argument.data, 0, argument.count) ||
	    memchr(argument.data, '&', argument.count) ||
	    q->query_bytes + 1 + argument.count >= sizeof q->query) {
		not_understood(r, COAP_URI_QUERY);
		return;
	}
	if (q->query_bytes > 0)
		q->query[q->query_bytes++] = '&';
	memcpy(q->query + q->query_bytes, argument.data, argument.count);
	q->query_bytes = (uint16_t)(q->query_bytes + argument.count);
}

static void add_etag(struct coap_etag etags[COAP_ETAGS_MAX], uint8_t *count, struct bytes value)
{
	if (value.count == 0 || *count == COAP_ETAGS_MAX)
		return;
	struct coap_etag *etag = &etags[(*count)++];
	*etag = (struct coap_etag){.bytes = (uint8_t)value.count};
	memcpy(etag->value, value.data, value.count);
}

static void take_block(struct reader *r, struct coap_block *block, struct bytes value)
{
	*block = coap_block_read(value);
	r->bad_block |= block->szx > COAP_SZX_MAX; /* RFC 7959 2.2 */
}

/* RFC 7641 2: 0 registers, 1 deregisters; only with GET, and nothing else has a meaning. */
static void take_observe(struct reader *r, struct bytes value)
{
	uint32_t v = coap_option_uint(value);
	if (r->request->method == COAP_GET && v <= 1)
		r->demand->observe = v == 0 ? COAP_OBSERVE_REGISTER : COAP_OBSERVE_CANCEL;
}

static void take_request_tag(struct reader *r, struct bytes value)
{
	for (uint32_t i = 0; i < value.count; i++)
		r->demand->request_tag = r->demand->request_tag * 257 + value.data[i] + 1;
	r->demand->request_tag = r->demand->request_tag * 257 + 256;
}

/* An option of legal length, at its first or a permitted further occurrence. */
static void understood(struct reader *r, const struct coap_option *o)
{
	struct coap_request *q = r->request;
	switch (o->number) {
	case COAP_URI_PATH:
		add_segment(r, o->value);
		break;
	case COAP_URI_QUERY:
		add_argument(r, o->value);
		break;
	case COAP_CONTENT_FORMAT:
		q->content_format = (uint16_t)coap_option_uint(o->value);
		break;
	case COAP_ACCEPT:
		q->accept = (uint16_t)coap_option_uint(o->value);
		break;
	case COAP_ETAG:
		add_etag(q->etags, &q->etag_count, o->value);
		break;
	case COAP_IF_MATCH:
		q->if_match = true;
		add_etag(q->matches, &q->match_count, o->value);
		break;
	case COAP_IF_NONE_MATCH:
		q->if_none_match = true;
		break;
	case COAP_OBSERVE:
		take_observe(r, o->value);
		break;
	case COAP_BLOCK1:
		take_block(r, &r->demand->block1, o->value);
		break;
	case COAP_BLOCK2:
		take_block(r, &r->demand->block2, o->value);
		break;
	case COAP_SIZE1:
		r->demand->size1 = coap_option_uint(o->value);
		break;
	case COAP_REQUEST_TAG:
		take_request_tag(r, o->value);
		break;
	case COAP_NO_RESPONSE:
		r->demand->no_response = (uint8_t)coap_option_uint(o->value);
		break;
	case COAP_PROXY_URI:
	case COAP_PROXY_SCHEME:
		r->wants_proxy = true;
		break;
	default:
		break; /* Uri-Host, Uri-Port, Size2, Hop-Limit ...: nothing depends on them */
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

static void request_init(struct coap_request *request, const struct coap_message *msg)
{
	request->confirmable = msg->type == COAP_CON;
	request->method = msg->code;
	request->content_format = request->accept = COAP_FORMAT_NONE;
	request->observe = request->if_match = request->if_none_match = false;
	request->observer = 0;
	request->etag_count = request->match_count = 0;
	request->path_bytes = request->query_bytes = 0;
	request->payload = msg->payload;
}

/* What is wrong with the options as a whole. */
static enum counter judge(const struct reader *r, uint32_t payload_bytes_max)
{
	const struct coap_request *q = r->request;
	const struct coap_block *block1 = &r->demand->block1;
	if (r->why != COAP_WELL_FORMED)
		return r->why;
	if (!method_known(q->method))
		return COUNTER_COAP_REFUSED_METHOD; /* 5.8 */
	if (r->wants_proxy)
		return COUNTER_COAP_REFUSED_PROXY; /* 5.10.2 */
	if (r->bad_path)
		return COUNTER_COAP_REFUSED_PATH; /* 5.10.1 */
	bool has_body = q->method == COAP_POST || q->method == COAP_PUT;
	bool wrong_size =
	    block1->present && (block1->more ? q->payload.count != coap_block_bytes(block1->szx)
	                                     : q->payload.count > coap_block_bytes(block1->szx));
	if (r->bad_block || (block1->present && !has_body) || wrong_size)
		return COUNTER_COAP_REFUSED_BLOCK; /* RFC 7959 2.2, 2.3 */
	if (q->payload.count > payload_bytes_max || r->demand->size1 > payload_bytes_max)
		return COUNTER_COAP_REFUSED_SIZE; /* 5.9.2.9, RFC 7959 4 */
	return COAP_WELL_FORMED;
}

enum counter coap_request_read(const struct coap_message *msg, uint32_t payload_bytes_max,
                               struct coap_request *request, struct coap_demand *demand)
{
	struct reader r = {.request = request, .demand = demand, .why = COAP_WELL_FORMED};
	request_init(request, msg);
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
	request->query[request->query_bytes] = '\0';
	return judge(&r, payload_bytes_max);
}
