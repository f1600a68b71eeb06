/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static void option_extended_delta_and_length_are_added_up(void **state)
{
	(void)state;
	/* RFC 7252 3.1: nibble 13 adds 13, nibble 14 adds 269 */
	static const uint8_t bytes[] = {
	    0xc1, 'a',                /* 12 */
	    0xd0, 0x00,               /* + 13 = 25 */
	    0xe0, 0x00, 0x00,         /* + 269 = 294 */
	    0x0d, 0x00, 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n'};
	struct coap_options o = {bytes, bytes + sizeof bytes, 0};
	struct coap_option option;
	assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
	assert_int_equal(option.number, 12);
	assert_int_equal(option.value.count, 1);
	assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
	assert_int_equal(option.number, 25);
	assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
	assert_int_equal(option.number, 294);
	assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
	assert_int_equal(option.number, 294);
	assert_int_equal(option.value.count, 13);
	assert_int_equal(option.value.data[0], 'b');
	assert_false(coap_options_more(&o));
}

static void option_number_past_65535_is_refused(void **state)
{
	(void)state;
	/* 269 + 0xfef2 = 65535 */
	static const uint8_t bytes[] = {0xe0, 0xfe, 0xf2, 0x10};
	struct coap_options o = {bytes, bytes + sizeof bytes, 0};
	struct coap_option option;
	assert_int_equal(coap_options_next(&o, &option), COAP_WELL_FORMED);
	assert_int_equal(option.number, 65535);
	assert_int_equal(coap_options_next(&o, &option), COUNTER_COAP_ERR_OPTION_LENGTH);
	static const uint8_t more[] = {0xe0, 0xfe, 0xf3};
	o = (struct coap_options){more, more + sizeof more, 0};
	assert_int_equal(coap_options_next(&o, &option), COUNTER_COAP_ERR_OPTION_LENGTH);
}

static void option_uint_takes_leading_zeros(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {0, 0, 0x12, 0x34};
	assert_int_equal(coap_option_uint((struct bytes){bytes, 0}), 0);
	assert_int_equal(coap_option_uint((struct bytes){bytes, 1}), 0);
	assert_int_equal(coap_option_uint((struct bytes){bytes, 4}), 0x1234);
	assert_int_equal(coap_option_uint((struct bytes){bytes + 2, 1}), 0x12);
}

static void option_uint_is_built_without_leading_zeros(void **state)
{
	(void)state;
	static const uint32_t values[] = {0, 1, 255, 256, 65535, 65536, 0xffffff, 0x1000000,
	                                  UINT32_MAX};
	static const uint32_t sizes[] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		const struct coap_message header = {.type = COAP_CON, .code = 1};
		uint8_t out[16];
		struct coap_builder b;
		coap_build_start(&b, out, sizeof out, &header);
		coap_build_uint(&b, COAP_MAX_AGE, values[i]);
		assert_int_equal(coap_build_end(&b), 4 + 2 + sizes[i]); /* 14 = 13 + 1 */
		assert_int_equal(out[4], 0xd0 | sizes[i]);
		assert_int_equal(coap_option_uint((struct bytes){out + 6, sizes[i]}), values[i]);
	}
}

static void option_rules_are_those_of_the_tables(void **state)
{
	(void)state;
	assert_null(coap_option_rule(0));
	assert_null(coap_option_rule(9));
	assert_null(coap_option_rule(65000));
	const struct coap_option_rule *rule = coap_option_rule(COAP_PROXY_URI);
	assert_non_null(rule);
	assert_int_equal(rule->bytes_max, 1034);
	assert_false(rule->repeatable);
	assert_true(coap_option_rule(COAP_URI_PATH)->repeatable);
	assert_true(coap_option_critical(COAP_URI_PATH));
	assert_false(coap_option_critical(COAP_CONTENT_FORMAT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(option_extended_delta_and_length_are_added_up),
	    cmocka_unit_test(option_number_past_65535_is_refused),
	    cmocka_unit_test(option_uint_takes_leading_zeros),
	    cmocka_unit_test(option_uint_is_built_without_leading_zeros),
	    cmocka_unit_test(option_rules_are_those_of_the_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
