/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP messages. Oracles: a well-formed message, taken apart and built again, gives the same bytes
 * (the encoding is unique); spans lie inside the datagram; a request that is read has a path that
 * ends inside its array; nothing depends on bytes behind the datagram (exact buffers).
 */
#include <stdlib.h>

#include "base/check.h"
#include "coap/coap_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_inside(const uint8_t *data, size_t bytes, struct bytes b)
{
	CHECK(b.count == 0 || (b.data >= data && b.data + b.count <= data + bytes));
}

static void check_rebuilt(const uint8_t *data, size_t bytes, const struct coap_message *msg)
{
	uint8_t *out = malloc(bytes);
	CHECK(out != NULL);
	struct coap_builder b;
	coap_build_start(&b, out, (uint32_t)bytes, msg);
	struct coap_options o = {msg->options.data, msg->options.data + msg->options.count, 0};
	struct coap_option option;
	while (msg->options.count > 0 && coap_options_more(&o)) {
		CHECK(coap_options_next(&o, &option) == COAP_WELL_FORMED);
		check_inside(data, bytes, option.value);
		coap_build_option(&b, option.number, option.value.data, option.value.count);
	}
	coap_build_payload(&b, msg->payload.data, msg->payload.count);
	CHECK_OP(coap_build_end(&b), ==, bytes);
	CHECK(memcmp(out, data, bytes) == 0);
	free(out);
}

static void check_request(const uint8_t *data, size_t bytes, const struct coap_message *msg)
{
	static struct coap_request request;
	struct coap_demand demand;
	memset(request.path, 'z', sizeof request.path);
	enum counter why = coap_request_read(msg, 1024, &request, &demand);
	if (why == COUNTER_COAP_REFUSED_OPTION)
		CHECK_OP(demand.bad_option & 1, ==, 1);
	CHECK_OP(request.path_bytes, >, 0);
	CHECK_OP(request.path_bytes, <, sizeof request.path);
	CHECK_OP(request.path[0], ==, '/');
	CHECK_OP(strlen(request.path), ==, request.path_bytes);
	CHECK_OP(request.query_bytes, <, sizeof request.query);
	CHECK_OP(strlen(request.query), ==, request.query_bytes);
	CHECK_OP(request.etag_count, <=, COAP_ETAGS_MAX);
	CHECK_OP(request.match_count, <=, COAP_ETAGS_MAX);
	check_inside(data, bytes, request.payload);
	if (why == COAP_WELL_FORMED) {
		CHECK(request.method >= COAP_GET && request.method <= COAP_DELETE);
		CHECK_OP(request.payload.count, <=, 1024u);
		CHECK_OP(demand.block1.szx, <=, COAP_SZX_MAX);
		CHECK_OP(demand.block2.szx, <=, COAP_SZX_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct coap_message msg;
	enum counter why = coap_message_parse(data, (uint32_t)bytes, &msg);
	if (bytes >= COAP_HEADER_BYTES)
		CHECK_OP(msg.id, ==, get_be16(data + 2));
	if (why != COAP_WELL_FORMED) {
		CHECK(why >= COUNTER_COAP_ERR_SHORT && why <= COUNTER_COAP_ERR_PAYLOAD);
		return 0;
	}
	CHECK(msg.token_bytes <= COAP_TOKEN_BYTES);
	check_inside(data, bytes, msg.options);
	check_inside(data, bytes, msg.payload);
	check_rebuilt(data, bytes, &msg);
	if (COAP_CLASS(msg.code) == 0 && msg.code != COAP_EMPTY)
		check_request(data, bytes, &msg);
	return 0;
}
