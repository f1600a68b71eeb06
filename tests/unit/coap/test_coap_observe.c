/* SPDX-License-Identifier: Apache-2.0 */
/* Observing (RFC 7641). */
#include "coap_rig.h"

static const struct coap_response first_state = {.code = COAP_CODE_OF(2, 5),
                                                 .observed = true,
                                                 .content_format = 0,
                                                 .payload = {(const uint8_t *)"0", 1}};

/* GET with Observe 0 or 1; answered at once. */
static void ask(struct rig *rig, uint16_t peer, enum coap_type type, uint16_t id, uint8_t token,
                uint32_t observe)
{
	rig->answer_at_once = &first_state;
	RIG_FRAME(rig, peer, .type = (uint8_t)type, .code = COAP_GET, .id = id, .token = token,
	          .has_observe = true, .observe = observe, .path = "state");
	rig->answer_at_once = NULL;
}

static void notify(struct rig *rig, coap_handle observer, const char *text)
{
	const struct coap_response state = {
	    .code = COAP_CODE_OF(2, 5),
	    .content_format = 0,
	    .has_max_age = true,
	    .max_age_s = 90,
	    .payload = {(const uint8_t *)text, (uint32_t)strlen(text)}};
	coap_notify(rig->c, observer, &state, rig->now);
}

static struct coap_message last(const struct rig *rig)
{
	return rig_sent(rig, rig->sent - 1);
}

static void reply(struct rig *rig, uint16_t peer, enum coap_type type, uint16_t id)
{
	RIG_INPUT(rig, peer, (uint8_t)(0x40 | type << 4), 0, (uint8_t)(id >> 8), (uint8_t)id);
}

static uint32_t observers(const struct rig *rig)
{
	struct coap_levels levels;
	coap_levels_get(rig->c, &levels);
	return levels.observers;
}

static void registration_is_accepted_with_a_sequence_number(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_CON, 1, 0x51, 0);
	assert_true(rig.request.observe);
	struct coap_message msg = last(&rig);
	assert_int_equal(msg.type, COAP_ACK);
	uint32_t sequence = frame_uint(&msg, COAP_OBSERVE);
	assert_in_range(sequence, 0, 0xffffff);
	assert_int_equal(observers(&rig), 1);
	notify(&rig, rig.request.observer, "1");
	msg = last(&rig);
	assert_int_equal(msg.type, COAP_CON); /* as the registration */
	assert_int_equal(msg.token[0], 0x51);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5));
	assert_int_equal(frame_uint(&msg, COAP_MAX_AGE), 90);
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), sequence + 1); /* 4.4: it rises */
	assert_memory_equal(msg.payload.data, "1", 1);
	reply(&rig, 0, COAP_ACK, msg.id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ACK_MATCHED), 1);
	rig.now += 3600 * RIG_SECOND;
	notify(&rig, rig.request.observer, "2");
	msg = last(&rig);
	assert_true(frame_uint(&msg, COAP_OBSERVE) > sequence + 1);
	reply(&rig, 0, COAP_ACK, msg.id);
	rig_run(&rig, rig.now + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, 3);
	rig_fini(&rig);
}

static void registration_that_the_application_does_not_accept_is_a_get(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	rig.code_at_once = COAP_CODE_OF(2, 5);
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 1, .has_observe = true,
	          .path = "a");
	struct coap_message msg = last(&rig);
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	assert_int_equal(observers(&rig), 0);
	assert_int_equal(rig.gone, 0);
	rig.code_at_once = 0;
	rig.take = COAP_NOT_FOUND;
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 2, .has_observe = true,
	          .path = "a");
	assert_int_equal(observers(&rig), 0);
	notify(&rig, rig.request.observer, "x"); /* who does not know that is told */
	assert_int_equal(rig.gone, 1);
	assert_true(rig.last_gone == rig.request.observer);
	rig_fini(&rig);
}

static void deregistration_ends_it(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_CON, 1, 0x51, 0);
	coap_handle observer = rig.request.observer;
	ask(&rig, 0, COAP_CON, 2, 0x52, 1); /* another token: nobody */
	ask(&rig, 1, COAP_CON, 2, 0x51, 1); /* another endpoint */
	assert_int_equal(observers(&rig), 1);
	ask(&rig, 0, COAP_CON, 3, 0x51, 1);
	assert_int_equal(observers(&rig), 0);
	assert_int_equal(rig.gone, 1);
	assert_true(rig.last_gone == observer);
	struct coap_message msg = last(&rig);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5)); /* and is answered like any GET */
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	rig_fini(&rig);
}

static void registration_again_takes_the_place_of_the_first(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_CON, 1, 0x51, 0);
	struct coap_message msg = last(&rig);
	uint32_t sequence = frame_uint(&msg, COAP_OBSERVE);
	coap_handle observer = rig.request.observer;
	ask(&rig, 0, COAP_CON, 2, 0x51, 0);
	msg = last(&rig);
	assert_int_equal(observers(&rig), 1);
	assert_true(rig.last_gone == observer);
	assert_true(rig.request.observer != observer);
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), sequence + 1);
	rig_fini(&rig);
}

static void registration_replaced_before_its_answer_is_settled_once(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	for (uint16_t id = 1; id <= 2; id++)
		RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = id, .token = 0x51,
		          .has_observe = true, .path = "state");
	assert_int_equal(observers(&rig), 1);
	coap_answer(rig.c, rig.handle[0], &first_state, rig.now); /* the first: too late */
	struct coap_message msg = last(&rig);
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	coap_answer(rig.c, rig.handle[1], &first_state, rig.now);
	msg = last(&rig);
	assert_int_not_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	assert_int_equal(observers(&rig), 1);
	rig_fini(&rig);
}

static void registration_that_is_never_answered_ends_with_its_exchange(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 1, .token = 0x51,
	          .has_observe = true, .path = "state");
	rig_run(&rig, rig.now + 300 * RIG_SECOND);
	rig_post(&rig, 0, COAP_CON, 1); /* the id is free again */
	assert_int_equal(observers(&rig), 0);
	assert_int_equal(rig.gone, 0);
	coap_answer(rig.c, rig.handle[0], &first_state, rig.now);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_STALE_ANSWER), 1);
	rig_fini(&rig);
}

static void rst_ends_it(void **state)
{
	(void)state;
	static struct rig rig;
	for (int con = 0; con < 2; con++) {
		rig_init(&rig, 20);
		ask(&rig, 0, con ? COAP_CON : COAP_NON, 1, 0x51, 0);
		notify(&rig, rig.request.observer, "1");
		struct coap_message msg = last(&rig);
		assert_int_equal(msg.type, con ? COAP_CON : COAP_NON);
		reply(&rig, 1, COAP_RST, msg.id); /* somebody else's */
		assert_int_equal(observers(&rig), 1);
		reply(&rig, 0, COAP_RST, msg.id);
		assert_int_equal(observers(&rig), 0);
		assert_int_equal(rig.gone, 1);
		assert_int_equal(rig_count(&rig, COUNTER_COAP_NOTIFY_RESET), 1);
		rig_run(&rig, rig.now + 100 * RIG_SECOND);
		assert_int_equal(rig.sent, 2);
		rig_fini(&rig);
	}
}

static void silence_ends_it(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_CON, 1, 0x51, 0);
	notify(&rig, rig.request.observer, "1");
	struct coap_message msg = last(&rig);
	uint64_t start = rig.now;
	int sent = rig.sent;
	for (int i = 0; i < 4; i++) { /* 2..3 s, then doubling: RFC 7252 4.2 */
		uint64_t due = coap_next_timer_us(rig.c);
		while (rig.sent == sent + i) {
			due = coap_next_timer_us(rig.c);
			rig_run(&rig, due);
		}
		uint64_t factor = (2u << i) - 1;
		assert_in_range(due - start, factor * 2 * RIG_SECOND,
		                factor * 3 * RIG_SECOND + RIG_SECOND / 2);
		assert_memory_equal(rig.bytes[sent + i], rig.bytes[sent - 1], rig.count[sent - 1]);
	}
	rig_run(&rig, start + 100 * RIG_SECOND);
	assert_int_equal(rig.sent, sent + 4);
	assert_int_equal(rig_sent(&rig, rig.sent - 1).id, msg.id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_NOTIFY_GIVEN_UP), 1);
	assert_int_equal(observers(&rig), 0);
	assert_int_equal(rig.gone, 1);
	rig_fini(&rig);
}

static void newest_state_waits_for_the_one_under_way(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_CON, 1, 0x51, 0);
	coap_handle observer = rig.request.observer;
	notify(&rig, observer, "1");
	uint16_t id = last(&rig).id;
	notify(&rig, observer, "2");
	notify(&rig, observer, "3"); /* RFC 7641 4.5.2: only the newest counts */
	assert_int_equal(rig.sent, 2);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_NOTIFY_SUPERSEDED), 1);
	reply(&rig, 0, COAP_ACK, id);
	assert_int_equal(rig.sent, 3);
	struct coap_message msg = last(&rig);
	assert_memory_equal(msg.payload.data, "3", 1);
	assert_true(msg.id != id);
	/* or it takes the place of a retransmission */
	notify(&rig, observer, "4");
	rig_run(&rig, rig.now + 4 * RIG_SECOND);
	assert_int_equal(rig.sent, 4);
	id = msg.id;
	msg = last(&rig);
	assert_memory_equal(msg.payload.data, "4", 1);
	assert_true(msg.id != id);
	reply(&rig, 0, COAP_ACK, id); /* of the one it replaced: too late */
	assert_int_equal(rig_count(&rig, COUNTER_COAP_ACK_IGNORED), 1);
	reply(&rig, 0, COAP_ACK, msg.id);
	rig_run(&rig, rig.now + 200 * RIG_SECOND);
	assert_int_equal(rig.sent, 4);
	assert_int_equal(observers(&rig), 1);
	rig_fini(&rig);
}

static void non_observer_gets_a_con_every_so_often(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20); /* every fourth */
	ask(&rig, 0, COAP_NON, 1, 0x51, 0);
	coap_handle observer = rig.request.observer;
	for (int i = 1; i <= 8; i++) {
		rig.now += 10 * RIG_SECOND;
		notify(&rig, observer, "s");
		struct coap_message msg = last(&rig);
		assert_int_equal(msg.type, i % 4 == 0 ? COAP_CON : COAP_NON);
		if (msg.type == COAP_CON)
			reply(&rig, 0, COAP_ACK, msg.id);
	}
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_NOTIFY_CON), 2);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OUT_NOTIFY_NON), 6);
	/* 4.5: at least once a day */
	rig.now += 25 * 3600 * RIG_SECOND;
	notify(&rig, observer, "s");
	assert_int_equal(last(&rig).type, COAP_CON);
	rig_fini(&rig);
}

static void error_ends_it_and_arrives(void **state)
{
	(void)state;
	static struct rig rig;
	const struct coap_response gone = {.code = COAP_CODE_OF(4, 4),
	                                   .content_format = COAP_FORMAT_NONE};
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_NON, 1, 0x51, 0);
	coap_handle observer = rig.request.observer;
	coap_notify(rig.c, observer, &gone, rig.now);
	struct coap_message msg = last(&rig);
	assert_int_equal(msg.type, COAP_CON);
	assert_int_equal(msg.code, COAP_CODE_OF(4, 4));
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX); /* 3.2 */
	notify(&rig, observer, "more");
	assert_int_equal(rig.sent, 2);
	reply(&rig, 0, COAP_ACK, msg.id);
	assert_int_equal(observers(&rig), 0);
	assert_int_equal(rig.gone, 1);
	rig_fini(&rig);
}

static void in_order_notification_is_reported_when_it_arrived(void **state)
{
	(void)state;
	static struct rig rig;
	const struct coap_response command = {.code = COAP_CODE_OF(2, 5),
	                                      .in_order = true,
	                                      .content_format = 0,
	                                      .payload = {(const uint8_t *)"open", 4}};
	rig_init(&rig, 20);
	ask(&rig, 0, COAP_NON, 1, 0x51, 0);
	coap_notify(rig.c, rig.request.observer, &command, rig.now);
	struct coap_message msg = last(&rig);
	assert_int_equal(msg.type, COAP_CON); /* also to who registered by NON */
	assert_int_equal(rig.delivered, 0);
	reply(&rig, 0, COAP_ACK, msg.id);
	assert_int_equal(rig.delivered, 1);
	assert_true(rig.last_delivered == rig.request.observer);
	reply(&rig, 0, COAP_ACK, msg.id);
	assert_int_equal(rig.delivered, 1);
	rig_fini(&rig);
}

static void observers_are_bounded(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20); /* three observers */
	for (uint16_t peer = 0; peer < 4; peer++)
		ask(&rig, peer, COAP_CON, 1, 0x51, 0);
	struct coap_message msg = last(&rig);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5)); /* 4.1: a plain answer */
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_OBSERVERS_FULL), 1);
	assert_int_equal(observers(&rig), 3);
	ask(&rig, 1, COAP_CON, 2, 0x51, 1);
	ask(&rig, 3, COAP_CON, 2, 0x51, 0);
	assert_int_equal(observers(&rig), 3);
	rig_fini(&rig);
}

static void large_state_is_fetched_in_blocks(void **state)
{
	(void)state;
	static struct rig rig;
	static uint8_t text[1000];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)('a' + i % 23);
	rig_init(&rig, 20);
	rig.answer_at_once = &first_state;
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 1, .token = 0x51,
	          .has_observe = true, .path = "state", .has_block2 = true, .block2 = {.szx = 4});
	const struct coap_response large = {.code = COAP_CODE_OF(2, 5),
	                                    .content_format = 0,
	                                    .etag = {1, {9}},
	                                    .payload = {text, sizeof text}};
	coap_notify(rig.c, rig.request.observer, &large, rig.now);
	struct coap_message msg = last(&rig);
	struct coap_block block = frame_block(&msg, COAP_BLOCK2);
	assert_int_equal(block.number, 0);
	assert_int_equal(block.szx, 4);
	assert_true(block.more);
	assert_int_not_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	/* RFC 7959 2.6: the rest by GETs of its own, without Observe */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 2, .token = 0x52,
	          .path = "state", .has_block2 = true, .block2 = {.number = 3, .szx = 4});
	msg = last(&rig);
	assert_int_equal(msg.payload.count, 1000 - 768);
	assert_memory_equal(msg.payload.data, text + 768, 1000 - 768);
	assert_int_equal(frame_uint(&msg, COAP_OBSERVE), UINT32_MAX);
	assert_int_equal(frame_uint(&msg, COAP_ETAG), 9);
	assert_int_equal(rig.requests, 1);
	/* Observe with a later block registers nobody */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 3, .token = 0x53,
	          .has_observe = true, .path = "elsewhere", .has_block2 = true,
	          .block2 = {.number = 1, .szx = 4});
	assert_false(rig.request.observe);
	assert_int_equal(observers(&rig), 1);
	rig_fini(&rig);
}

static void many_notifications_keep_their_ids_apart(void **state)
{
	(void)state;
	static struct rig rig;
	static bool used[65536];
	memset(used, 0, sizeof used);
	rig_init(&rig, 20);
	for (uint8_t token = 1; token <= 3; token++)
		ask(&rig, 0, COAP_CON, token, token, 0);
	uint32_t generation = 1;
	for (int i = 0; i < 300; i++) {
		rig.sent = 0;
		coap_handle observer = (uint64_t)generation << 32 | (uint32_t)(i % 3);
		notify(&rig, observer, "x");
		assert_int_equal(rig.sent, 1);
		uint16_t id = last(&rig).id;
		assert_false(used[id]);
		used[id] = true;
		reply(&rig, 0, COAP_ACK, id);
	}
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(registration_is_accepted_with_a_sequence_number),
	    cmocka_unit_test(registration_that_the_application_does_not_accept_is_a_get),
	    cmocka_unit_test(deregistration_ends_it),
	    cmocka_unit_test(registration_again_takes_the_place_of_the_first),
	    cmocka_unit_test(registration_replaced_before_its_answer_is_settled_once),
	    cmocka_unit_test(registration_that_is_never_answered_ends_with_its_exchange),
	    cmocka_unit_test(rst_ends_it),
	    cmocka_unit_test(silence_ends_it),
	    cmocka_unit_test(newest_state_waits_for_the_one_under_way),
	    cmocka_unit_test(non_observer_gets_a_con_every_so_often),
	    cmocka_unit_test(error_ends_it_and_arrives),
	    cmocka_unit_test(in_order_notification_is_reported_when_it_arrived),
	    cmocka_unit_test(observers_are_bounded),
	    cmocka_unit_test(large_state_is_fetched_in_blocks),
	    cmocka_unit_test(many_notifications_keep_their_ids_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
