/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static enum counter parse(const void *bytes, uint32_t count, struct coap_message *msg)
{
	static uint8_t *exact;
	free(exact); /* the message points into it until the next one */
	exact = malloc(count ? count : 1);
	assert_non_null(exact);
	memcpy(exact, bytes, count);
	return coap_message_parse(exact, count, msg);
}

#define PARSE(msg, ...)                                                                            \
	parse((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), msg)

static void message_of_rfc_figure_16_is_parsed(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x40, 0x01, 0x7d, 0x34, 0xbb, 't', 'e', 'm', 'p', 'e', 'r',
	                       'a', 't', 'u', 'r', 'e'),
	                 COAP_WELL_FORMED);
	assert_int_equal(msg.type, COAP_CON);
	assert_int_equal(msg.code, COAP_GET);
	assert_int_equal(msg.id, 0x7d34);
	assert_int_equal(msg.token_bytes, 0);
	assert_int_equal(msg.options.count, 12);
	assert_null(msg.payload.data);

	assert_int_equal(PARSE(&msg, 0x60, 0x45, 0x7d, 0x34, 0xff, '2', '2', '.', '3', ' ', 'C'),
	                 COAP_WELL_FORMED);
	assert_int_equal(msg.type, COAP_ACK);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5));
	assert_int_equal(msg.payload.count, 6);
	assert_memory_equal(msg.payload.data, "22.3 C", 6);
}

static void message_of_rfc_figure_17_has_its_token(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x41, 0x01, 0x7d, 0x35, 0x20, 0xbb, 't', 'e', 'm', 'p', 'e',
	                       'r', 'a', 't', 'u', 'r', 'e'),
	                 COAP_WELL_FORMED);
	assert_int_equal(msg.token_bytes, 1);
	assert_int_equal(msg.token[0], 0x20);
}

static void message_shorter_than_the_header_is_refused(void **state)
{
	(void)state;
	static const uint8_t header[] = {0x40, 0x00, 0x00};
	struct coap_message msg;
	for (uint32_t count = 0; count <= sizeof header; count++)
		assert_int_equal(parse(header, count, &msg), COUNTER_COAP_ERR_SHORT);
}

static void message_of_another_version_is_refused(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x00, 1, 0, 1), COUNTER_COAP_ERR_VERSION);
	assert_int_equal(PARSE(&msg, 0x80, 1, 0, 1), COUNTER_COAP_ERR_VERSION);
	assert_int_equal(PARSE(&msg, 0xc0, 1, 0, 1), COUNTER_COAP_ERR_VERSION);
}

static void message_with_a_bad_token_is_refused(void **state)
{
	(void)state;
	struct coap_message msg;
	for (uint8_t bytes = 0; bytes < 16; bytes++) {
		const uint8_t datagram[4 + 16] = {(uint8_t)(0x40 | bytes), 1, 0, 1};
		assert_int_equal(parse(datagram, 4 + (uint32_t)bytes, &msg),
		                 bytes <= 8 ? COAP_WELL_FORMED : COUNTER_COAP_ERR_TOKEN);
		if (bytes > 0)
			assert_int_equal(parse(datagram, 3 + (uint32_t)bytes, &msg),
			                 COUNTER_COAP_ERR_TOKEN);
	}
}

static void message_of_a_reserved_class_is_refused(void **state)
{
	(void)state;
	struct coap_message msg;
	for (uint32_t code = 1; code < 256; code++) {
		bool reserved = code >> 5 == 1 || code >> 5 == 6 || code >> 5 == 7;
		assert_int_equal(PARSE(&msg, 0x40, (uint8_t)code, 0, 1),
		                 reserved ? COUNTER_COAP_ERR_CLASS : COAP_WELL_FORMED);
	}
}

static void message_empty_has_four_bytes(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x70, 0, 1, 2), COAP_WELL_FORMED);
	assert_int_equal(msg.id, 0x0102);
	assert_int_equal(PARSE(&msg, 0x40, 0, 1, 2, 0xff, 1), COUNTER_COAP_ERR_EMPTY);
	assert_int_equal(PARSE(&msg, 0x41, 0, 1, 2, 9), COUNTER_COAP_ERR_EMPTY);
	assert_int_equal(PARSE(&msg, 0x41, 0, 1, 2), COUNTER_COAP_ERR_EMPTY);
}

static void message_with_an_empty_payload_is_refused(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xff), COUNTER_COAP_ERR_PAYLOAD);
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xff, 0), COAP_WELL_FORMED);
	assert_int_equal(msg.payload.count, 1);
}

static void message_with_bad_options_is_refused(void **state)
{
	(void)state;
	struct coap_message msg;
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xf0), COUNTER_COAP_ERR_OPTION_RESERVED);
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0x0f), COUNTER_COAP_ERR_OPTION_RESERVED);
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xb2, 'a'), COUNTER_COAP_ERR_OPTION_LENGTH);
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xd0), COUNTER_COAP_ERR_OPTION_LENGTH);
	assert_int_equal(PARSE(&msg, 0x40, 2, 0, 1, 0xe0, 1), COUNTER_COAP_ERR_OPTION_LENGTH);
}

static void message_built_is_parsed_again(void **state)
{
	(void)state;
	struct coap_message header = {.type = COAP_CON, .code = 2, .id = 0xbeef, .token_bytes = 3};
	memcpy(header.token, "abc", 3);
	static uint8_t out[1024];
	static uint8_t long_value[300];
	struct coap_builder b;
	coap_build_start(&b, out, sizeof out, &header);
	coap_build_option(&b, COAP_URI_PATH, "readings", 8);
	coap_build_option(&b, COAP_URI_PATH, long_value, 13);
	coap_build_uint(&b, COAP_CONTENT_FORMAT, 50);
	coap_build_uint(&b, COAP_SIZE1, 0x010203);
	coap_build_option(&b, 2000, long_value, 269);
	coap_build_payload(&b, "hi", 2);
	uint32_t count = coap_build_end(&b);
	assert_int_not_equal(count, 0);

	struct coap_message msg;
	assert_int_equal(parse(out, count, &msg), COAP_WELL_FORMED);
	assert_int_equal(msg.id, 0xbeef);
	assert_memory_equal(msg.token, "abc", 3);
	assert_memory_equal(msg.payload.data, "hi", 2);
	static const struct {
		uint16_t number;
		uint32_t count;
	} expected[] = {{11, 8}, {11, 13}, {12, 1}, {60, 3}, {2000, 269}};
	struct coap_options o = {msg.options.data, msg.options.data + msg.options.count, 0};
	for (size_t i = 0; i < 5; i++) {
		struct coap_option option;
		assert_true(coap_options_more(&o));
		assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
		assert_int_equal(option.number, expected[i].number);
		assert_int_equal(option.value.count, expected[i].count);
		if (option.number == COAP_SIZE1)
			assert_int_equal(coap_option_uint(option.value), 0x010203);
	}
	assert_false(coap_options_more(&o));
}

static void message_that_does_not_fit_is_not_built(void **state)
{
	(void)state;
	const struct coap_message header = {.type = COAP_NON, .code = 2, .token_bytes = 2};
	uint8_t out[64];
	struct coap_builder b;
	/* 4 + 2 + (1 + 3) + (1 + 2) = 13 */
	for (uint32_t room = 0; room <= 16; room++) {
		memset(out, 0xee, sizeof out);
		coap_build_start(&b, out, room, &header);
		coap_build_option(&b, COAP_URI_PATH, "abc", 3);
		coap_build_payload(&b, "de", 2);
		assert_int_equal(coap_build_end(&b), room >= 13 ? 13 : 0);
		for (uint32_t i = room; i < sizeof out; i++)
			assert_int_equal(out[i], 0xee);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(message_of_rfc_figure_16_is_parsed),
	    cmocka_unit_test(message_of_rfc_figure_17_has_its_token),
	    cmocka_unit_test(message_shorter_than_the_header_is_refused),
	    cmocka_unit_test(message_of_another_version_is_refused),
	    cmocka_unit_test(message_with_a_bad_token_is_refused),
	    cmocka_unit_test(message_of_a_reserved_class_is_refused),
	    cmocka_unit_test(message_empty_has_four_bytes),
	    cmocka_unit_test(message_with_an_empty_payload_is_refused),
	    cmocka_unit_test(message_with_bad_options_is_refused),
	    cmocka_unit_test(message_built_is_parsed_again),
	    cmocka_unit_test(message_that_does_not_fit_is_not_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
