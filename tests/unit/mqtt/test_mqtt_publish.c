/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

static void publish_qos1_is_handed_on(void **state)
{
	(void)state;
	/* MQTT 3.1.1 3.3.2, figure 3.11: topic a/b, packet identifier 10 */
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 10, '{', '}'};
	struct mqtt_publish publish;
	assert_int_equal(mqtt_publish_parse(0x3b, 4, body, sizeof body, &publish),
			 MQTT_WELL_FORMED);
	assert_text(publish.topic, "a/b");
	assert_text(publish.payload, "{}");
	assert_int_equal(publish.packet_id, 10);
	assert_int_equal(publish.qos, 1);
	assert_true(publish.dup && publish.retain);

	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0x3a, 9, 0, 3, 'a', '/', 'b', 0, 10, '{', '}'), 11);
	assert_int_equal(rig.publishes, 1);
	assert_int_equal(rig.s.inflight, 1);
	assert_int_equal(rig.out_bytes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS1), 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_DUP), 1);
}

static void publish_qos0_has_no_packet_id(void **state)
{
	(void)state;
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 0};
	struct mqtt_publish publish;
	assert_int_equal(mqtt_publish_parse(0x30, 4, body, sizeof body, &publish),
			 MQTT_WELL_FORMED);
	assert_int_equal(publish.payload.count, 2);
	assert_int_equal(publish.packet_id, 0);
	assert_false(publish.dup || publish.retain);

	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', '/', 'b');
	assert_int_equal(rig.publishes, 1);
	assert_int_equal(rig.publish.payload.count, 0); /* 3.3.3: no payload is a payload */
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS0), 1);
}

static void publish_cut_anywhere_is_a_length_error(void **state)
{
	(void)state;
	static const uint8_t body[] = {0, 3, 'a', '/', 'b', 0, 10};
	struct mqtt_publish publish;
	for (uint32_t count = 0; count < sizeof body; count++) {
		uint8_t *exact = malloc(count ? count : 1);
		assert_non_null(exact);
		memcpy(exact, body, count);
		assert_int_equal(mqtt_publish_parse(0x32, 4, exact, count, &publish),
				 COUNTER_MQTT_ERR_LENGTH);
		free(exact);
	}
}

static void publish_malformed_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x38, 5, 0, 3, 'a', '/', 'b');
	assert_protocol_error(&rig, MQTT_ERR_PUBLISH_DUP);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x36, 7, 0, 3, 'a', '/', 'b', 0, 1);
	assert_protocol_error(&rig, MQTT_ERR_PUBLISH_QOS3);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 0);
	assert_protocol_error(&rig, MQTT_ERR_PACKET_ID);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', '/', '+');
	assert_protocol_error(&rig, MQTT_ERR_TOPIC_WILDCARD);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 2, 0, 0);
	assert_protocol_error(&rig, MQTT_ERR_TOPIC_EMPTY);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 5, 0, 3, 'a', 0, 'b');
	assert_protocol_error(&rig, MQTT_ERR_UTF8);
	assert_int_equal(rig.publishes, 0);
}

static void publish_qos2_runs_through_its_four_packets(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x34, 7, 0, 3, 'a', '/', 'b', 0, 1);
	assert_int_equal(rig.publish.qos, 2);
	assert_int_equal(rig.s.inflight, 1);
	mqtt_pubrec(&rig.m, &rig.s, 1, 0, NULL);
	assert_sent(&rig, 0x50, 2, 0, 1);
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig.s.unreleased, 1);
	rig.out_bytes = 0;
	RIG_INPUT(&rig, 0x62, 2, 0, 1);
	assert_sent(&rig, 0x70, 2, 0, 1);
	assert_int_equal(rig.s.unreleased, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS2), 1);
}

static void publish_5_hands_its_properties_on(void **state)
{
	(void)state;
	static const uint8_t body[] = {0,    3,   'a',  '/', 'b', 0,    10,   33,  0x26, 0,
				       1,    'k', 0,    1,   'v', 0x02, 0,    0,   0,    30,
				       0x01, 1,   0x23, 0,   2,   0x26, 0,    1,   'k',  0,
				       1,    'w', 0x09, 0,   1,   'c',  0x0b, '{', '}'};
	static const uint8_t forwarded[] = {0x26, 0, 1,   'k', 0, 1,   'v',  0x01, 1, 0x26,
					    0,    1, 'k', 0,   1, 'w', 0x09, 0,    1, 'c'};
	struct mqtt_publish p;
	uint8_t out[64], good[sizeof body];
	/* a subscription identifier is the server's alone (MQTT5 3.3.2.3.8) */
	memcpy(good, body, sizeof good);
	assert_int_equal(mqtt_publish_parse(0x32, 5, good, sizeof good, &p),
			 COUNTER_MQTT_ERR_LENGTH);
	good[7] = 28;
	assert_int_equal(mqtt_publish_parse(0x32, 5, good, sizeof good, &p), MQTT_WELL_FORMED);
	assert_int_equal(p.props.message_expiry_s, 30);
	assert_int_equal(p.props.topic_alias, 2);
	assert_int_equal(p.props.payload_format, 1);
	assert_int_equal(p.props.forward_bytes, sizeof forwarded);
	mqtt_props_forward(&p.props, out);
	assert_memory_equal(out, forwarded, sizeof forwarded);
	assert_int_equal(p.payload.count, 3);
}

/* A PUBLISH of 5.0 with topic `t`, or without one where `alias` is negative. */
static void publish_alias(struct rig *rig, int alias, const char *t)
{
	uint8_t packet[80] = {0x30, 0, 0, (uint8_t)strlen(t)};
	uint32_t n = 4 + (uint32_t)strlen(t);
	memcpy(packet + 4, t, strlen(t));
	packet[n++] = 3;
	packet[n++] = 0x23;
	packet[n++] = 0;
	packet[n++] = (uint8_t)alias;
	packet[1] = (uint8_t)(n - 2);
	rig_input(rig, packet, n, 0);
}

static void topic_alias_stands_for_its_topic(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_aliases *aliases = mqtt_aliases_new(64 * 8);
	rig_connect_5(&rig, aliases);
	const char *topics[] = {"meters/1",
				"a topic that is longer than one chunk of the pool, is it?", "x"};
	for (int i = 0; i < 3; i++)
		publish_alias(&rig, i + 1, topics[i]);
	publish_alias(&rig, 1, "changed");
	topics[0] = "changed";
	for (int i = 0; i < 3; i++) {
		publish_alias(&rig, i + 1, "");
		assert_int_equal(rig.publish.topic.count, strlen(topics[i]));
		assert_memory_equal(rig.topic, topics[i], strlen(topics[i]));
	}
	assert_int_equal(rig.publishes, 7);
	mqtt_session_fini(&rig.m, &rig.s);
	assert_true(mqtt_alias_offered(aliases, 4)); /* all are free again */
	mqtt_aliases_free(aliases);
}

static void topic_alias_out_of_range_or_unknown_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	struct mqtt_aliases *aliases = mqtt_aliases_new(64 * 2);
	rig_connect_5(&rig, aliases);
	publish_alias(&rig, 0, "t");
	assert_disconnected(&rig, 0x94, MQTT_ERR_TOPIC_ALIAS);
	rig_connect_5(&rig, aliases);
	publish_alias(&rig, 5, "t");
	assert_disconnected(&rig, 0x94, MQTT_ERR_TOPIC_ALIAS);
	rig_connect_5(&rig, aliases);
	publish_alias(&rig, 4, "");
	assert_disconnected(&rig, 0x82, MQTT_ERR_TOPIC_ALIAS_UNKNOWN);
	rig_connect_5(&rig, NULL);
	publish_alias(&rig, 1, "t");
	assert_disconnected(&rig, 0x94, MQTT_ERR_TOPIC_ALIAS);
	rig_connect_5(&rig, aliases);
	RIG_INPUT(&rig, 0x30, 3, 0, 0, 0);
	assert_disconnected(&rig, 0x82, MQTT_ERR_TOPIC_EMPTY);
	/* the pool's two chunks are taken */
	rig_connect_5(&rig, aliases);
	for (int i = 1; i <= 3; i++)
		publish_alias(&rig, i, "t");
	assert_disconnected(&rig, 0x97, MQTT_ALIASES_EXHAUSTED);
	mqtt_session_fini(&rig.m, &rig.s);
	mqtt_aliases_free(aliases);
}

static void publish_5_beyond_the_receive_maximum_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x32, 6, 0, 1, 'a', 0, 1, 0, 0x34, 6, 0, 1, 'a', 0, 2, 0);
	mqtt_pubrec(&rig.m, &rig.s, 2, 0, NULL); /* counts until PUBCOMP */
	RIG_INPUT(&rig, 0x32, 6, 0, 1, 'a', 0, 3, 0);
	mqtt_puback(&rig.m, &rig.s, 1, 0, NULL);
	RIG_INPUT(&rig, 0x30, 4, 0, 1, 'a', 0); /* QoS 0 never counts */
	RIG_INPUT(&rig, 0x32, 6, 0, 1, 'a', 0, 4, 0);
	assert_int_equal(rig.publishes, 5);
	rig.out_bytes = 0;
	RIG_INPUT(&rig, 0x32, 6, 0, 1, 'a', 0, 5, 0);
	assert_disconnected(&rig, 0x93, MQTT_ERR_RECEIVE_MAX);
}

static void publish_5_with_retain_that_is_not_available_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	rig.m.config.no_retain = true;
	RIG_INPUT(&rig, 0x31, 4, 0, 1, 'a', 0);
	assert_disconnected(&rig, 0x9a, MQTT_ERR_RETAIN);
}

static void publish_5_malformed_is_told_with_its_reason(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x30, 4, 0, 1, '+', 0);
	assert_disconnected(&rig, 0x90, MQTT_ERR_TOPIC_WILDCARD);
	assert_non_null(memmem(rig.out, rig.out_bytes, "MQTT5 3.3.2.1", 13));
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x30, 8, 0, 1, 'a', 4, 0x08, 0, 1, '#'); /* response topic */
	assert_disconnected(&rig, 0x90, MQTT_ERR_TOPIC_WILDCARD);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x30, 6, 0, 1, 'a', 2, 0x0b, 1);
	assert_disconnected(&rig, 0x81, MQTT_ERR_PROPERTY);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x36, 6, 0, 1, 'a', 0, 1, 0);
	assert_disconnected(&rig, 0x81, MQTT_ERR_PUBLISH_QOS3);
}

static void publish_without_room_is_offered_again(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t two[] = {0x30, 5, 0, 3,   'a', '/', 'b', 0x32,
				      7,    0, 3, 'c', '/', 'd', 0,   9};
	rig_connect(&rig);
	rig.without_room = 2;
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), 0);
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), 0);
	assert_int_equal(rig.s.inflight, 0);
	assert_int_equal(rig.publishes, 0);
	assert_int_equal(rig_input(&rig, two, sizeof two, 0), sizeof two);
	assert_int_equal(rig.publishes, 2);
	assert_int_equal(rig.s.inflight, 1);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_PUBLISH_DEFERRED), 2);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PUBLISH_QOS0), 1);

	rig.without_room = 1;
	assert_int_equal(rig_input(&rig, two + 7, sizeof two - 7, 0), 0);
	assert_int_equal(rig.s.inflight, 1);
}

static void publish_over_the_inflight_limit_waits(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.s.inflight = UINT16_MAX;
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 1), 0);
	assert_int_equal(rig.publishes, 0);
	mqtt_puback(&rig.m, &rig.s, 7, 0, NULL);
	assert_int_equal(RIG_INPUT(&rig, 0x32, 7, 0, 3, 'a', '/', 'b', 0, 1), 9);
	assert_int_equal(rig.s.inflight, UINT16_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(publish_qos1_is_handed_on),
	    cmocka_unit_test(publish_qos0_has_no_packet_id),
	    cmocka_unit_test(publish_cut_anywhere_is_a_length_error),
	    cmocka_unit_test(publish_malformed_is_refused),
	    cmocka_unit_test(publish_qos2_runs_through_its_four_packets),
	    cmocka_unit_test(publish_5_hands_its_properties_on),
	    cmocka_unit_test(topic_alias_stands_for_its_topic),
	    cmocka_unit_test(topic_alias_out_of_range_or_unknown_is_refused),
	    cmocka_unit_test(publish_5_beyond_the_receive_maximum_is_refused),
	    cmocka_unit_test(publish_5_with_retain_that_is_not_available_is_refused),
	    cmocka_unit_test(publish_5_malformed_is_told_with_its_reason),
	    cmocka_unit_test(publish_without_room_is_offered_again),
	    cmocka_unit_test(publish_over_the_inflight_limit_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
