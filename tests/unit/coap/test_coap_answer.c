/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static void answer_carries_its_options_in_order(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 7);
	const struct coap_response answer = {
	    .code = COAP_CODE_OF(2, 1),
	    .has_max_age = true,
	    .max_age_s = 0,
	    .content_format = 50,
	    .etag = {1, {0xe1}},
	    .location_path = {(const uint8_t *)"a/bc", 4},
	    .location_query = {(const uint8_t *)"x=1&y", 5},
	    .payload = {(const uint8_t *)"{}", 2},
	};
	coap_answer(rig.c, rig.handle[0], &answer, rig.now);
	/* ETag, Location-Path twice, Content-Format, Max-Age 0, Location-Query twice */
	assert_last_sent(&rig, 1, 0x61, 0x41, 0, 7, 0x77, 0x41, 0xe1, 0x41, 'a', 0x02, 'b', 'c',
	                 0x41, 50, 0x20, 0x63, 'x', '=', '1', 0x01, 'y', 0xff, '{', '}');
	rig_fini(&rig);
}

static void answer_that_fits_nowhere_is_5_00(void **state)
{
	(void)state;
	static struct rig rig;
	static uint8_t location[1400];
	memset(location, 'l', sizeof location);
	for (uint32_t i = 200; i < sizeof location; i += 200)
		location[i] = '/';
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 7);
	const struct coap_response answer = {.code = COAP_CODE_OF(2, 1),
	                                     .content_format = COAP_FORMAT_NONE,
	                                     .location_path = {location, sizeof location}};
	coap_answer(rig.c, rig.handle[0], &answer, rig.now);
	assert_last_sent(&rig, 1, 0x61, 0xa0, 0, 7, 0x77);
	rig_fini(&rig);
}

static void long_answers_are_bounded_and_forgotten_in_turn(void **state)
{
	(void)state;
	static struct rig rig;
	static const uint8_t text[300];
	const struct coap_response answer = {.code = COAP_CODE_OF(2, 5),
	                                     .content_format = 42,
	                                     .payload = {text, sizeof text}};
	rig_init(&rig, 100); /* four long answers */
	rig.answer_at_once = &answer;
	for (uint16_t id = 0; id < 5; id++)
		rig_post(&rig, 0, COAP_CON, id);
	assert_int_equal(rig.requests, 5);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_EVICTED), 1);
	for (uint16_t id = 1; id < 5; id++)
		rig_post(&rig, 0, COAP_CON, id); /* remembered */
	assert_int_equal(rig.requests, 5);
	assert_int_equal(rig.sent, 9);
	assert_memory_equal(rig.bytes[5], rig.bytes[1], rig.count[1]);
	rig_post(&rig, 0, COAP_CON, 0);
	assert_int_equal(rig.requests, 6);
	/* a place that was given back is used without forgetting anybody */
	rig.now += 300 * RIG_SECOND;
	for (uint16_t id = 0; id < 4; id++)
		rig_post(&rig, 0, COAP_CON, id);
	assert_int_equal(rig.requests, 10);
	rig_fini(&rig);
}

static void long_separate_answer_is_sent_again(void **state)
{
	(void)state;
	static struct rig rig;
	static uint8_t text[900];
	memset(text, 't', sizeof text);
	const struct coap_response answer = {.code = COAP_CODE_OF(2, 5),
	                                     .content_format = 0,
	                                     .payload = {text, sizeof text}};
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 7);
	rig_run(&rig, rig.now + RIG_SECOND);
	coap_answer(rig.c, rig.handle[0], &answer, rig.now);
	struct coap_message msg = rig_sent(&rig, 1);
	assert_int_equal(msg.type, COAP_CON);
	assert_int_equal(msg.payload.count, 900);
	rig_run(&rig, rig.now + 3 * RIG_SECOND);
	assert_int_equal(rig.sent, 3);
	assert_int_equal(rig.count[2], rig.count[1]);
	assert_memory_equal(rig.bytes[2], rig.bytes[1], rig.count[1]);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RETRANSMITTED), 1);
	rig_fini(&rig);
}

/* ---- groups (RFC 7252 8) ---- */

static const struct frame discover = {.type = COAP_NON, .code = COAP_GET, .id = 7, .token = 0x11,
                                      .path = ".well-known/core"};
static const struct coap_response links = {.code = COAP_CODE_OF(2, 5),
                                           .content_format = 40,
                                           .payload = {(const uint8_t *)"</a>", 4}};

static void group_is_answered_within_the_leisure(void **state)
{
	(void)state;
	static struct rig rig;
	uint64_t earliest = UINT64_MAX, latest = 0;
	rig_init(&rig, 100);
	uint64_t start = rig.now;
	for (uint16_t peer = 0; peer < 50; peer++) {
		rig_group_frame(&rig, peer, &discover);
		assert_true(rig.request.multicast);
		coap_answer(rig.c, rig.handle[peer], &links, rig.now);
	}
	assert_int_equal(rig.sent, 0); /* 8.2: not at once */
	for (uint64_t due; (due = coap_next_timer_us(rig.c)) != UINT64_MAX;) {
		rig_run(&rig, due);
		earliest = due < earliest ? due : earliest;
		latest = due;
	}
	assert_int_equal(rig.sent, 50);
	assert_in_range(earliest - start, 0, RIG_SECOND);
	assert_in_range(latest - start, 3 * RIG_SECOND, 5 * RIG_SECOND + COAP_SLOT_US);
	struct coap_message msg = rig_sent(&rig, 0);
	assert_int_equal(msg.type, COAP_NON);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5));
	assert_int_equal(msg.token[0], 0x11);
	rig_group_frame(&rig, 3, &discover); /* the same message once more */
	rig_run(&rig, rig.now + 10 * RIG_SECOND);
	assert_int_equal(rig.sent, 50);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_DUPLICATE_NON), 1);
	rig_fini(&rig);
}

static void group_hears_no_errors_and_nothing_empty(void **state)
{
	(void)state;
	static struct rig rig;
	const struct coap_response empty = {.code = COAP_CODE_OF(2, 5), .content_format = 40};
	rig_init(&rig, 100);
	rig_group_frame(&rig, 0, &discover);
	rig_respond(&rig, 0, COAP_CODE_OF(4, 4), "no");
	rig_group_frame(&rig, 1, &discover);
	coap_answer(rig.c, rig.handle[1], &empty, rig.now);
	rig.take = COAP_OVERLOADED;
	rig_group_frame(&rig, 2, &discover);
	struct frame bad = discover;
	bad.extra[0] = (struct frame_option){65001, "", 0}; /* critical */
	rig_group_frame(&rig, 3, &bad);
	bad.code = 5;
	rig_group_frame(&rig, 4, &bad);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_SUPPRESSED), 2);
	rig_fini(&rig);
}

static void group_message_that_is_not_non_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 100);
	struct frame con = discover;
	con.type = COAP_CON; /* 8.1 */
	rig_group_frame(&rig, 0, &con);
	con.code = 0;
	con.token = 0;
	con.path = NULL;
	rig_group_frame(&rig, 0, &con); /* a ping: no RST */
	con.type = COAP_RST;
	rig_group_frame(&rig, 0, &con);
	assert_int_equal(rig.sent, 0);
	assert_int_equal(rig.requests, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_GROUP), 3);
	rig_fini(&rig);
}

static void group_can_not_observe(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 100);
	struct frame observe = discover;
	observe.has_observe = true;
	rig_group_frame(&rig, 0, &observe);
	assert_false(rig.request.observe);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answer_carries_its_options_in_order),
	    cmocka_unit_test(answer_that_fits_nowhere_is_5_00),
	    cmocka_unit_test(long_answers_are_bounded_and_forgotten_in_turn),
	    cmocka_unit_test(long_separate_answer_is_sent_again),
	    cmocka_unit_test(group_is_answered_within_the_leisure),
	    cmocka_unit_test(group_hears_no_errors_and_nothing_empty),
	    cmocka_unit_test(group_message_that_is_not_non_is_ignored),
	    cmocka_unit_test(group_can_not_observe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
