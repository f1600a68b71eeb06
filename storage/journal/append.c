/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending: batches in, durable blocks out, strictly in order.
 *
 * Batches gather in the open block. It is closed and written at once when the disk has nothing
 * to do; else it goes on growing until it is half full or a write ends (group commit), so that
 * the block size follows the load. Its place on disk is fixed when it is opened. Writes may end
 * in any order; a block is reported durable when all before it are. A failed write is repeated
 * at the same place until it succeeds, and nothing new is started meanwhile.
 *
 * Thread: the store worker. Memory: buffers taken when the journal was opened. Never allocates,
 * locks or blocks (but in journal_wait); hands full segments to the helper by an SPSC ring.
 */
#include <string.h>

#include "base/check.h"
#include "storage/journal/journal_priv.h"
#include "storage/journal/record.h"

static enum buffer_state state_of(const struct buffer *b)
{
	return atomic_load_explicit(&b->state, memory_order_relaxed) & 7;
}

static void state_set(struct buffer *b, enum buffer_state state)
{
	/* pairs with the reader's compare-and-swap: the bytes before the state */
	atomic_store_explicit(&b->state, buffer_word(b->header.number, state),
	                      memory_order_release);
}

static struct buffer *outstanding(struct journal *j, uint64_t number)
{
	return &j->buffers[j->outstanding[number % j->config.buffers]];
}

enum result journal_attach(struct journal *j, struct error *err)
{
	CHECK(!j->attached);
	enum result r = j->io->ops->attach(j->io, j->data, j->config.buffers,
	                                   j->config.block_bytes_max, j->config.inflight, err);
	if (r != RESULT_OK)
		return r;
	j->attached = true;
	j->appender = pthread_self();
	if (j->active)
		j->io->ops->use(j->io, j->active->handle);
	return RESULT_OK;
}

/* A free buffer, or else the oldest durable one that the reader does not hold. -1: none. */
static int buffer_take(struct journal *j)
{
	for (;;) {
		int oldest = -1;
		uint64_t oldest_word = UINT64_MAX;
		for (uint32_t i = 0; i < j->config.buffers; i++) {
			/* pairs with the release in journal_read's unpinning */
			uint64_t word =
			    atomic_load_explicit(&j->buffers[i].state, memory_order_acquire);
			if ((word & 7) == BUFFER_FREE)
				return (int)i;
			if ((word & 7) == BUFFER_DURABLE && word < oldest_word) {
				oldest = (int)i;
				oldest_word = word;
			}
		}
		if (oldest < 0)
			return -1;
		/* fails only when the reader has just pinned it: then look again */
		if (atomic_compare_exchange_strong_explicit(
		        &j->buffers[oldest].state, &oldest_word, buffer_word(0, BUFFER_FREE),
		        memory_order_acquire, memory_order_relaxed))
			return oldest;
	}
}

static void append_alarm(struct journal *j, enum alarm_kind kind, int error, uint64_t segment)
{
	atomic_store_explicit(&j->append_alarm, alarm_word(kind, error, segment),
	                      memory_order_relaxed);
}

/* Make a prepared segment the active one. False: none is there. */
static bool segment_switch(struct journal *j)
{
	struct segment *next = ring_peek(&j->ready);
	if (!next || ring_count(&j->filled) > j->filled.mask) {
		if (j->failed_newest == 0)
			append_alarm(j, ALARM_NO_SEGMENT, 0, j->active ? j->active->number : 0);
		return false;
	}
	ring_pop(&j->ready);
	if (j->active) {
		j->active->last_block = j->next - 1;
		CHECK(ring_push(&j->filled, j->active));
	}
	j->active = next;
	j->cursor = 0;
	/* pairs with the acquire in journal_read: the reader may look into it */
	atomic_store_explicit(&j->active_number, next->number, memory_order_release);
	j->io->ops->use(j->io, next->handle);
	sem_post(&j->helper_wake);
	if (j->failed_newest == 0)
		append_alarm(j, ALARM_NONE, 0, 0);
	return true;
}

/* Open a block with room for `need` bytes of records. False: no buffer or no segment. */
static bool block_open(struct journal *j, uint32_t need)
{
	/* a segment that somebody cut may end before its last block's padding does */
	uint64_t left =
	    j->active && j->active->bytes > j->cursor ? j->active->bytes - j->cursor : 0;
	if (left < block_bytes_for(need)) {
		if (!segment_switch(j))
			return false;
		left = j->active->bytes;
	}
	int index = buffer_take(j);
	if (index < 0)
		return false;
	uint32_t bytes = j->config.block_bytes_max;
	if (left < bytes)
		bytes = (uint32_t)left / BLOCK_ALIGN * BLOCK_ALIGN;

	struct buffer *b = &j->buffers[index];
	b->header = j->running;
	b->header.number = j->next;
	b->header.segment = j->active->number;
	b->header.offset = j->cursor;
	b->header.record_bytes = 0;
	b->header.record_count = 0;
	b->handle = j->active->handle;
	state_set(b, BUFFER_OPEN);
	j->outstanding[j->next % j->config.buffers] = (uint8_t)index;
	j->next++;
	j->open = index;
	j->open_capacity = bytes - BLOCK_HEADER_BYTES;
	return true;
}

static void block_close(struct journal *j)
{
	struct buffer *b = &j->buffers[j->open];
	b->header.block_bytes = block_bytes_for(b->header.record_bytes);
	b->header.durable_before = j->durable;
	b->header.written_ms = j->io->ops->wall_ms(j->io);
	memcpy(b->header.stage_seq, j->running.stage_seq, sizeof b->header.stage_seq);
	b->header.totals = j->running.totals;
	block_seal(b->data, &b->header);
	j->cursor += b->header.block_bytes;
	j->open = -1;
	j->queued++;
	state_set(b, BUFFER_QUEUED);
}

static void block_write(struct journal *j, struct buffer *b)
{
	b->started_us = j->io->ops->mono_us(j->io);
	state_set(b, BUFFER_WRITING);
	j->inflight++;
	atomic_store_explicit(&j->inflight_shown, j->inflight, memory_order_relaxed);
	j->io->ops->write(j->io, b->handle, (uint32_t)(b - j->buffers), b->header.block_bytes,
	                  b->header.offset, (uint32_t)(b - j->buffers));
}

/* Start the closed blocks, oldest first, as far as the queue depth goes. */
static void writes_start(struct journal *j)
{
	uint64_t end = j->next - (j->open >= 0 ? 1 : 0);
	for (uint64_t n = end - j->queued;
	     j->failed == 0 && j->queued > 0 && j->inflight < j->config.inflight; n++) {
		struct buffer *b = outstanding(j, n);
		CHECK(state_of(b) == BUFFER_QUEUED);
		j->queued--;
		j->reaped = false;
		block_write(j, b);
	}
}

static void reading_count(struct journal *j, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		uint8_t fate = batch->readings[i].fate;
		CHECK_OP(fate, <, FATE_COUNT);
		if (fate != FATE_PENDING)
			j->running.totals.count[fate]++;
	}
	CHECK_OP(batch->stage, <, MAX_STAGE_WORKERS);
	if (batch->stage_seq > j->running.stage_seq[batch->stage])
		j->running.stage_seq[batch->stage] = batch->stage_seq;
}

/* A block is open that has room for the batch. False: no buffer or no segment. */
static bool make_room(struct journal *j, const struct batch *batch)
{
	uint32_t need = 0, room = 0;
	if (j->open >= 0)
		room = j->open_capacity - j->buffers[j->open].header.record_bytes;
	if (room >= RECORD_BATCH_BYTES_MAX)
		return true; /* whatever it is, and counting its bytes is dear */
	for (uint32_t i = 0; i < batch->count; i++)
		need += record_bytes(batch, i);
	CHECK_OP(need, <=, (uint32_t)RECORD_BATCH_BYTES_MAX);
	if (j->open >= 0 && need > room) {
		block_close(j);
		writes_start(j);
	}
	return j->open >= 0 || block_open(j, need);
}

bool journal_append(struct journal *j, const struct batch *batch)
{
	if (!make_room(j, batch))
		return false;
	struct buffer *b = &j->buffers[j->open];
	uint8_t *start = b->data + BLOCK_HEADER_BYTES + b->header.record_bytes, *at = start;
	for (uint32_t i = 0; i < batch->count; i++) {
		uint8_t *end = record_put(at, batch, i);
		b->header.record_count += end != at;
		at = end;
	}
	b->header.record_bytes += (uint32_t)(at - start);
	CHECK_OP(b->header.record_bytes, <=, j->open_capacity);
	reading_count(j, batch);
	j->appended_block = b->header.number;
	return true;
}

uint64_t journal_append_block(const struct journal *j)
{
	return j->appended_block;
}

void journal_submit(struct journal *j, bool flush)
{
	uint32_t busy = j->inflight + j->queued;
	if (j->open >= 0 && j->failed == 0) {
		uint32_t used = j->buffers[j->open].header.record_bytes;
		if (busy == 0 || (busy < j->config.inflight &&
		                  (flush || j->reaped || used >= j->open_capacity / 2)))
			block_close(j);
	}
	writes_start(j);
}

static void write_failed(struct journal *j, struct buffer *b, int32_t result)
{
	if (result < 0)
		append_alarm(j, ALARM_WRITE, -result, b->header.segment);
	else
		append_alarm(j, ALARM_SHORT, 0, b->header.segment);
	state_set(b, BUFFER_FAILED);
	b->retry_at_us = j->io->ops->mono_us(j->io) + j->retry_us;
	j->failed++;
	if (b->header.number > j->failed_newest)
		j->failed_newest = b->header.number;
	j->retry_us = j->retry_us * 2 < RETRY_US_MAX ? j->retry_us * 2 : RETRY_US_MAX;
}

static void write_ended(struct journal *j, const struct journal_completion *done)
{
	CHECK_OP(done->tag, <, j->config.buffers);
	struct buffer *b = &j->buffers[done->tag];
	CHECK(state_of(b) == BUFFER_WRITING);
	j->inflight--;
	j->reaped = true;
	atomic_store_explicit(&j->inflight_shown, j->inflight, memory_order_relaxed);
	if (done->result != (int32_t)b->header.block_bytes) {
		write_failed(j, b, done->result);
		return;
	}
	state_set(b, BUFFER_WRITTEN);
	histogram_add(&j->write_us, j->io->ops->mono_us(j->io) - b->started_us);
	atomic_store_explicit(&j->bytes_written, j->bytes_written + b->header.block_bytes,
	                      memory_order_relaxed);
	atomic_store_explicit(&j->blocks_written, j->blocks_written + 1, memory_order_relaxed);
}

static void totals_publish(struct journal *j, const struct fate_totals *totals)
{
	uint32_t seq = atomic_load_explicit(&j->totals_seq, memory_order_relaxed);
	atomic_store_explicit(&j->totals_seq, seq + 1, memory_order_relaxed);
	/* pairs with the acquire fence in journal_totals_get: odd before the values change */
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < FATE_COUNT; i++)
		atomic_store_explicit(&j->totals[i], totals->count[i], memory_order_relaxed);
	/* pairs with the acquire load there: even after they have */
	atomic_store_explicit(&j->totals_seq, seq + 2, memory_order_release);
}

static void durable_advance(struct journal *j)
{
	const struct buffer *newest = NULL;
	while (j->durable + 1 < j->next) {
		struct buffer *b = outstanding(j, j->durable + 1);
		if (state_of(b) != BUFFER_WRITTEN)
			break;
		state_set(b, BUFFER_DURABLE);
		j->durable++;
		newest = b;
	}
	if (newest) {
		totals_publish(j, &newest->header.totals);
		/* pairs with the acquire in journal_read */
		atomic_store_explicit(&j->durable_block, j->durable, memory_order_release);
	}
}

/* Repeat what failed when its time has come. */
static void retry_failed(struct journal *j)
{
	uint64_t now = j->io->ops->mono_us(j->io);
	for (uint32_t i = 0; i < j->config.buffers; i++) {
		struct buffer *b = &j->buffers[i];
		if (state_of(b) == BUFFER_FAILED && now >= b->retry_at_us &&
		    j->inflight < j->config.inflight) {
			j->failed--;
			block_write(j, b);
		}
	}
}

static void alarm_clear_when_healed(struct journal *j)
{
	if (j->failed_newest != 0 && j->durable >= j->failed_newest) {
		append_alarm(j, ALARM_NONE, 0, 0);
		j->failed_newest = 0;
		j->retry_us = RETRY_US_MIN;
	}
}

uint64_t journal_poll(struct journal *j)
{
	struct journal_completion done[JOURNAL_INFLIGHT_MAX];
	uint32_t count = 0;

	if (j->inflight > 0)
		count = j->io->ops->poll(j->io, done, JOURNAL_INFLIGHT_MAX);
	for (uint32_t i = 0; i < count; i++)
		write_ended(j, &done[i]);
	if (count > 0) {
		durable_advance(j);
		alarm_clear_when_healed(j);
	}
	if (!j->closing) {
		if (j->failed > 0)
			retry_failed(j);
		writes_start(j);
	}
	return j->durable;
}

bool journal_wait(struct journal *j, uint32_t timeout_us)
{
	if (j->inflight == 0)
		return false;
	j->io->ops->wait(j->io, timeout_us);
	return true;
}
