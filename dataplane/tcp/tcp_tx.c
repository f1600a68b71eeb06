/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The send queue: a list of 128-byte chunks, copied into by tcp_send and freed on the
 * cumulative acknowledgement only (RFC 2018 8: a receiver may renege on SACK).
 */
#include "base/fetch.h"
#include "tcp/tcp_priv.h"

static uint32_t chunk_get(struct tcp_engine *e)
{
	uint32_t index = e->chunk_free;
	CHECK_OP(index, !=, NONE);
	e->chunk_free = e->chunks[index].next;
	if (e->chunk_free != NONE)
		fetch_line(&e->chunks[e->chunk_free]); /* for the next one */
	e->chunks[index].next = NONE;
	e->chunk_used++;
	return index;
}

static void chunk_put(struct tcp_engine *e, uint32_t index)
{
	e->chunks[index].next = e->chunk_free;
	e->chunk_free = index;
	e->chunk_used--;
}

/* Bytes used in the last chunk: the queue is dense from tx_head_offset on. */
static uint32_t tail_fill(const struct conn *c)
{
	uint32_t end = (c->tx_head_offset + c->tx_bytes) % CHUNK_BYTES;
	return end ? end : CHUNK_BYTES;
}

bool tx_append(struct tcp_engine *e, struct conn *c, const uint8_t *bytes, uint32_t count_)
{
	uint32_t room = c->tx_head == NONE ? 0 : CHUNK_BYTES - tail_fill(c);
	if (count_ > room) {
		uint32_t chunks = (count_ - room + CHUNK_BYTES - 1) / CHUNK_BYTES;
		if (chunks > e->chunk_max - e->chunk_used)
			return false;
	}
	uint32_t fill = CHUNK_BYTES - room;
	while (count_ > 0) {
		if (room == 0) {
			uint32_t index = chunk_get(e);
			if (c->tx_head == NONE)
				c->tx_head = index;
			else
				e->chunks[c->tx_tail].next = index;
			c->tx_tail = index;
			fill = 0;
			room = CHUNK_BYTES;
		}
		uint32_t take = min_u32(room, count_);
		memcpy(e->chunks[c->tx_tail].data + fill, bytes, take);
		bytes += take;
		count_ -= take;
		c->tx_bytes += take;
		fill += take;
		room -= take;
	}
	return true;
}

void tx_drop(struct tcp_engine *e, struct conn *c, uint32_t bytes)
{
	CHECK_OP(bytes, <=, c->tx_bytes);
	c->tx_bytes -= bytes;
	uint32_t skip = c->tx_head_offset + bytes;
	while (c->tx_head != NONE && skip >= CHUNK_BYTES) {
		uint32_t next = e->chunks[c->tx_head].next;
		if (c->tx_cursor == c->tx_head)
			c->tx_cursor = NONE;
		chunk_put(e, c->tx_head);
		c->tx_head = next;
		skip -= CHUNK_BYTES;
	}
	c->tx_head_offset = (uint8_t)skip;
	if (c->tx_bytes == 0)
		tx_release(e, c);
}

void tx_release(struct tcp_engine *e, struct conn *c)
{
	while (c->tx_head != NONE) {
		uint32_t next = e->chunks[c->tx_head].next;
		chunk_put(e, c->tx_head);
		c->tx_head = next;
	}
	c->tx_tail = NONE;
	c->tx_cursor = NONE;
	c->tx_bytes = 0;
	c->tx_head_offset = 0;
}

void tx_copy(struct tcp_engine *e, struct conn *c, uint32_t offset, uint8_t *out,
             uint32_t count_)
{
	if (count_ == 0)
		return;
	CHECK_OP((uint64_t)offset + count_, <=, c->tx_bytes);
	/* the cursor remembers the chunk where the last read of new data ended */
	uint32_t chunk = c->tx_head;
	uint32_t skip = c->tx_head_offset + offset;
	bool at_cursor = c->tx_cursor != NONE && c->snd_una + offset == c->snd_nxt;
	if (at_cursor) {
		chunk = c->tx_cursor;
		skip = c->tx_cursor_offset;
	}
	while (skip >= CHUNK_BYTES) {
		chunk = e->chunks[chunk].next;
		skip -= CHUNK_BYTES;
	}
	bool is_new = c->snd_una + offset == c->snd_nxt;
	while (count_ > 0) {
		uint32_t take = min_u32(CHUNK_BYTES - skip, count_);
		memcpy(out, e->chunks[chunk].data + skip, take);
		out += take;
		count_ -= take;
		skip += take;
		if (skip == CHUNK_BYTES && count_ > 0) {
			chunk = e->chunks[chunk].next;
			skip = 0;
		}
	}
	if (is_new) {
		c->tx_cursor = chunk;
		c->tx_cursor_offset = (uint8_t)skip;
	}
}
