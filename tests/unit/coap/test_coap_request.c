/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static uint8_t datagram[4096];
static struct coap_request request;
static struct coap_demand demand;

struct opt {
	uint16_t number;
	const char *value;
	uint32_t count;
};

/* Build a request of these options and read it. */
static enum counter read_request(uint8_t code, const struct opt *options, size_t n,
                                 uint32_t payload_bytes)
{
	static const uint8_t payload[2048];
	struct coap_message header = {.type = COAP_CON, .code = code, .id = 7};
	struct coap_builder b;
	coap_build_start(&b, datagram, sizeof datagram, &header);
	for (size_t i = 0; i < n; i++)
		coap_build_option(&b, options[i].number, options[i].value, options[i].count);
	coap_build_payload(&b, payload, payload_bytes);
	uint32_t count = coap_build_end(&b);
	assert_int_not_equal(count, 0);
	struct coap_message msg;
	assert_int_equal(coap_message_parse(datagram, count, &msg), COAP_WELL_FORMED);
	return coap_request_read(&msg, 1024, &request, &demand);
}

#define READ(...)                                                                                  \
	read_request(COAP_POST, (const struct opt[]){__VA_ARGS__},                                 \
	             sizeof((const struct opt[]){__VA_ARGS__}) / sizeof(struct opt), 1)

#define OPT(number, literal) {number, literal, sizeof(literal) - 1}

static void request_with_known_options_is_read(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_URI_HOST, "meter.example"), OPT(COAP_URI_PORT, "\x16\x33"),
	                      OPT(COAP_URI_PATH, "v1"), OPT(COAP_URI_PATH, "readings"),
	                      OPT(COAP_CONTENT_FORMAT, "\x32"), OPT(COAP_URI_QUERY, "a=1"),
	                      OPT(COAP_URI_QUERY, "b=2"), OPT(COAP_ACCEPT, ""),
	                      OPT(COAP_SIZE1, "\x01"), OPT(COAP_NO_RESPONSE, "\x1a")),
	                 COAP_WELL_FORMED);
	assert_string_equal(request.path, "/v1/readings");
	assert_int_equal(request.path_bytes, 12);
	assert_int_equal(request.content_format, 50);
	assert_int_equal(request.query.count, 3);
	assert_memory_equal(request.query.data, "a=1", 3);
	assert_int_equal(request.payload.count, 1);
	assert_int_equal(request.method, COAP_POST);
	assert_true(request.confirmable);
	assert_int_equal(demand.no_response, 0x1a);
}

static void request_without_options_is_for_the_root(void **state)
{
	(void)state;
	assert_int_equal(read_request(COAP_GET, NULL, 0, 0), COAP_WELL_FORMED);
	assert_string_equal(request.path, "/");
	assert_int_equal(request.content_format, COAP_FORMAT_NONE);
	assert_int_equal(request.query.count, 0);
	assert_int_equal(request.payload.count, 0);
}

static void request_for_another_path_is_not_aliased(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_URI_PATH, "a/b")), COUNTER_COAP_REFUSED_PATH);
	assert_int_equal(READ(OPT(COAP_URI_PATH, "a\0b")), COUNTER_COAP_REFUSED_PATH);
	assert_int_equal(READ(OPT(COAP_URI_PATH, "a"), OPT(COAP_URI_PATH, "..")),
	                 COUNTER_COAP_REFUSED_PATH);
	assert_int_equal(READ(OPT(COAP_URI_PATH, ".")), COUNTER_COAP_REFUSED_PATH);
	assert_int_equal(READ(OPT(COAP_URI_PATH, ".well-known"), OPT(COAP_URI_PATH, "core")),
	                 COAP_WELL_FORMED);
	assert_int_equal(READ(OPT(COAP_URI_PATH, "a"), OPT(COAP_URI_PATH, "")), COAP_WELL_FORMED);
	assert_string_equal(request.path, "/a/");
}

static void request_path_fills_its_room_exactly(void **state)
{
	(void)state;
	char segment[256];
	memset(segment, 's', sizeof segment);
	for (uint32_t count = 250; count <= 255; count++) {
		const struct opt option = {COAP_URI_PATH, segment, count};
		enum counter why = read_request(COAP_POST, &option, 1, 1);
		/* '/', the segment and the final 0 */
		if (1 + count + 1 <= sizeof request.path) {
			assert_int_equal(why, COAP_WELL_FORMED);
			assert_int_equal(request.path_bytes, 1 + count);
			assert_int_equal(strlen(request.path), 1 + count);
		} else {
			assert_int_equal(why, COUNTER_COAP_REFUSED_PATH);
		}
	}
}

static void request_with_an_unknown_critical_option_is_refused(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(9, "x")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(demand.bad_option, 9);
	assert_int_equal(READ(OPT(65001, "")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(demand.bad_option, 65001);
}

static void request_with_an_unknown_elective_option_is_read(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(6, ""), OPT(COAP_URI_PATH, "a"), OPT(65000, "xyz")),
	                 COAP_WELL_FORMED);
	assert_string_equal(request.path, "/a");
}

static void request_with_block_options_is_refused(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_BLOCK1, "\x0e")), COUNTER_COAP_REFUSED_BLOCK);
	assert_int_equal(demand.bad_option, 27);
	assert_int_equal(READ(OPT(COAP_BLOCK2, "")), COUNTER_COAP_REFUSED_BLOCK);
	assert_int_equal(demand.bad_option, 23);
}

static void option_of_a_wrong_length_is_as_if_unknown(void **state)
{
	(void)state;
	/* 5.4.3: critical */
	assert_int_equal(READ(OPT(COAP_URI_PORT, "abc")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(READ(OPT(COAP_URI_HOST, "")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(READ(OPT(COAP_IF_NONE_MATCH, "x")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(READ(OPT(COAP_ACCEPT, "abc")), COUNTER_COAP_REFUSED_OPTION);
	/* elective */
	assert_int_equal(READ(OPT(COAP_CONTENT_FORMAT, "abc")), COAP_WELL_FORMED);
	assert_int_equal(request.content_format, COAP_FORMAT_NONE);
	assert_int_equal(READ(OPT(COAP_NO_RESPONSE, "\x02\x02")), COAP_WELL_FORMED);
	assert_int_equal(demand.no_response, 0);
}

static void option_repeated_against_its_rule_is_as_if_unknown(void **state)
{
	(void)state;
	/* 5.4.5: critical */
	assert_int_equal(READ(OPT(COAP_URI_HOST, "a"), OPT(COAP_URI_HOST, "b")),
	                 COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(demand.bad_option, COAP_URI_HOST);
	/* elective: the first counts */
	assert_int_equal(READ(OPT(COAP_CONTENT_FORMAT, "\x32"), OPT(COAP_CONTENT_FORMAT, "\x3c")),
	                 COAP_WELL_FORMED);
	assert_int_equal(request.content_format, 50);
}

static void request_of_another_method_is_refused(void **state)
{
	(void)state;
	for (uint8_t code = 1; code < 32; code++)
		assert_int_equal(read_request(code, NULL, 0, 0),
		                 code <= 4 ? COAP_WELL_FORMED : COUNTER_COAP_REFUSED_METHOD);
}

static void request_to_a_proxy_is_refused(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_PROXY_URI, "coap://x/")), COUNTER_COAP_REFUSED_PROXY);
	assert_int_equal(READ(OPT(COAP_PROXY_SCHEME, "coap")), COUNTER_COAP_REFUSED_PROXY);
}

static void request_on_a_condition_is_judged(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_IF_NONE_MATCH, "")), COUNTER_COAP_REFUSED_CONDITION);
	assert_int_equal(READ(OPT(COAP_IF_MATCH, "etag")), COUNTER_COAP_REFUSED_CONDITION);
	assert_int_equal(READ(OPT(COAP_IF_MATCH, "")), COAP_WELL_FORMED);
}

static void request_payload_over_the_limit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(read_request(COAP_POST, NULL, 0, 1024), COAP_WELL_FORMED);
	assert_int_equal(request.payload.count, 1024);
	assert_int_equal(read_request(COAP_POST, NULL, 0, 1025), COUNTER_COAP_REFUSED_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_with_known_options_is_read),
	    cmocka_unit_test(request_without_options_is_for_the_root),
	    cmocka_unit_test(request_for_another_path_is_not_aliased),
	    cmocka_unit_test(request_path_fills_its_room_exactly),
	    cmocka_unit_test(request_with_an_unknown_critical_option_is_refused),
	    cmocka_unit_test(request_with_an_unknown_elective_option_is_read),
	    cmocka_unit_test(request_with_block_options_is_refused),
	    cmocka_unit_test(option_of_a_wrong_length_is_as_if_unknown),
	    cmocka_unit_test(option_repeated_against_its_rule_is_as_if_unknown),
	    cmocka_unit_test(request_of_another_method_is_refused),
	    cmocka_unit_test(request_to_a_proxy_is_refused),
	    cmocka_unit_test(request_on_a_condition_is_judged),
	    cmocka_unit_test(request_payload_over_the_limit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
