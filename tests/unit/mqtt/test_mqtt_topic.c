/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static enum counter checked(enum counter (*check)(const uint8_t *, uint32_t), const void *text,
			    uint32_t count)
{
	uint8_t *exact = malloc(count ? count : 1);
	assert_non_null(exact);
	memcpy(exact, text, count);
	enum counter why = check(exact, count);
	free(exact);
	return why;
}

#define NAME(literal)   checked(mqtt_topic_name_check, literal, sizeof(literal) - 1)
#define FILTER(literal) checked(mqtt_topic_filter_check, literal, sizeof(literal) - 1)

static void name_without_wildcards_is_taken(void **state)
{
	(void)state;
	assert_int_equal(NAME("a"), MQTT_WELL_FORMED);
	assert_int_equal(NAME("/"), MQTT_WELL_FORMED);
	assert_int_equal(NAME("/finance"), MQTT_WELL_FORMED);
	assert_int_equal(NAME("Accounts payable"), MQTT_WELL_FORMED); /* 4.7.3: spaces */
	assert_int_equal(NAME("sport/tennis/player1/score/wimbledon"), MQTT_WELL_FORMED);
	assert_int_equal(NAME("z\xc3\xa4hler/0815/\xe2\x82\xac"), MQTT_WELL_FORMED);
	assert_int_equal(NAME("$SYS/x"), MQTT_WELL_FORMED);
}

static void name_empty_is_refused(void **state)
{
	(void)state;
	assert_int_equal(NAME(""), COUNTER_MQTT_ERR_TOPIC_EMPTY);
	assert_int_equal(FILTER(""), COUNTER_MQTT_ERR_TOPIC_EMPTY);
}

/* Every length and place, since the check works on pieces of 16 and 8 bytes. */
static void name_with_a_bad_byte_anywhere_is_refused(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 50; count++) {
		for (uint32_t at = 0; at < count; at++) {
			uint8_t text[50];
			memset(text, 'x', sizeof text);
			assert_int_equal(checked(mqtt_topic_name_check, text, count),
					 MQTT_WELL_FORMED);
			text[at] = '+';
			assert_int_equal(checked(mqtt_topic_name_check, text, count),
					 COUNTER_MQTT_ERR_TOPIC_WILDCARD);
			text[at] = '#';
			assert_int_equal(checked(mqtt_topic_name_check, text, count),
					 COUNTER_MQTT_ERR_TOPIC_WILDCARD);
			text[at] = 0;
			assert_int_equal(checked(mqtt_topic_name_check, text, count),
					 COUNTER_MQTT_ERR_UTF8);
			text[at] = 0x80;
			assert_int_equal(checked(mqtt_topic_name_check, text, count),
					 COUNTER_MQTT_ERR_UTF8);
		}
	}
}

static void filter_examples_of_the_standard(void **state)
{
	(void)state;
	/* 4.7.1.2 */
	assert_int_equal(FILTER("sport/tennis/player1/#"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("#"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("sport/tennis/#"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("sport/tennis#"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("sport/tennis/#/ranking"), COUNTER_MQTT_ERR_FILTER);
	/* 4.7.1.3 */
	assert_int_equal(FILTER("+"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("+/tennis/#"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("sport+"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("sport/+/player1"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("/+"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("+/+"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("++"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("+x"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("+#"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("##"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("a\xff"), COUNTER_MQTT_ERR_UTF8);
	/* MQTT5 4.8.2 */
	assert_int_equal(FILTER("$share/consumer1/sport/tennis/+"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("$share/consumer1//finance"), MQTT_WELL_FORMED);
	assert_int_equal(FILTER("$share//finance"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("$share/consumer1/"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("$share/consumer1"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("$share/+/x"), COUNTER_MQTT_ERR_FILTER);
	assert_int_equal(FILTER("$shared/x"), MQTT_WELL_FORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(name_without_wildcards_is_taken),
	    cmocka_unit_test(name_empty_is_refused),
	    cmocka_unit_test(name_with_a_bad_byte_anywhere_is_refused),
	    cmocka_unit_test(filter_examples_of_the_standard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
