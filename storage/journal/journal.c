/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the journal, and what others may know of it.
 *
 * Input: a directory (or a simulated disk). Output: a journal that goes on where the last good
 * block ended. Threads: opening and closing on an ordinary one; status from any. Memory: all of
 * it is taken here, but for the helper's segment descriptors.
 */
#include "storage/journal/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "storage/journal/journal_priv.h"

#define MIB (1024u * 1024u)

static enum result config_check(const struct journal_config *c, struct error *err)
{
	if (c->segment_bytes < 4 * MIB || c->segment_bytes % MIB != 0)
		return fail(RESULT_INPUT, err,
		            "journal: segment_bytes %" PRIu64
		            " must be a multiple of 1 MiB and at least 4 MiB",
		            c->segment_bytes);
	if (c->block_bytes_max < BLOCK_BYTES_MIN_MAX || c->block_bytes_max > BLOCK_BYTES_MAX ||
	    c->block_bytes_max % BLOCK_ALIGN != 0)
		return fail(RESULT_INPUT, err,
		            "journal: block_bytes_max %u must be a multiple of 4 KiB between "
		            "128 KiB and 1 MiB",
		            c->block_bytes_max);
	if (c->inflight < 1 || c->inflight > JOURNAL_INFLIGHT_MAX)
		return fail(RESULT_INPUT, err, "journal: inflight %u must be 1 to %u", c->inflight,
		            JOURNAL_INFLIGHT_MAX);
	if (c->buffers < c->inflight + 2 || c->buffers > JOURNAL_BUFFERS_MAX)
		return fail(RESULT_INPUT, err, "journal: buffers %u must be %u to %u", c->buffers,
		            c->inflight + 2, JOURNAL_BUFFERS_MAX);
	if (c->segments_spare < 1 || c->segments_spare > 256)
		return fail(RESULT_INPUT, err, "journal: segments_spare %u must be 1 to 256",
		            c->segments_spare);
	if (c->bytes_max != 0 && c->bytes_max < (c->segments_spare + 2) * c->segment_bytes)
		return fail(RESULT_INPUT, err,
		            "journal: bytes_max %" PRIu64 " must be 0 or at least %u segments of "
		            "%" PRIu64 " bytes",
		            c->bytes_max, c->segments_spare + 2, c->segment_bytes);
	return RESULT_OK;
}

static bool memory_take(struct journal *j)
{
	size_t bytes = (size_t)j->config.buffers * j->config.block_bytes_max;
	j->buffers = calloc(j->config.buffers, sizeof j->buffers[0]);
	j->memory = aligned_alloc(BLOCK_ALIGN, bytes);
	j->reader.buffer = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES_MAX);
	if (!j->buffers || !j->memory || !j->reader.buffer ||
	    !ring_init(&j->ready, 2 * (j->config.segments_spare + SEGMENTS_KEPT)) ||
	    !ring_init(&j->filled, 64))
		return false;
	memset(j->memory, 0, bytes); /* touched now, not on the store worker */
	for (uint32_t i = 0; i < j->config.buffers; i++)
		j->data[i] = j->buffers[i].data =
		    j->memory + (size_t)i * j->config.block_bytes_max;
	return true;
}

static void segment_free(struct journal *j, struct segment *s)
{
	if (s && s->handle >= 0)
		j->io->ops->close(j->io, s->handle);
	free(s);
}

static struct segment *segment_known(struct journal *j, const struct journal_segment_file *file)
{
	struct segment *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct segment){.number = file->number, .bytes = file->bytes, .handle = -1};
	j->total_bytes += s->bytes;
	atomic_fetch_add_explicit(&j->segment_count, 1, memory_order_relaxed);
	return s;
}

/* A segment behind the end: prepared and not used yet, if its size and number fit. */
static enum result adopt_ready(struct journal *j, const struct journal_segment_file *file,
                               struct error *err)
{
	if (file->bytes != j->config.segment_bytes || file->number != j->next_segment ||
	    ring_count(&j->ready) >= j->config.segments_spare + SEGMENTS_KEPT)
		return j->io->ops->remove(j->io, file->number, err);
	struct segment *s = segment_known(j, file);
	if (!s)
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	s->handle = j->io->ops->open(j->io, s->number);
	if (s->handle < 0) {
		int error = -s->handle;
		s->handle = -1;
		segment_free(j, s);
		return fail(RESULT_MEDIA, err, "journal: open segment %" PRIx64 ": %s",
		            file->number, strerror(error));
	}
	CHECK(ring_push(&j->ready, s));
	j->next_segment++;
	return RESULT_OK;
}

static enum result adopt_active(struct journal *j, const struct recovered *rec, struct error *err)
{
	const struct journal_segment_file *file = &rec->segments[rec->active];
	j->active = segment_known(j, file);
	if (!j->active)
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	int handle = j->io->ops->open(j->io, file->number);
	if (handle < 0)
		return fail(RESULT_MEDIA, err, "journal: open segment %" PRIx64 ": %s",
		            file->number, strerror(-handle));
	j->active->handle = handle;
	j->cursor = rec->end_offset;
	atomic_store(&j->active_number, file->number);
	return RESULT_OK;
}

/* Sort the segments into: used (before the end), active (with the end), ready (behind it). */
static enum result adopt(struct journal *j, const struct recovered *rec, struct error *err)
{
	enum result r = RESULT_OK;
	bool any = rec->active < rec->segment_count;
	j->next_segment = 1;
	for (size_t i = 0; r == RESULT_OK && any && i < rec->active; i++) {
		struct segment *s = segment_known(j, &rec->segments[i]);
		if (!s)
			return fail(RESULT_RESOURCE, err, "journal: no memory");
		s->last_block = rec->last_blocks[i];
		*j->used_end = s;
		j->used_end = &s->next;
		j->used_count++;
	}
	if (any) {
		r = adopt_active(j, rec, err);
		j->next_segment = rec->segments[rec->active].number + 1;
	} else if (rec->segment_count > 0) {
		j->next_segment = rec->segments[0].number;
	}
	for (size_t i = any ? rec->active + 1 : 0; r == RESULT_OK && i < rec->segment_count; i++)
		r = adopt_ready(j, &rec->segments[i], err);
	return r;
}

static void start_after(struct journal *j, const struct recovered *rec, uint64_t after)
{
	j->uuid = rec->super.uuid;
	j->epoch = rec->super.epoch;
	j->next = rec->last_block + 1;
	j->durable = rec->last_block;
	j->appended_block = rec->last_block;
	j->running.uuid = j->uuid;
	j->running.epoch = j->epoch;
	j->running.totals = rec->totals;
	atomic_store(&j->durable_block, rec->last_block);
	atomic_store(&j->released, after);
	atomic_store(&j->held, JOURNAL_HOLD_NONE);
	for (uint32_t i = 0; i < FATE_COUNT; i++)
		atomic_store(&j->totals[i], rec->totals.count[i]);

	j->reader.io = j->io;
	j->reader.uuid = j->uuid;
	j->reader.next = rec->last_block + 1;
	j->reader.epoch = j->epoch;
	j->reader.segment = j->active ? j->active->number : j->next_segment;
	j->reader.offset = j->cursor;
}

static enum result journal_start(struct journal *j, bool threaded, uint64_t after,
                                 journal_replay_fn *replay, void *context, struct error *err)
{
	struct recovered rec;
	enum result r = recover(j->io, after, replay, context, &rec, err);
	if (r == RESULT_OK)
		r = adopt(j, &rec, err);
	if (r == RESULT_OK) {
		start_after(j, &rec, after);
		if (!j->active && ring_count(&j->ready) > 0)
			j->reader.segment = ((struct segment *)ring_peek(&j->ready))->number;
	}
	recovered_fini(&rec);
	if (r != RESULT_OK || !threaded)
		return r;
	int error = pthread_create(&j->helper, NULL, journal_helper_main, j);
	if (error != 0)
		return fail(RESULT_RESOURCE, err, "journal: start the helper thread: %s",
		            strerror(error));
	j->helper_runs = true;
	return RESULT_OK;
}

enum result journal_open_io(const struct journal_config *config, struct journal_io *io,
                            bool threaded, uint64_t after, journal_replay_fn *replay,
                            void *context, struct journal **out, struct error *err)
{
	struct journal *j = aligned_alloc(CACHE_LINE, sizeof *j);
	if (!j) {
		io->ops->free(io);
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	}
	memset(j, 0, sizeof *j);
	j->io = io;
	j->config = *config;
	j->open = -1;
	j->pinned = -1;
	j->retry_us = RETRY_US_MIN;
	j->used_end = &j->used_first;
	sem_init(&j->helper_wake, 0, 0);

	enum result r = config_check(config, err);
	if (r == RESULT_OK && !memory_take(j))
		r = fail(RESULT_RESOURCE, err, "journal: no memory for %u blocks of %u bytes",
		         config->buffers, config->block_bytes_max);
	if (r == RESULT_OK)
		r = journal_start(j, threaded, after, replay, context, err);
	if (r != RESULT_OK) {
		journal_close(j);
		return r;
	}
	*out = j;
	return RESULT_OK;
}

enum result journal_open(const struct journal_config *config, uint64_t after,
                         journal_replay_fn *replay, void *context, struct journal **out,
                         struct error *err)
{
	struct journal_io *io;
	enum result r = journal_io_disk(config->dir, &io, err);
	if (r != RESULT_OK)
		return r;
	return journal_open_io(config, io, true, after, replay, context, out, err);
}

void journal_close(struct journal *j)
{
	j->closing = true;
	if (j->attached && pthread_equal(j->appender, pthread_self())) {
		while (journal_wait(j, 100000))
			journal_poll(j);
	}
	if (j->helper_runs) {
		atomic_store_explicit(&j->stop, true, memory_order_release);
		sem_post(&j->helper_wake);
		pthread_join(j->helper, NULL);
	}
	struct segment *s;
	if (j->filled.slots)
		while ((s = ring_pop(&j->filled)) != NULL)
			segment_free(j, s);
	if (j->ready.slots)
		while ((s = ring_pop(&j->ready)) != NULL)
			segment_free(j, s);
	while ((s = j->used_first) != NULL) {
		j->used_first = s->next;
		segment_free(j, s);
	}
	segment_free(j, j->active);
	segment_free(j, j->unopened);
	j->io->ops->free(j->io);
	ring_fini(&j->ready);
	ring_fini(&j->filled);
	sem_destroy(&j->helper_wake);
	free(j->reader.buffer);
	free(j->memory);
	free(j->buffers);
	free(j);
}

static void alarm_text(uint64_t word, char *text, size_t bytes)
{
	uint64_t segment = word & ((1ull << 40) - 1);
	const char *why = strerror((int)(word >> 40 & 0xffff));
	text[0] = '\0';
	switch ((enum alarm_kind)(word >> 56)) {
	case ALARM_NONE:
		break;
	case ALARM_WRITE:
		snprintf(text, bytes, "segment %" PRIx64 ": write: %s; retrying", segment, why);
		break;
	case ALARM_SHORT:
		snprintf(text, bytes, "segment %" PRIx64 ": write ended early; retrying", segment);
		break;
	case ALARM_PREPARE:
		snprintf(text, bytes, "segment %" PRIx64 ": prepare: %s; retrying", segment, why);
		break;
	case ALARM_RECYCLE:
		snprintf(text, bytes, "segment %" PRIx64 ": reuse: %s; retrying", segment, why);
		break;
	case ALARM_FULL:
		snprintf(text, bytes,
		         "full: bytes_max is reached, the store does not keep up or is stuck");
		break;
	case ALARM_NO_SEGMENT:
		snprintf(text, bytes, "segment %" PRIx64 ": full, the next one is being prepared",
		         segment);
		break;
	}
}

void journal_status_get(const struct journal *j, struct journal_status *status)
{
	uint64_t append = atomic_load_explicit(&j->append_alarm, memory_order_relaxed);
	uint64_t helper = atomic_load_explicit(&j->helper_alarm, memory_order_relaxed);
	*status = (struct journal_status){
	    .durable_block = atomic_load_explicit(&j->durable_block, memory_order_acquire),
	    .released_block = atomic_load_explicit(&j->released, memory_order_relaxed),
	    .bytes_written = atomic_load_explicit(&j->bytes_written, memory_order_relaxed),
	    .blocks_written = atomic_load_explicit(&j->blocks_written, memory_order_relaxed),
	    .segments = atomic_load_explicit(&j->segment_count, memory_order_relaxed),
	    .segments_free = ring_count(&j->ready),
	    .inflight = atomic_load_explicit(&j->inflight_shown, memory_order_relaxed),
	    .stalled = append != 0,
	    .write_us = &j->write_us,
	};
	/* why there is no segment is the helper's to say */
	bool helper_knows = append >> 56 == ALARM_NO_SEGMENT && helper != 0;
	alarm_text(append == 0 || helper_knows ? helper : append, status->alarm,
	           sizeof status->alarm);
}

void journal_totals_get(const struct journal *j, struct fate_totals *totals)
{
	uint32_t before, after;
	do {
		/* pairs with the release store in totals_publish */
		before = atomic_load_explicit(&j->totals_seq, memory_order_acquire);
		for (uint32_t i = 0; i < FATE_COUNT; i++)
			totals->count[i] =
			    atomic_load_explicit(&j->totals[i], memory_order_relaxed);
		/* pairs with the release fence there */
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&j->totals_seq, memory_order_relaxed);
	} while (before != after || before % 2 == 1);
}
