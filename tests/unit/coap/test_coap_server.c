/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static void con_answered_in_time_is_piggybacked(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	/* RFC 7252 figure 17: GET /temperature, token 0x20, message id 0x7d35 */
	RIG_INPUT(&rig, 3, 0x41, 0x01, 0x7d, 0x35, 0x20, 0xbb, 't', 'e', 'm', 'p', 'e', 'r', 'a',
	          't', 'u', 'r', 'e');
	assert_int_equal(rig.requests, 1);
	assert_string_equal(rig.request.path, "/temperature");
	assert_int_equal(rig.sent, 0);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 5), "22.3 C");
	/* as in the figure, but that the format of the text is said */
	assert_last_sent(&rig, 1, 0x61, 0x45, 0x7d, 0x35, 0x20, 0xc0, 0xff, '2', '2', '.', '3', ' ',
	                 'C');
	struct coap_peer peer = rig_peer(3);
	assert_memory_equal(&rig.sent_to[0], &peer, sizeof peer);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_TAKEN), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_PIGGYBACKED), 1);
	rig_fini(&rig);
}

static void con_answered_late_is_answered_separately(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 0x7d38);
	rig_run(&rig, rig.now + RIG_SECOND);
	assert_last_sent(&rig, 1, 0x60, 0, 0x7d, 0x38);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 1);
	assert_int_equal(msg.type, COAP_CON);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 4));
	assert_int_equal(msg.token_bytes, 1);
	assert_int_equal(msg.token[0], 0x77);
	RIG_INPUT(&rig, 0, 0x60, 0, (uint8_t)(msg.id >> 8), (uint8_t)msg.id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ACK_MATCHED), 1);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 2);
	rig_fini(&rig);
}

static void rst_ends_a_separate_answer(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 9);
	rig_run(&rig, rig.now + RIG_SECOND);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 1);
	RIG_INPUT(&rig, 0, 0x70, 0, (uint8_t)(msg.id >> 8), (uint8_t)msg.id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RST_MATCHED), 1);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 2);
	rig_fini(&rig);
}

static void ack_of_somebody_else_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 9);
	rig_run(&rig, rig.now + RIG_SECOND);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 1);
	uint8_t high = (uint8_t)(msg.id >> 8), low = (uint8_t)msg.id;
	RIG_INPUT(&rig, 1, 0x60, 0, high, low);                  /* another peer */
	RIG_INPUT(&rig, 0, 0x60, 0, high, (uint8_t)(low + 1));   /* another id */
	RIG_INPUT(&rig, 0, 0x60, 0x45, high, low);               /* not empty */
	RIG_INPUT(&rig, 1, 0x70, 0, high, low);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ACK_IGNORED), 3);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RST_IGNORED), 1);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 6);
	rig_fini(&rig);
}

static void con_repeated_is_processed_once(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 5);
	rig_post(&rig, 0, COAP_CON, 5); /* under way: absorbed */
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.sent, 0);
	rig_respond(&rig, 0, COAP_CODE_OF(4, 4), "no such meter");
	assert_int_equal(rig.sent, 1);
	rig_post(&rig, 0, COAP_CON, 5); /* answered: the same answer */
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.sent, 2);
	assert_int_equal(rig.count[1], rig.count[0]);
	assert_memory_equal(rig.bytes[1], rig.bytes[0], rig.count[0]);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_DUPLICATE_CON), 2);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_AGAIN), 1);
	rig_post(&rig, 1, COAP_CON, 5); /* another peer */
	rig_post(&rig, 0, COAP_CON, 6); /* another id */
	assert_int_equal(rig.requests, 3);
	rig_fini(&rig);
}

static void con_repeated_after_its_ack_gets_the_ack_again(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 5);
	rig_run(&rig, rig.now + RIG_SECOND);
	rig_post(&rig, 0, COAP_CON, 5);
	assert_last_sent(&rig, 2, 0x60, 0, 0, 5);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	rig_post(&rig, 0, COAP_CON, 5);
	assert_last_sent(&rig, 4, 0x60, 0, 0, 5);
	assert_int_equal(rig.requests, 1);
	rig_fini(&rig);
}

static void con_repeated_after_its_lifetime_is_new(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig.code_at_once = COAP_CODE_OF(2, 4);
	rig_post(&rig, 0, COAP_CON, 5);
	rig.now += 247 * RIG_SECOND;
	rig_post(&rig, 0, COAP_CON, 5);
	assert_int_equal(rig.requests, 2);
	assert_int_equal(rig.sent, 2);
	assert_true(rig.handle[0] != rig.handle[1]);
	rig_fini(&rig);
}

static void non_is_answered_by_non(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_NON, 5);
	assert_false(rig.request.confirmable);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 0);
	assert_int_equal(msg.type, COAP_NON);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 4));
	assert_int_equal(msg.token[0], 0x77);
	rig_post(&rig, 0, COAP_NON, 5); /* 4.5: ignored */
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_DUPLICATE_NON), 1);
	RIG_INPUT(&rig, 0, 0x70, 0, (uint8_t)(msg.id >> 8), (uint8_t)msg.id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RST_MATCHED), 1);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 1);
	rig_fini(&rig);
}

static void non_with_the_id_of_a_con_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig.code_at_once = COAP_CODE_OF(2, 4);
	rig_post(&rig, 0, COAP_CON, 5);
	rig_post(&rig, 0, COAP_NON, 5);
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_DUPLICATE_NON), 1);
	rig_group_frame(&rig, 0, &(const struct frame){.type = COAP_NON, .code = COAP_GET,
	                                               .id = 5, .path = "a"});
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig.requests, 1);
	rig_fini(&rig);
}

static void ping_is_answered_by_rst(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x40, 0, 0x12, 0x34);
	assert_last_sent(&rig, 1, 0x70, 0, 0x12, 0x34);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_PING), 1);
	rig_fini(&rig);
}

static void malformed_con_is_reset_and_the_rest_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x40, 2, 0, 7, 0xff);
	assert_last_sent(&rig, 1, 0x70, 0, 0, 7);
	RIG_INPUT(&rig, 0, 0x49, 2, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	assert_last_sent(&rig, 2, 0x70, 0, 0, 8);
	RIG_INPUT(&rig, 0, 0x40, 0x20, 0, 9); /* class 1 */
	assert_last_sent(&rig, 3, 0x70, 0, 0, 9);
	RIG_INPUT(&rig, 0, 0x50, 2, 0, 7, 0xff); /* NON */
	RIG_INPUT(&rig, 0, 0x50, 0, 0, 7);       /* empty NON */
	RIG_INPUT(&rig, 0, 0x60, 2, 0, 7, 0xff); /* ACK */
	RIG_INPUT(&rig, 0, 0x70, 2, 0, 7, 0xff); /* RST */
	RIG_INPUT(&rig, 0, 0x80, 2, 0, 7);       /* version 2 */
	RIG_INPUT(&rig, 0, 0x40, 2, 0);          /* short */
	assert_int_equal(rig.sent, 3);
	assert_int_equal(rig.requests, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_PAYLOAD), 4);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_EMPTY), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_TOKEN), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_CLASS), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_VERSION), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ERR_SHORT), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_IN), 9);
	rig_fini(&rig);
}

static void response_nobody_asked_for_is_rejected(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x40, 0x45, 0, 7);
	assert_last_sent(&rig, 1, 0x70, 0, 0, 7);
	RIG_INPUT(&rig, 0, 0x50, 0x45, 0, 7);
	assert_int_equal(rig.sent, 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_RESPONSE_IGNORED), 2);
	rig_fini(&rig);
}

static void bad_option_in_con_gets_4_02_with_its_number(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x41, 2, 0, 7, 0x55, 0xd1, 12, 0x06, 0xff, 'x'); /* 25 */
	struct coap_message msg = rig_sent(&rig, 0);
	assert_int_equal(msg.type, COAP_ACK);
	assert_int_equal(msg.id, 7);
	assert_int_equal(msg.code, COAP_CODE_OF(4, 2));
	assert_int_equal(msg.token[0], 0x55);
	assert_int_equal(msg.payload.count, strlen("option 25 not supported"));
	assert_memory_equal(msg.payload.data, "option 25 not supported", msg.payload.count);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_REFUSED_OPTION), 1);
	assert_int_equal(rig.requests, 0);
	rig_fini(&rig);
}

static void bad_option_in_non_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x50, 2, 0, 7, 0x91, 'x', 0xff, 'x');
	assert_int_equal(rig.sent, 0);
	assert_int_equal(rig.requests, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_REFUSED_OPTION), 1);
	rig_fini(&rig);
}

static void method_unknown_gets_4_05(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	RIG_INPUT(&rig, 0, 0x40, 5, 0, 7);
	assert_last_sent(&rig, 1, 0x60, 0x85, 0, 7);
	RIG_INPUT(&rig, 0, 0x50, 31, 0, 8);
	struct coap_message msg = rig_sent(&rig, 1);
	assert_int_equal(msg.type, COAP_NON);
	assert_int_equal(msg.code, COAP_CODE_OF(4, 5));
	rig_fini(&rig);
}

static void payload_too_large_gets_4_13_with_the_limit(void **state)
{
	(void)state;
	static struct rig rig;
	static uint8_t big[5 + 1025] = {0x40, 2, 0, 7, 0xff};
	rig_init(&rig, 10);
	rig_input(&rig, 0, big, sizeof big);
	/* Size1 (60) = 1024 */
	assert_last_sent(&rig, 1, 0x60, 0x8d, 0, 7, 0xd2, 60 - 13, 0x04, 0x00);
	rig_fini(&rig);
}

static void refusal_of_the_application_becomes_its_code(void **state)
{
	(void)state;
	static const struct {
		enum coap_take take;
		uint8_t code;
		enum counter counter;
	} refusals[] = {
	    {COAP_NOT_FOUND, COAP_CODE_OF(4, 4), COUNTER_COAP_REFUSED_PATH},
	    {COAP_NOT_ALLOWED, COAP_CODE_OF(4, 5), COUNTER_COAP_REFUSED_METHOD},
	    {COAP_BAD_FORMAT, COAP_CODE_OF(4, 15), COUNTER_COAP_REFUSED_FORMAT},
	    {COAP_BAD_CONDITION, COAP_CODE_OF(4, 12), COUNTER_COAP_REFUSED_CONDITION},
	};
	static struct rig rig;
	for (size_t i = 0; i < 4; i++) {
		rig_init(&rig, 10);
		rig.take = refusals[i].take;
		rig_post(&rig, 0, COAP_CON, 7);
		assert_last_sent(&rig, 1, 0x61, refusals[i].code, 0, 7, 0x77);
		assert_int_equal(rig_count(&rig, refusals[i].counter), 1);
		assert_int_equal(rig_count(&rig, COUNTER_COAP_TAKEN), 0);
		/* not remembered: the handle is stale */
		rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
		assert_int_equal(rig.sent, 1);
		assert_int_equal(rig_count(&rig, COUNTER_COAP_STALE_ANSWER), 1);
		rig_fini(&rig);
	}
}

static void overload_gets_5_03_with_max_age(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 2);
	rig.take = COAP_OVERLOADED;
	rig_post(&rig, 0, COAP_CON, 7);
	/* Max-Age (14) = 300 */
	assert_last_sent(&rig, 1, 0x61, 0xa3, 0, 7, 0x77, 0xd2, 14 - 13, 0x01, 0x2c);
	rig.take = COAP_TAKEN;
	rig_post(&rig, 0, COAP_CON, 7); /* room meanwhile: processed */
	assert_int_equal(rig.requests, 2);
	rig_post(&rig, 0, COAP_CON, 8);
	rig_post(&rig, 0, COAP_CON, 9); /* two unanswered: the pool is full */
	assert_int_equal(rig.requests, 3);
	assert_last_sent(&rig, 2, 0x61, 0xa3, 0, 9, 0x77, 0xd2, 14 - 13, 0x01, 0x2c);
	rig_post(&rig, 0, COAP_NON, 10);
	struct coap_message msg = rig_sent(&rig, 2);
	assert_int_equal(msg.type, COAP_NON);
	assert_int_equal(msg.code, COAP_CODE_OF(5, 3));
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OVERLOADED_OUT), 3);
	rig_fini(&rig);
}

/* POST with token and No-Response (258, two-byte delta 258 - 11 - 13 = 234): wants no 2.xx. */
static void post_no_response(struct rig *rig, uint8_t first, uint8_t id, uint8_t value)
{
	RIG_INPUT(rig, 0, first, 2, 0, id, 0x77, 0xb1, 'a', 0xd1, 234, value, 0xff, 'x');
}

static void no_response_is_honoured_by_class(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig.code_at_once = COAP_CODE_OF(2, 4);
	post_no_response(&rig, 0x51, 1, 2); /* NON: silence */
	assert_int_equal(rig.sent, 0);
	post_no_response(&rig, 0x41, 2, 2); /* CON: an empty ACK, also for a repetition */
	assert_last_sent(&rig, 1, 0x60, 0, 0, 2);
	post_no_response(&rig, 0x41, 2, 2);
	assert_last_sent(&rig, 2, 0x60, 0, 0, 2);
	rig.code_at_once = COAP_CODE_OF(4, 0);
	post_no_response(&rig, 0x51, 3, 2); /* other classes are still sent */
	assert_int_equal(rig_sent(&rig, 2).code, COAP_CODE_OF(4, 0));
	post_no_response(&rig, 0x51, 4, 8);
	assert_int_equal(rig.sent, 3);
	rig.take = COAP_NOT_FOUND; /* also where the server itself refuses */
	post_no_response(&rig, 0x51, 5, 8);
	assert_int_equal(rig.sent, 3);
	post_no_response(&rig, 0x41, 6, 8);
	assert_last_sent(&rig, 4, 0x60, 0, 0, 6);
	rig.take = COAP_OVERLOADED;
	post_no_response(&rig, 0x51, 7, 16);
	assert_int_equal(rig.sent, 4);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_SUPPRESSED), 6);
	assert_int_equal(rig.requests, 7);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 4);
	rig_fini(&rig);
}

static void diagnostic_is_cut_between_characters(void **state)
{
	(void)state;
	static struct rig rig;
	static char text[1200];
	for (uint32_t shift = 0; shift < 3; shift++) {
		rig_init(&rig, 10);
		memset(text, 'x', sizeof text);
		for (uint32_t i = shift; i + 3 <= sizeof text; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		rig_post(&rig, 0, COAP_CON, 1);
		coap_respond(rig.c, rig.handle[0], COAP_CODE_OF(4, 22), text, sizeof text, rig.now);
		struct coap_message msg = rig_sent(&rig, 0);
		assert_in_range(msg.payload.count, 1022, 1024);
		assert_int_equal((msg.payload.count - shift) % 3, 0);
		assert_memory_equal(msg.payload.data, text, msg.payload.count);
		rig_fini(&rig);
	}
}

static void answer_lost_for_lack_of_buffers_is_sent_on_repetition(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	rig_post(&rig, 0, COAP_CON, 1);
	rig.no_buffers = true;
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	assert_int_equal(rig.sent, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_UNSENT), 1);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_PIGGYBACKED), 0);
	rig.no_buffers = false;
	rig_post(&rig, 0, COAP_CON, 1);
	assert_last_sent(&rig, 1, 0x61, 0x44, 0, 1, 0x77);
	rig_fini(&rig);
}

static void answer_with_a_stale_handle_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 1);
	rig_post(&rig, 0, COAP_CON, 1);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), ""); /* twice */
	rig_post(&rig, 0, COAP_CON, 2);               /* the first is forgotten */
	rig_post(&rig, 1, COAP_CON, 3);               /* no room */
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	coap_respond(rig.c, 0, COAP_CODE_OF(2, 4), NULL, 0, rig.now);
	coap_respond(rig.c, UINT64_MAX, COAP_CODE_OF(2, 4), NULL, 0, rig.now);
	assert_int_equal(rig.sent, 2);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_STALE_ANSWER), 4);
	rig_fini(&rig);
}

static void answer_to_a_request_whose_place_is_taken_is_ignored(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 1); /* two places: each third request is where the first was */
	rig_post(&rig, 0, COAP_CON, 1);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	rig_post(&rig, 0, COAP_CON, 2);
	rig_respond(&rig, 1, COAP_CODE_OF(2, 4), "");
	rig_post(&rig, 0, COAP_CON, 3);
	assert_int_equal((uint32_t)rig.handle[2], (uint32_t)rig.handle[0]);
	rig_respond(&rig, 0, COAP_CODE_OF(4, 0), "");
	assert_int_equal(rig.sent, 2);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_STALE_ANSWER), 1);
	rig_respond(&rig, 2, COAP_CODE_OF(2, 4), "");
	assert_last_sent(&rig, 3, 0x61, 0x44, 0, 3, 0x77);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(con_answered_in_time_is_piggybacked),
	    cmocka_unit_test(con_answered_late_is_answered_separately),
	    cmocka_unit_test(rst_ends_a_separate_answer),
	    cmocka_unit_test(ack_of_somebody_else_is_ignored),
	    cmocka_unit_test(con_repeated_is_processed_once),
	    cmocka_unit_test(con_repeated_after_its_ack_gets_the_ack_again),
	    cmocka_unit_test(con_repeated_after_its_lifetime_is_new),
	    cmocka_unit_test(non_is_answered_by_non),
	    cmocka_unit_test(non_with_the_id_of_a_con_is_ignored),
	    cmocka_unit_test(ping_is_answered_by_rst),
	    cmocka_unit_test(malformed_con_is_reset_and_the_rest_ignored),
	    cmocka_unit_test(response_nobody_asked_for_is_rejected),
	    cmocka_unit_test(bad_option_in_con_gets_4_02_with_its_number),
	    cmocka_unit_test(bad_option_in_non_is_ignored),
	    cmocka_unit_test(method_unknown_gets_4_05),
	    cmocka_unit_test(payload_too_large_gets_4_13_with_the_limit),
	    cmocka_unit_test(refusal_of_the_application_becomes_its_code),
	    cmocka_unit_test(overload_gets_5_03_with_max_age),
	    cmocka_unit_test(no_response_is_honoured_by_class),
	    cmocka_unit_test(diagnostic_is_cut_between_characters),
	    cmocka_unit_test(answer_lost_for_lack_of_buffers_is_sent_on_repetition),
	    cmocka_unit_test(answer_with_a_stale_handle_is_ignored),
	    cmocka_unit_test(answer_to_a_request_whose_place_is_taken_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
