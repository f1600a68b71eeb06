/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 256);
}

static struct conn *open_with(uint32_t bytes)
{
	h_init();
	h_start();
	h_open(false);
	struct conn *c = h_conn();
	uint8_t data[5000];
	for (uint32_t i = 0; i < bytes; i++)
		data[i] = byte_at(i);
	assert_true(tx_append(h.e, c, data, bytes));
	return c;
}

static void expect_next(struct conn *c, uint32_t offset, uint32_t bytes, uint32_t first)
{
	uint8_t out[5000];
	tx_copy(h.e, c, offset, out, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(out[i], byte_at(first + i));
}

/* Any place, as if nothing had been read before. */
static void expect(struct conn *c, uint32_t offset, uint32_t bytes, uint32_t first)
{
	c->tx_cursor = NONE;
	expect_next(c, offset, bytes, first);
}

static void tx_any_part_is_read_back(void **state)
{
	(void)state;
	struct conn *c = open_with(1000);
	for (uint32_t offset = 0; offset < 1000; offset += 61)
		for (uint32_t bytes = 0; offset + bytes <= 1000; bytes += 123)
			expect(c, offset, bytes, offset);
}

static void tx_acknowledged_chunks_are_freed(void **state)
{
	(void)state;
	struct conn *c = open_with(1000);
	assert_int_equal(h.e->chunk_used, 9); /* of 124 bytes */
	tx_drop(h.e, c, 123);
	assert_int_equal(h.e->chunk_used, 9);
	expect(c, 0, 877, 123);
	tx_drop(h.e, c, 1);
	assert_int_equal(h.e->chunk_used, 8);
	expect(c, 0, 876, 124);
	tx_drop(h.e, c, 876);
	assert_int_equal(h.e->chunk_used, 0);
	assert_int_equal(c->tx_bytes, 0);
}

static void tx_small_sends_share_a_chunk(void **state)
{
	(void)state;
	struct conn *c = open_with(4);
	uint8_t more[4] = {byte_at(4), byte_at(5), byte_at(6), byte_at(7)};
	assert_true(tx_append(h.e, c, more, 4));
	assert_int_equal(h.e->chunk_used, 1);
	expect(c, 0, 8, 0);
}

static void tx_without_chunks_takes_nothing(void **state)
{
	(void)state;
	h_init();
	h.config.tx_memory_bytes = 16 * sizeof(struct chunk);
	h_start();
	h_open(false);
	struct conn *c = h_conn();
	uint8_t data[16 * CHUNK_BYTES + 1] = {0};
	assert_false(tx_append(h.e, c, data, sizeof data));
	assert_int_equal(h.e->chunk_used, 0);
	assert_true(tx_append(h.e, c, data, sizeof data - 1));
	assert_false(tx_append(h.e, c, data, 1));
	tx_drop(h.e, c, CHUNK_BYTES);
	assert_true(tx_append(h.e, c, data, CHUNK_BYTES));
}

static void tx_cursor_follows_new_data(void **state)
{
	(void)state;
	struct conn *c = open_with(2000);
	for (uint32_t at = 0; at < 2000; at += 250) {
		expect_next(c, c->snd_nxt - c->snd_una, 250, at);
		c->snd_nxt += 250;
	}
	expect_next(c, 100, 600, 100); /* a retransmission does not move it */
	assert_int_equal(c->tx_cursor, c->tx_tail);
	c->snd_nxt = c->snd_una;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(tx_any_part_is_read_back, h_stop),
	    cmocka_unit_test_teardown(tx_acknowledged_chunks_are_freed, h_stop),
	    cmocka_unit_test_teardown(tx_small_sends_share_a_chunk, h_stop),
	    cmocka_unit_test_teardown(tx_without_chunks_takes_nothing, h_stop),
	    cmocka_unit_test_teardown(tx_cursor_follows_new_data, h_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
