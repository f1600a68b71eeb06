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
	assert_string_equal(request.query, "a=1&b=2");
	assert_int_equal(request.query_bytes, 7);
	assert_int_equal(request.accept, 0);
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
	assert_int_equal(request.query_bytes, 0);
	assert_int_equal(request.accept, COAP_FORMAT_NONE);
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
	assert_int_equal(READ(OPT(2, ""), OPT(COAP_URI_PATH, "a"), OPT(65000, "xyz")),
	                 COAP_WELL_FORMED);
	assert_string_equal(request.path, "/a");
}

static void block_options_are_read_and_judged(void **state)
{
	(void)state;
	/* RFC 7959 2.2: NUM 1, M, SZX 2: 64 bytes follow */
	static const char payload_of_64[] = "\x1a";
	const struct opt block1 = {COAP_BLOCK1, payload_of_64, 1};
	assert_int_equal(read_request(COAP_POST, &block1, 1, 64), COAP_WELL_FORMED);
	assert_true(demand.block1.present);
	assert_true(demand.block1.more);
	assert_int_equal(demand.block1.number, 1);
	assert_int_equal(demand.block1.szx, 2);
	assert_false(demand.block2.present);
	assert_int_equal(read_request(COAP_POST, &block1, 1, 63), COUNTER_COAP_REFUSED_BLOCK);
	assert_int_equal(read_request(COAP_POST, &block1, 1, 65), COUNTER_COAP_REFUSED_BLOCK);
	assert_int_equal(read_request(COAP_GET, &block1, 1, 64), COUNTER_COAP_REFUSED_BLOCK);
	/* the last one may be shorter, not longer */
	assert_int_equal(READ(OPT(COAP_BLOCK1, "\x12")), COAP_WELL_FORMED);
	const struct opt last = {COAP_BLOCK1, "\x12", 1};
	assert_int_equal(read_request(COAP_POST, &last, 1, 65), COUNTER_COAP_REFUSED_BLOCK);
	/* the reserved size */
	assert_int_equal(READ(OPT(COAP_BLOCK1, "\x07")), COUNTER_COAP_REFUSED_BLOCK);
	assert_int_equal(READ(OPT(COAP_BLOCK2, "\x17")), COUNTER_COAP_REFUSED_BLOCK);
	/* the largest number, and an empty option */
	assert_int_equal(READ(OPT(COAP_BLOCK2, "\xff\xff\xf6")), COAP_WELL_FORMED);
	assert_int_equal(demand.block2.number, COAP_BLOCK_NUMBERS - 1);
	assert_int_equal(READ(OPT(COAP_BLOCK2, "")), COAP_WELL_FORMED);
	assert_true(demand.block2.present);
	assert_int_equal(demand.block2.szx, 0);
	assert_int_equal(READ(OPT(COAP_BLOCK2, "abcd")), COUNTER_COAP_REFUSED_OPTION);
}

static void request_whose_body_will_be_too_long_is_refused_at_once(void **state)
{
	(void)state;
	const struct opt options[] = {OPT(COAP_BLOCK1, "\x0e"), OPT(COAP_SIZE1, "\x04\x01")};
	assert_int_equal(read_request(COAP_PUT, options, 2, 1024), COUNTER_COAP_REFUSED_SIZE);
	const struct opt fits[] = {OPT(COAP_BLOCK1, "\x0e"), OPT(COAP_SIZE1, "\x04\x00")};
	assert_int_equal(read_request(COAP_PUT, fits, 2, 1024), COAP_WELL_FORMED);
}

static void observe_is_for_get_alone(void **state)
{
	(void)state;
	const struct opt register_it = OPT(COAP_OBSERVE, ""), cancel = OPT(COAP_OBSERVE, "\x01");
	const struct opt other = OPT(COAP_OBSERVE, "\x02"), too_long = OPT(COAP_OBSERVE, "abcd");
	assert_int_equal(read_request(COAP_GET, &register_it, 1, 0), COAP_WELL_FORMED);
	assert_int_equal(demand.observe, COAP_OBSERVE_REGISTER);
	assert_int_equal(read_request(COAP_GET, &cancel, 1, 0), COAP_WELL_FORMED);
	assert_int_equal(demand.observe, COAP_OBSERVE_CANCEL);
	assert_int_equal(read_request(COAP_GET, &other, 1, 0), COAP_WELL_FORMED);
	assert_int_equal(demand.observe, COAP_OBSERVE_NONE);
	assert_int_equal(read_request(COAP_GET, &too_long, 1, 0), COAP_WELL_FORMED);
	assert_int_equal(demand.observe, COAP_OBSERVE_NONE);
	assert_int_equal(read_request(COAP_POST, &register_it, 1, 0), COAP_WELL_FORMED);
	assert_int_equal(demand.observe, COAP_OBSERVE_NONE);
}

static void query_that_can_not_be_kept_is_not_understood(void **state)
{
	(void)state;
	char argument[255];
	memset(argument, 'q', sizeof argument);
	const struct opt options[] = {{COAP_URI_QUERY, argument, 255},
	                              {COAP_URI_QUERY, argument, 255}};
	assert_int_equal(read_request(COAP_GET, options, 2, 0), COAP_WELL_FORMED);
	assert_int_equal(request.query_bytes, 511);
	assert_int_equal(strlen(request.query), 511);
	const struct opt three[] = {options[0], options[0], {COAP_URI_QUERY, "", 0}};
	assert_int_equal(read_request(COAP_GET, three, 3, 0), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(demand.bad_option, COAP_URI_QUERY);
	assert_int_equal(READ(OPT(COAP_URI_QUERY, "a&b")), COUNTER_COAP_REFUSED_OPTION);
	assert_int_equal(READ(OPT(COAP_URI_QUERY, "a\0b")), COUNTER_COAP_REFUSED_OPTION);
}

static void etags_are_read_up_to_their_number(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_ETAG, "12345678"), OPT(COAP_ETAG, "b"), OPT(COAP_ETAG, "c"),
	                      OPT(COAP_ETAG, "d"), OPT(COAP_ETAG, "e")),
	                 COAP_WELL_FORMED);
	assert_int_equal(request.etag_count, COAP_ETAGS_MAX);
	assert_int_equal(request.etags[0].bytes, 8);
	assert_memory_equal(request.etags[0].value, "12345678", 8);
	assert_int_equal(request.etags[3].value[0], 'd');
	assert_int_equal(READ(OPT(COAP_ETAG, "123456789")), COAP_WELL_FORMED); /* elective */
	assert_int_equal(request.etag_count, 0);
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

static void conditions_are_read(void **state)
{
	(void)state;
	assert_int_equal(READ(OPT(COAP_IF_NONE_MATCH, "")), COAP_WELL_FORMED);
	assert_true(request.if_none_match);
	assert_false(request.if_match);
	assert_int_equal(READ(OPT(COAP_IF_MATCH, "etag"), OPT(COAP_IF_MATCH, "")),
	                 COAP_WELL_FORMED);
	assert_true(request.if_match);
	assert_int_equal(request.match_count, 1);
	assert_memory_equal(request.matches[0].value, "etag", 4);
	assert_int_equal(READ(OPT(COAP_IF_MATCH, "")), COAP_WELL_FORMED); /* 5.10.8.1: exists */
	assert_true(request.if_match);
	assert_int_equal(request.match_count, 0);
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
	    cmocka_unit_test(block_options_are_read_and_judged),
	    cmocka_unit_test(request_whose_body_will_be_too_long_is_refused_at_once),
	    cmocka_unit_test(observe_is_for_get_alone),
	    cmocka_unit_test(query_that_can_not_be_kept_is_not_understood),
	    cmocka_unit_test(etags_are_read_up_to_their_number),
	    cmocka_unit_test(option_of_a_wrong_length_is_as_if_unknown),
	    cmocka_unit_test(option_repeated_against_its_rule_is_as_if_unknown),
	    cmocka_unit_test(request_of_another_method_is_refused),
	    cmocka_unit_test(request_to_a_proxy_is_refused),
	    cmocka_unit_test(conditions_are_read),
	    cmocka_unit_test(request_payload_over_the_limit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
