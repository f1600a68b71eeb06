/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers in blocks, both ways (RFC 7959). */
#include "coap_rig.h"

static uint8_t body[16384];

static void body_fill(void)
{
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
}

/* Block `number` of a PUT of `total` bytes in blocks of 2^(szx+4). */
static void put_block(struct rig *rig, uint16_t peer, uint16_t id, uint32_t number, uint8_t szx,
                      uint32_t total)
{
	uint32_t bytes = coap_block_bytes(szx), at = number * bytes;
	bool more = at + bytes < total;
	RIG_FRAME(rig, peer, .type = COAP_CON, .code = COAP_PUT, .id = id, .token = 0x33,
	          .path = "large", .has_block1 = true,
	          .block1 = {.number = number, .szx = szx, .more = more}, .payload = body + at,
	          .payload_bytes = more ? bytes : total - at);
}

static void get_block(struct rig *rig, uint16_t peer, uint16_t id, uint32_t number, uint8_t szx)
{
	RIG_FRAME(rig, peer, .type = COAP_CON, .code = COAP_GET, .id = id, .token = 0x44,
	          .path = "large", .has_block2 = true, .block2 = {.number = number, .szx = szx});
}

static struct coap_response large_answer(uint32_t bytes)
{
	return (struct coap_response){.code = COAP_CODE_OF(2, 5),
	                              .content_format = 0,
	                              .etag = {2, {0xab, 0xcd}},
	                              .payload = {body, bytes}};
}

/* The last message sent carries block `number` of the body. */
static void assert_block2(const struct rig *rig, uint32_t number, uint8_t szx, uint32_t total)
{
	struct coap_message msg = rig_sent(rig, rig->sent - 1);
	struct coap_block block = frame_block(&msg, COAP_BLOCK2);
	uint32_t bytes = coap_block_bytes(szx), at = number * bytes;
	bool more = at + bytes < total;
	assert_int_equal(msg.code, COAP_CODE_OF(2, 5));
	assert_true(block.present);
	assert_int_equal(block.number, number);
	assert_int_equal(block.szx, szx);
	assert_int_equal(block.more, more);
	assert_int_equal(msg.payload.count, more ? bytes : total - at);
	assert_memory_equal(msg.payload.data, body + at, msg.payload.count);
}

static void request_in_blocks_is_put_together(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	for (uint32_t n = 0; n < 8; n++) {
		put_block(&rig, 0, (uint16_t)n, n, 3, 1000);
		assert_int_equal(rig.requests, n == 7);
		if (n == 7)
			break;
		struct coap_message msg = rig_sent(&rig, (int)n);
		struct coap_block block = frame_block(&msg, COAP_BLOCK1);
		assert_int_equal(msg.type, COAP_ACK);
		assert_int_equal(msg.code, COAP_CODE_OF(2, 31)); /* 2.9.1 */
		assert_int_equal(msg.token[0], 0x33);
		assert_int_equal(block.number, n);
		assert_int_equal(block.szx, 3);
		assert_true(block.more);
	}
	assert_int_equal(rig.request.payload.count, 1000);
	assert_memory_equal(rig.payload, body, 1000);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 7);
	struct coap_block block = frame_block(&msg, COAP_BLOCK1);
	assert_int_equal(msg.code, COAP_CODE_OF(2, 4));
	assert_true(block.present); /* 2.3: the last block is acknowledged by its number */
	assert_int_equal(block.number, 7);
	assert_false(block.more);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_CONTINUED), 7);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_TAKEN), 1);
	struct coap_levels levels;
	coap_levels_get(rig.c, &levels);
	assert_int_equal(levels.bodies, 0);
	rig_fini(&rig);
}

static void block_repeated_gets_the_same_answer(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 700);
	put_block(&rig, 0, 2, 1, 4, 700);
	put_block(&rig, 0, 1, 0, 4, 700); /* a late duplicate must not begin it anew */
	assert_int_equal(rig.sent, 3);
	assert_memory_equal(rig.bytes[2], rig.bytes[0], rig.count[0]);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_DUPLICATE_CON), 1);
	put_block(&rig, 0, 9, 1, 4, 700); /* the same block with another id takes nothing away */
	put_block(&rig, 0, 3, 2, 4, 700);
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.request.payload.count, 700);
	assert_memory_equal(rig.payload, body, 700);
	rig_fini(&rig);
}

static void block_without_its_predecessors_gets_4_08(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 1, 4, 700); /* nothing there yet */
	assert_int_equal(rig_sent(&rig, 0).code, COAP_CODE_OF(4, 8));
	put_block(&rig, 0, 2, 0, 4, 1000);
	put_block(&rig, 0, 3, 2, 4, 1000); /* a gap */
	assert_int_equal(rig_sent(&rig, 2).code, COAP_CODE_OF(4, 8));
	put_block(&rig, 1, 4, 1, 4, 1000); /* another endpoint's */
	assert_int_equal(rig_sent(&rig, 3).code, COAP_CODE_OF(4, 8));
	assert_int_equal(rig_count(&rig, COUNTER_COAP_REFUSED_INCOMPLETE), 3);
	/* another format: not the same request */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_PUT, .id = 5, .path = "large",
	          .has_format = true, .format = 50, .has_block1 = true,
	          .block1 = {.number = 1, .szx = 4}, .payload = body, .payload_bytes = 10);
	assert_int_equal(rig_sent(&rig, 4).code, COAP_CODE_OF(4, 8));
	assert_int_equal(rig.requests, 0);
	rig_fini(&rig);
}

static void block_zero_begins_anew(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 600);
	put_block(&rig, 0, 2, 1, 4, 600);
	put_block(&rig, 0, 3, 0, 4, 300);
	put_block(&rig, 0, 4, 2, 4, 600); /* of the one that was given up */
	assert_int_equal(rig_sent(&rig, 3).code, COAP_CODE_OF(4, 8));
	put_block(&rig, 0, 5, 1, 4, 300);
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.request.payload.count, 300);
	rig_fini(&rig);
}

static void client_may_change_to_smaller_blocks(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 5, 800); /* 512 bytes ... */
	for (uint32_t n = 8; n < 13; n++) /* ... go on at 8 * 64 */
		put_block(&rig, 0, (uint16_t)n, n, 2, 800);
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.request.payload.count, 800);
	assert_memory_equal(rig.payload, body, 800);
	rig_fini(&rig);
}

static void request_in_one_block_is_taken_at_once(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 100);
	assert_int_equal(rig.requests, 1);
	assert_int_equal(rig.request.payload.count, 100);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	struct coap_message msg = rig_sent(&rig, 0);
	assert_int_equal(frame_uint(&msg, COAP_BLOCK1), 4);
	rig_fini(&rig);
}

static void body_too_long_gets_4_13_with_the_limit(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20); /* 1,024 bytes at most */
	for (uint32_t n = 0; n < 4; n++)
		put_block(&rig, 0, (uint16_t)n, n, 4, 1025);
	put_block(&rig, 0, 4, 4, 4, 1025);
	struct coap_message msg = rig_sent(&rig, 4);
	assert_int_equal(msg.code, COAP_CODE_OF(4, 13));
	assert_int_equal(frame_uint(&msg, COAP_SIZE1), 1024);
	/* who says so beforehand is told before anything is kept */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_PUT, .id = 9, .path = "large",
	          .has_block1 = true, .block1 = {.szx = 4, .more = true}, .size1 = 1025,
	          .payload = body, .payload_bytes = 256);
	assert_int_equal(rig_sent(&rig, 5).code, COAP_CODE_OF(4, 13));
	struct coap_levels levels;
	coap_levels_get(rig.c, &levels);
	assert_int_equal(levels.bodies, 0);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_REFUSED_SIZE), 2);
	rig_fini(&rig);
}

static void malformed_block_gets_4_00(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	/* a block that is not the last must be full */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_PUT, .id = 1, .path = "large",
	          .has_block1 = true, .block1 = {.szx = 4, .more = true}, .payload = body,
	          .payload_bytes = 255);
	assert_int_equal(rig_sent(&rig, 0).code, COAP_CODE_OF(4, 0));
	/* the reserved size */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 2, .path = "large",
	          .has_block2 = true, .block2 = {.szx = 7});
	assert_int_equal(rig_sent(&rig, 1).code, COAP_CODE_OF(4, 0));
	assert_int_equal(rig_count(&rig, COUNTER_COAP_REFUSED_BLOCK), 2);
	rig_fini(&rig);
}

static void bodies_are_bounded(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20); /* two bodies */
	put_block(&rig, 0, 1, 0, 4, 600);
	put_block(&rig, 1, 1, 0, 4, 600);
	put_block(&rig, 2, 1, 0, 4, 600);
	struct coap_message msg = rig_sent(&rig, 2);
	assert_int_equal(msg.code, COAP_CODE_OF(5, 3)); /* come back later */
	assert_int_equal(frame_uint(&msg, COAP_MAX_AGE), 300);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_BODIES_FULL), 1);
	rig.now += 5 * RIG_SECOND;
	put_block(&rig, 1, 2, 1, 4, 600); /* still alive */
	rig.now += 6 * RIG_SECOND;
	put_block(&rig, 2, 2, 0, 4, 600); /* the first one's next block is overdue */
	assert_int_equal(rig_sent(&rig, 4).code, COAP_CODE_OF(2, 31));
	assert_int_equal(rig_count(&rig, COUNTER_COAP_BODY_ABANDONED), 1);
	put_block(&rig, 0, 2, 1, 4, 600);
	assert_int_equal(rig_sent(&rig, 5).code, COAP_CODE_OF(4, 8));
	put_block(&rig, 1, 3, 2, 4, 600);
	assert_int_equal(rig.requests, 1);
	rig_fini(&rig);
}

static void overload_at_the_last_block_keeps_the_body(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 300);
	rig.take = COAP_OVERLOADED;
	put_block(&rig, 0, 2, 1, 4, 300);
	assert_int_equal(rig_sent(&rig, 1).code, COAP_CODE_OF(5, 3));
	rig.take = COAP_TAKEN;
	put_block(&rig, 0, 3, 1, 4, 300);
	assert_int_equal(rig.requests, 2);
	assert_int_equal(rig.request.payload.count, 300);
	assert_memory_equal(rig.payload, body, 300);
	rig_fini(&rig);
}

static void answer_too_long_for_a_datagram_comes_in_blocks(void **state)
{
	(void)state;
	static struct rig rig;
	rig_payload_max = 16384;
	rig_init(&rig, 20);
	struct coap_response answer = large_answer(2500);
	rig.answer_at_once = &answer;
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_GET, .id = 1, .token = 0x44,
	          .path = "large");
	assert_block2(&rig, 0, 6, 2500);
	struct coap_message msg = rig_sent(&rig, 0);
	assert_int_equal(frame_uint(&msg, COAP_SIZE2), 2500);
	/* the rest is what was there then, and the application is not asked again */
	memset(rig.payload, 0, sizeof rig.payload);
	answer.payload.count = 7;
	get_block(&rig, 0, 2, 1, 6);
	assert_block2(&rig, 1, 6, 2500);
	get_block(&rig, 0, 3, 2, 6);
	assert_block2(&rig, 2, 6, 2500);
	msg = rig_sent(&rig, 2);
	assert_int_equal(frame_uint(&msg, COAP_ETAG), 0xabcd);
	assert_int_equal(rig.requests, 1);
	get_block(&rig, 0, 3, 2, 6); /* and a duplicate gets the same */
	assert_memory_equal(rig.bytes[3], rig.bytes[2], rig.count[2]);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_BLOCK_SERVED), 2);
	rig_fini(&rig);
	rig_payload_max = 1024;
}

static void block_size_is_negotiated_early_and_late(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	struct coap_response answer = large_answer(1000);
	rig.answer_at_once = &answer;
	get_block(&rig, 0, 1, 0, 2); /* early: 64 bytes from the start */
	assert_block2(&rig, 0, 2, 1000);
	get_block(&rig, 0, 2, 15, 2);
	assert_block2(&rig, 15, 2, 1000);
	answer = large_answer(1000);
	get_block(&rig, 1, 3, 0, 5); /* 512, then 16 * 32 = 512 on */
	assert_block2(&rig, 0, 5, 1000);
	get_block(&rig, 1, 4, 16, 1);
	assert_block2(&rig, 16, 1, 1000);
	assert_int_equal(rig.requests, 2);
	/* what fits says so */
	answer = large_answer(10);
	get_block(&rig, 2, 5, 0, 2);
	assert_block2(&rig, 0, 2, 10);
	rig_fini(&rig);
}

static void block_that_was_not_kept_is_asked_for_anew(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	struct coap_response answer = large_answer(1000);
	rig.answer_at_once = &answer;
	get_block(&rig, 0, 1, 3, 4); /* any block, at any time: GET changes nothing */
	assert_int_equal(rig.requests, 1);
	assert_block2(&rig, 3, 4, 1000);
	get_block(&rig, 0, 2, 4, 4); /* there is none */
	assert_int_equal(rig_sent(&rig, 1).code, COAP_CODE_OF(4, 0));
	/* but a POST can't be done again for the sake of a block */
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_POST, .id = 3, .path = "large",
	          .has_block2 = true, .block2 = {.number = 1, .szx = 4});
	assert_int_equal(rig_sent(&rig, 2).code, COAP_CODE_OF(4, 8));
	assert_int_equal(rig.requests, 2);
	rig_fini(&rig);
}

static void post_in_blocks_is_answered_in_blocks(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 500);
	put_block(&rig, 0, 2, 1, 4, 500);
	struct coap_response answer = large_answer(1000);
	coap_answer(rig.c, rig.handle[0], &answer, rig.now);
	struct coap_message msg = rig_sent(&rig, 1);
	assert_int_equal(frame_uint(&msg, COAP_BLOCK1), 1 << 4 | 4);
	assert_int_equal(msg.payload.count, 1000);
	/* 3.3: PUT with Block2 alone goes on with the answer */
	rig_fini(&rig);
	rig_payload_max = 4096;
	rig_init(&rig, 20);
	put_block(&rig, 0, 1, 0, 4, 300);
	put_block(&rig, 0, 2, 1, 4, 300);
	answer = large_answer(3000);
	coap_answer(rig.c, rig.handle[0], &answer, rig.now);
	assert_block2(&rig, 0, 6, 3000);
	RIG_FRAME(&rig, 0, .type = COAP_CON, .code = COAP_PUT, .id = 3, .path = "large",
	          .has_block2 = true, .block2 = {.number = 2, .szx = 6});
	assert_block2(&rig, 2, 6, 3000);
	assert_int_equal(rig.requests, 1);
	rig_fini(&rig);
	rig_payload_max = 1024;
}

static void kept_answers_are_bounded_and_age(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 20); /* two bodies */
	struct coap_response answer = large_answer(1000);
	rig.answer_at_once = &answer;
	for (uint16_t peer = 0; peer < 3; peer++) {
		get_block(&rig, peer, 1, 0, 4);
		rig.now += RIG_SECOND;
	}
	assert_int_equal(rig_count(&rig, COUNTER_COAP_BODY_EVICTED), 1);
	get_block(&rig, 2, 2, 1, 4);
	assert_int_equal(rig.requests, 3);
	get_block(&rig, 0, 2, 1, 4); /* the oldest made room: asked again, and answered */
	assert_int_equal(rig.requests, 4);
	assert_block2(&rig, 1, 4, 1000);
	rig.now += 300 * RIG_SECOND;
	get_block(&rig, 2, 3, 2, 4);
	assert_int_equal(rig.requests, 5);
	/* a request in blocks is worth more than an answer somebody may come back for */
	put_block(&rig, 3, 1, 0, 4, 600);
	put_block(&rig, 4, 1, 0, 4, 600);
	assert_int_equal(rig_sent(&rig, rig.sent - 1).code, COAP_CODE_OF(2, 31));
	rig_fini(&rig);
}

int main(void)
{
	body_fill();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(request_in_blocks_is_put_together),
	    cmocka_unit_test(block_repeated_gets_the_same_answer),
	    cmocka_unit_test(block_without_its_predecessors_gets_4_08),
	    cmocka_unit_test(block_zero_begins_anew),
	    cmocka_unit_test(client_may_change_to_smaller_blocks),
	    cmocka_unit_test(request_in_one_block_is_taken_at_once),
	    cmocka_unit_test(body_too_long_gets_4_13_with_the_limit),
	    cmocka_unit_test(malformed_block_gets_4_00),
	    cmocka_unit_test(bodies_are_bounded),
	    cmocka_unit_test(overload_at_the_last_block_keeps_the_body),
	    cmocka_unit_test(answer_too_long_for_a_datagram_comes_in_blocks),
	    cmocka_unit_test(block_size_is_negotiated_early_and_late),
	    cmocka_unit_test(block_that_was_not_kept_is_asked_for_anew),
	    cmocka_unit_test(post_in_blocks_is_answered_in_blocks),
	    cmocka_unit_test(kept_answers_are_bounded_and_age),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
