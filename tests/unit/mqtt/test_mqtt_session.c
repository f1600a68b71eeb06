/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_rig.h"

#define CONNECT_A 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'a'

static void session_first_packet_must_be_connect(void **state)
{
	(void)state;
	static struct rig rig;
	for (int first = 0; first < 256; first++) {
		if (first >> 4 == MQTT_CONNECT)
			continue;
		rig_init(&rig);
		/* one byte is enough to know */
		assert_int_equal(RIG_INPUT(&rig, (uint8_t)first), 1);
		assert_protocol_error(&rig, MQTT_ERR_NOT_CONNECT);
	}
}

static void session_second_connect_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	RIG_INPUT(&rig, CONNECT_A);
	assert_protocol_error(&rig, MQTT_ERR_SECOND_CONNECT);
	assert_int_equal(rig.connects, 0);
}

static void session_types_of_servers_are_refused(void **state)
{
	(void)state;
	static const uint8_t firsts[] = {0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0};
	static struct rig rig;
	for (size_t i = 0; i < sizeof firsts; i++) {
		rig_connect(&rig);
		RIG_INPUT(&rig, firsts[i], 0);
		assert_protocol_error(&rig, MQTT_ERR_TYPE);
	}
}

static void session_5_disconnects_with_reasons(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xe0, 0);
	assert_int_equal(rig.s.end, MQTT_END_NORMAL);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xe0, 1, 0x04);
	assert_int_equal(rig.s.end, MQTT_END_WITH_WILL);
	assert_false(rig.close_reset);
	rig_connect_5(&rig, NULL);
	rig.s.flags = 0; /* CONNECT had an expiry */
	RIG_INPUT(&rig, 0xe0, 7, 0, 5, 0x11, 0, 0, 0, 9);
	assert_int_equal(rig.s.end, MQTT_END_NORMAL);
	assert_int_equal(rig.s.session_expiry_s, 9);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xe0, 7, 0, 5, 0x11, 0, 0, 0, 9);
	assert_disconnected(&rig, 0x82, MQTT_ERR_SESSION_EXPIRY);
	assert_int_equal(rig.s.end, MQTT_END_LOST);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xe0, 1, 0x8e);
	assert_disconnected(&rig, 0x82, MQTT_ERR_REASON);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xe0, 4, 0, 0, 0, 0);
	assert_disconnected(&rig, 0x81, MQTT_ERR_LENGTH);
}

static void session_5_errors_are_told(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0xf0, 0);
	assert_disconnected(&rig, 0x82, MQTT_ERR_AUTH);
	assert_non_null(memmem(rig.out, rig.out_bytes, "MQTT5 4.12", 10));
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x30, 0xff, 0xff, 0xff, 0x7f);
	assert_disconnected(&rig, 0x95, MQTT_ERR_OVERSIZE);
	rig_connect_5(&rig, NULL);
	RIG_INPUT(&rig, 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'a');
	assert_disconnected(&rig, 0x82, MQTT_ERR_SECOND_CONNECT);
	rig_connect_5(&rig, NULL);
	mqtt_check(&rig.m, &rig.s, 90 * RIG_SECOND);
	assert_disconnected(&rig, 0x8d, MQTT_TIMEOUT_KEEP_ALIVE);
	rig_connect_5(&rig, NULL);
	mqtt_disconnect(&rig.m, &rig.s, MQTT_TAKEN_OVER, COUNTER_MQTT_TAKEN_OVER);
	assert_disconnected(&rig, 0x8e, MQTT_TAKEN_OVER);
	rig_connect_5(&rig, NULL); /* a client that takes few bytes hears the code alone */
	rig.s.client_packet_max = 20;
	RIG_INPUT(&rig, 0xf0, 0);
	assert_sent(&rig, 0xe0, 1, 0x82);
	rig_connect_5(&rig, NULL);
	rig.send_fails = true;
	RIG_INPUT(&rig, 0xf0, 0);
	assert_true(rig.close_reset);
	assert_int_equal(rig.closes, 1);
}

static void session_ping_is_answered(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0xc0, 0, 0xc0, 0), 4);
	assert_sent(&rig, 0xd0, 0, 0xd0, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_PINGREQ), 2);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_OUT_PINGRESP), 2);
	rig.out_bytes = 0;
	RIG_INPUT(&rig, 0xc0, 1, 0);
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
}

static void session_disconnect_closes_in_order(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	/* 3.14.4: nothing after it is processed */
	assert_int_equal(RIG_INPUT(&rig, 0xe0, 0, 0xc0, 0), 4);
	assert_int_equal(rig.closes, 1);
	assert_false(rig.close_reset);
	assert_int_equal(rig.out_bytes, 0);
	assert_int_equal(rig_count(&rig, COUNTER_MQTT_IN_DISCONNECT), 1);
	assert_int_equal(RIG_INPUT(&rig, 0xc0, 0), 2);
	assert_int_equal(rig.closes, 1);

	rig_connect(&rig);
	RIG_INPUT(&rig, 0xe0, 1, 0);
	assert_protocol_error(&rig, MQTT_ERR_LENGTH);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0xe1, 0);
	assert_protocol_error(&rig, MQTT_ERR_FLAGS);
}

static const uint8_t talk[] = {CONNECT_A, 0x32, 7,   0,   3,   'a', '/', 'b',  0,    1,
			       0x30,      6,    0,   3,   'a', '/', 'b', 'x',  0xc0, 0,
			       0x82,      6,    0,   2,   0,   1,   '#', 0,    0x32, 7,
			       0,         3,    'a', '/', 'b', 0,   3,   0xe0, 0};
static const uint8_t talk_answers[] = {0x20, 2, 0, 0, 0x40, 2,    0, 1, 0xd0, 0,
				       0x90, 3, 0, 2, 0x80, 0x40, 2, 0, 3};

static void session_packets_in_one_piece_are_all_taken(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	rig.ack_at_once = true;
	rig.code = 0x80;
	assert_int_equal(rig_input(&rig, talk, sizeof talk, 0), sizeof talk);
	assert_int_equal(rig.publishes, 3);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.out_bytes, sizeof talk_answers);
	assert_memory_equal(rig.out, talk_answers, sizeof talk_answers);
}

static void session_packets_in_any_pieces_are_all_taken(void **state)
{
	(void)state;
	static struct rig rig;
	for (uint32_t step = 1; step < sizeof talk; step++) {
		rig_init(&rig);
		rig.ack_at_once = true;
		rig.code = 0x80;
		uint32_t from = 0;
		for (uint32_t to = 0; from < sizeof talk;) {
			to = to + step < sizeof talk ? to + step : (uint32_t)sizeof talk;
			from += rig_input(&rig, talk + from, to - from, 0);
			assert_in_range(from, 0, to);
		}
		assert_int_equal(rig.publishes, 3);
		assert_int_equal(rig.closes, 1);
		assert_int_equal(rig.out_bytes, sizeof talk_answers);
		assert_memory_equal(rig.out, talk_answers, sizeof talk_answers);
	}
}

static void session_oversize_packet_is_refused_at_its_header(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	rig.m.config.packet_bytes_max = 200;
	/* 3 + 197: just right, and not all there yet */
	assert_int_equal(RIG_INPUT(&rig, 0x30, 0xc5, 0x01, 0, 1, 'a'), 0);
	assert_int_equal(rig.closes, 0);
	RIG_INPUT(&rig, 0x30, 0xc6, 0x01);
	assert_protocol_error(&rig, MQTT_ERR_OVERSIZE);
	rig_connect(&rig);
	RIG_INPUT(&rig, 0x30, 0xff, 0xff, 0xff, 0x7f);
	assert_protocol_error(&rig, MQTT_ERR_OVERSIZE);
}

static void session_length_of_five_bytes_is_refused(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	assert_int_equal(RIG_INPUT(&rig, 0x30, 0x80, 0x80, 0x80), 0);
	RIG_INPUT(&rig, 0x30, 0x80, 0x80, 0x80, 0x80);
	assert_protocol_error(&rig, MQTT_ERR_REMAINING_LENGTH);
}

static void session_without_connect_times_out(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	assert_int_equal(mqtt_deadline_us(&rig.m, &rig.s), 5 * RIG_SECOND);
	/* pieces of a CONNECT don't help */
	rig_input(&rig, (const uint8_t[]){0x10, 13}, 2, 4 * RIG_SECOND);
	mqtt_check(&rig.m, &rig.s, 5 * RIG_SECOND - 1);
	assert_int_equal(rig.closes, 0);
	mqtt_check(&rig.m, &rig.s, 5 * RIG_SECOND);
	assert_protocol_error(&rig, MQTT_TIMEOUT_CONNECT);
	assert_true(mqtt_deadline_us(&rig.m, &rig.s) == UINT64_MAX);
	mqtt_check(&rig.m, &rig.s, UINT64_MAX - 1);
	assert_int_equal(rig.closes, 1);
}

static void session_silent_for_one_and_a_half_keep_alive_ends(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig); /* keep alive 60 s */
	assert_int_equal(mqtt_deadline_us(&rig.m, &rig.s), 90 * RIG_SECOND);
	rig_input(&rig, (const uint8_t[]){0xc0, 0}, 2, 80 * RIG_SECOND);
	assert_int_equal(mqtt_deadline_us(&rig.m, &rig.s), 170 * RIG_SECOND);
	mqtt_check(&rig.m, &rig.s, 170 * RIG_SECOND - 1);
	assert_int_equal(rig.closes, 0);
	rig.out_bytes = 0;
	mqtt_check(&rig.m, &rig.s, 170 * RIG_SECOND);
	assert_protocol_error(&rig, MQTT_TIMEOUT_KEEP_ALIVE);
}

static void session_without_keep_alive_never_times_out(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	RIG_INPUT(&rig, 0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'a');
	assert_true(mqtt_deadline_us(&rig.m, &rig.s) == UINT64_MAX);
}

static void session_waiting_for_room_does_not_time_out(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t publish[] = {0x30, 5, 0, 3, 'a', '/', 'b'};
	rig_connect(&rig);
	rig.without_room = 1;
	assert_int_equal(rig_input(&rig, publish, sizeof publish, RIG_SECOND), 0);
	assert_true(mqtt_deadline_us(&rig.m, &rig.s) == UINT64_MAX);
	mqtt_check(&rig.m, &rig.s, 1000 * RIG_SECOND);
	assert_int_equal(rig.closes, 0);
	rig_input(&rig, publish, sizeof publish, 1000 * RIG_SECOND);
	assert_int_equal(rig.publishes, 1);
	assert_int_equal(mqtt_deadline_us(&rig.m, &rig.s), 1090 * RIG_SECOND);
}

static void session_taken_over_ends_once(void **state)
{
	(void)state;
	static struct rig rig;
	rig_connect(&rig);
	mqtt_disconnect(&rig.m, &rig.s, MQTT_TAKEN_OVER, COUNTER_MQTT_TAKEN_OVER);
	assert_protocol_error(&rig, MQTT_TAKEN_OVER);
	mqtt_disconnect(&rig.m, &rig.s, MQTT_TAKEN_OVER, COUNTER_MQTT_TAKEN_OVER);
	assert_int_equal(rig.closes, 1);
}

static void session_whose_connack_is_not_queued_ends_once(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig);
	rig.send_fails = true;
	RIG_INPUT(&rig, CONNECT_A, 0xc0, 0);
	assert_protocol_error(&rig, MQTT_SEND_FAILED);
	rig_init(&rig);
	rig.send_fails = true;
	rig.connack.reason = MQTT_UNAVAILABLE;
	RIG_INPUT(&rig, CONNECT_A, 0xc0, 0);
	assert_protocol_error(&rig, MQTT_SEND_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(session_first_packet_must_be_connect),
	    cmocka_unit_test(session_second_connect_is_refused),
	    cmocka_unit_test(session_types_of_servers_are_refused),
	    cmocka_unit_test(session_5_disconnects_with_reasons),
	    cmocka_unit_test(session_5_errors_are_told),
	    cmocka_unit_test(session_ping_is_answered),
	    cmocka_unit_test(session_disconnect_closes_in_order),
	    cmocka_unit_test(session_packets_in_one_piece_are_all_taken),
	    cmocka_unit_test(session_packets_in_any_pieces_are_all_taken),
	    cmocka_unit_test(session_oversize_packet_is_refused_at_its_header),
	    cmocka_unit_test(session_length_of_five_bytes_is_refused),
	    cmocka_unit_test(session_without_connect_times_out),
	    cmocka_unit_test(session_silent_for_one_and_a_half_keep_alive_ends),
	    cmocka_unit_test(session_without_keep_alive_never_times_out),
	    cmocka_unit_test(session_waiting_for_room_does_not_time_out),
	    cmocka_unit_test(session_taken_over_ends_once),
	    cmocka_unit_test(session_whose_connack_is_not_queued_ends_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
