/* SPDX-License-Identifier: Apache-2.0 */
#include "gen_rig.h"

#define ACK_TYPE 0x60
#define CON_TYPE 0x40

static struct gen g;

static int set_up(void **state)
{
	(void)state;
	rig_init(&g, PROTOCOL_COAP);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&g);
	return 0;
}

static void post(void)
{
	uint32_t i = item_new(&g);
	g.items[i].kind = ITEM_COAP;
	g.items[i].readings = 1;
	g.items[i].ts_ms = 1749996900123 + (int64_t)g.totals.scheduled;
	g.items[i].due_us = g.now_us;
	g.totals.scheduled++;
	coap_append(&g, 0, i);
}

/* The datagram of the next frame. */
static const uint8_t *next_coap(uint32_t *bytes)
{
	const uint8_t *udp = rig_next(bytes);
	assert_int_equal(get_be16(udp + 4), *bytes);
	*bytes -= 8;
	return udp + 8;
}

static void answer(uint8_t type, uint8_t code, uint16_t id, uint16_t token, const char *rest)
{
	uint8_t coap[64] = {(uint8_t)(type | 2), code};
	put_be16(coap + 2, id);
	put_be16(coap + 4, token);
	memcpy(coap + 6, rest, strlen(rest));
	coap_input(&g, 0, coap, 6 + (uint32_t)strlen(rest));
}

static void request_is_a_confirmable_post_of_json_to_readings(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	const uint8_t *c = next_coap(&bytes);
	assert_int_equal(c[0], 0x42);
	assert_int_equal(c[1], 2);
	assert_memory_equal(c + 6, "\xb8readings\x11\x32\xff{\"meterId\":\"SM-00000001\"", 36);
	assert_int_equal(bytes, coap_item_bytes(&g, 0, &g.items[g.clients[0].head]));
}

static void piggybacked_response_acknowledges(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	rig_advance(&g, 5);
	answer(ACK_TYPE, 0x44, id, id, "");
	assert_int_equal(g.totals.acked, 1);
	assert_int_equal(g.steps[0].latency.max_us, 5000);
	rig_advance(&g, 60000);
	rig_expect_silence();
}

static void silence_is_met_by_four_retransmissions_then_given_up(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	static const uint32_t waits_ms[] = {2500, 5000, 10000, 20000};
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t sent_us = g.now_us;
		while (rig_seen == rig_count)
			rig_advance(&g, 1);
		assert_in_range(g.now_us - sent_us, waits_ms[i] * 1000, waits_ms[i] * 1000 + 17000);
		assert_int_equal(get_be16(next_coap(&bytes) + 2), id);
	}
	rig_advance(&g, 41000);
	rig_expect_silence();
	assert_int_equal(g.totals.unanswered, 1);
	assert_int_equal(g.totals.coap_retransmitted, 4);
	assert_int_equal(g.items_used, 0);
}

static void separate_response_is_acknowledged_and_counts(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	uint8_t empty[4] = {ACK_TYPE, 0};
	put_be16(empty + 2, id);
	coap_input(&g, 0, empty, 4);
	rig_advance(&g, 30000);
	rig_expect_silence();
	answer(CON_TYPE, 0x44, 999, id, "");
	const uint8_t *ack = next_coap(&bytes);
	assert_int_equal(bytes, 4);
	assert_int_equal(ack[0], ACK_TYPE);
	assert_int_equal(get_be16(ack + 2), 999);
	assert_int_equal(g.totals.acked, 1);
	answer(CON_TYPE, 0x44, 999, id, ""); /* its copy is acknowledged, too, and counts no more */
	next_coap(&bytes);
	assert_int_equal(g.totals.acked, 1);
}

static void overload_answer_is_obeyed_then_sent_anew(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	answer(ACK_TYPE, 0xa3, id, id,
	       "\xd1\x01\x05"); /* an option's long form: the default, 60 s */
	rig_advance(&g, 59000);
	rig_expect_silence();
	rig_advance(&g, 3000);
	uint16_t second = get_be16(next_coap(&bytes) + 2);
	assert_int_not_equal(second, id);
	answer(ACK_TYPE, 0xa3, second, second, "\xc1\x32\x21\x05"); /* format, Max-Age 5 s */
	rig_advance(&g, 4900);
	rig_expect_silence();
	rig_advance(&g, 1200);
	next_coap(&bytes);
	assert_int_equal(g.totals.overloaded, 2);
}

static void next_message_waits_for_the_answer_to_the_one_before(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	rig_expect_silence();
	answer(ACK_TYPE, 0x44, id, id, "");
	assert_int_not_equal(get_be16(next_coap(&bytes) + 2), id);
}

static void answer_to_nothing_is_ignored(void **state)
{
	(void)state;
	post();
	answer(ACK_TYPE, 0x44, 4711, 4711, "");
	coap_input(&g, 0, (const uint8_t *)"\x60\x44\x00", 3);
	assert_int_equal(g.totals.acked, 0);
	assert_int_equal(g.totals.rx_ignored, 1);
}

static void refusal_counts_as_rejected(void **state)
{
	uint32_t bytes;
	(void)state;
	post();
	uint16_t id = get_be16(next_coap(&bytes) + 2);
	answer(ACK_TYPE, 0x80, id, id, "");
	assert_int_equal(g.totals.rejected, 1);
}

static void non_confirmable_is_sent_once(void **state)
{
	uint32_t bytes;
	(void)state;
	g.options.qos = 0;
	post();
	post();
	assert_int_equal(next_coap(&bytes)[0], 0x52);
	next_coap(&bytes);
	rig_advance(&g, 11000);
	rig_expect_silence();
	assert_int_equal(g.totals.unanswered, 2);
	assert_int_equal(g.items_used, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(request_is_a_confirmable_post_of_json_to_readings),
	    CASE(piggybacked_response_acknowledges),
	    CASE(silence_is_met_by_four_retransmissions_then_given_up),
	    CASE(separate_response_is_acknowledged_and_counts),
	    CASE(overload_answer_is_obeyed_then_sent_anew),
	    CASE(next_message_waits_for_the_answer_to_the_one_before),
	    CASE(answer_to_nothing_is_ignored),
	    CASE(refusal_counts_as_rejected),
	    CASE(non_confirmable_is_sent_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
