/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static void ack_is_sent_when_the_answer_takes_long(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	uint64_t start = rig.now;
	rig_post(&rig, 0, COAP_CON, 0x7d38);
	assert_int_equal(coap_next_timer_us(rig.c), start + 500000);
	coap_run_timers(rig.c, start + 499999, 10);
	assert_int_equal(rig.sent, 0);
	coap_run_timers(rig.c, start + 500000, 10);
	assert_last_sent(&rig, 1, 0x60, 0, 0x7d, 0x38); /* RFC 7252 figure 20 */
	assert_true(coap_next_timer_us(rig.c) == UINT64_MAX);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_ACK), 1);
	rig_fini(&rig);
}

static void ack_timers_run_in_order_within_their_budget(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 100);
	for (uint16_t id = 0; id < 20; id++) {
		rig_post(&rig, 0, COAP_CON, id);
		rig.now += 1000;
	}
	coap_run_timers(rig.c, rig.now + RIG_SECOND, 7);
	assert_int_equal(rig.sent, 7);
	assert_int_equal(rig_sent(&rig, 6).id, 6);
	rig_respond(&rig, 8, COAP_CODE_OF(2, 4), "");
	coap_run_timers(rig.c, rig.now + RIG_SECOND, 100);
	assert_int_equal(rig.sent, 20); /* 19 ACKs and an answer */
	rig_fini(&rig);
}

static void ack_is_not_due_for_non(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_NON, 1);
	assert_true(coap_next_timer_us(rig.c) == UINT64_MAX);
	rig_fini(&rig);
}

/* RFC 7252 4.2, 4.8: first after 2..3 s, then each time twice as long, four times, then not. */
static void answer_unacknowledged_is_sent_five_times(void **state)
{
	(void)state;
	static struct rig rig;
	for (uint64_t phase = 0; phase < 64000; phase += 177) {
		rig_init_seeded(&rig, 10, phase);
		rig.now += phase;
		rig_post(&rig, 0, COAP_CON, 1);
		rig_run(&rig, rig.now + RIG_SECOND);
		rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "ok");
		assert_int_equal(rig.sent, 2);
		uint64_t before = rig.now, low = 2 * RIG_SECOND, high = 3 * RIG_SECOND;
		for (int i = 0; i < 4; i++) {
			uint64_t due = coap_next_timer_us(rig.c);
			assert_in_range(due - before, low, high);
			rig.now = due;
			coap_run_timers(rig.c, due - 1, 10);
			assert_int_equal(rig.sent, 2 + i);
			coap_run_timers(rig.c, due, 10);
			assert_int_equal(rig.sent, 3 + i);
			assert_int_equal(rig.count[2 + i], rig.count[1]);
			assert_memory_equal(rig.bytes[2 + i], rig.bytes[1], rig.count[1]);
			before = due;
			low *= 2;
			high *= 2;
		}
		uint64_t due = coap_next_timer_us(rig.c);
		assert_in_range(due - before, low, high);
		coap_run_timers(rig.c, due, 10);
		assert_int_equal(rig.sent, 6);
		assert_int_equal(rig_count(&rig, COUNTER_COAP_RETRANSMITTED), 4);
		assert_int_equal(rig_count(&rig, COUNTER_COAP_GIVEN_UP), 1);
		assert_true(coap_next_timer_us(rig.c) == UINT64_MAX);
		assert_int_equal(rig.c->done.count, 1);
		rig_fini(&rig);
	}
}

static void answers_are_not_all_repeated_at_the_same_time(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 200);
	for (uint16_t id = 0; id < 60; id++)
		rig_post(&rig, 0, COAP_CON, id);
	rig_run(&rig, rig.now + RIG_SECOND);
	for (int i = 0; i < 60; i++)
		rig_respond(&rig, i, COAP_CODE_OF(2, 4), "");
	assert_int_equal(rig.sent, 120);
	uint64_t start = rig.now;
	int different = 0;
	for (uint64_t last = 0; coap_next_timer_us(rig.c) < start + 3 * RIG_SECOND + 1;) {
		rig.now = coap_next_timer_us(rig.c);
		different += rig.now != last;
		last = rig.now;
		coap_run_timers(rig.c, rig.now, 1);
	}
	assert_int_equal(rig.sent, 180);
	assert_in_range(different, 8, 14); /* of the 14 slots between 2 s and 3 s */
	rig_fini(&rig);
}

static void wheel_not_turned_for_long_is_caught_up(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 1);
	rig_run(&rig, rig.now + RIG_SECOND);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	rig.now += 1000 * RIG_SECOND; /* many laps */
	rig_post(&rig, 0, COAP_CON, 2);
	rig_respond(&rig, 1, COAP_CODE_OF(2, 4), "");
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RETRANSMITTED), 4);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_GIVEN_UP), 1);
	assert_int_equal(rig.c->wheel.count, 0);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ack_is_sent_when_the_answer_takes_long),
	    cmocka_unit_test(ack_timers_run_in_order_within_their_budget),
	    cmocka_unit_test(ack_is_not_due_for_non),
	    cmocka_unit_test(answer_unacknowledged_is_sent_five_times),
	    cmocka_unit_test(answers_are_not_all_repeated_at_the_same_time),
	    cmocka_unit_test(wheel_not_turned_for_long_is_caught_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
