/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper: keeps a few prepared segments ahead of the appender and takes full ones back.
 *
 * A full segment is used again (renamed to the next number; its blocks then lie in the wrong
 * segment and count no more) when the store has all its blocks and a newer block is durable in a
 * later segment, so that the newest block of all never leaves the disk. When none is there, a
 * new one is made, which takes as long as writing it; when the disk or bytes_max does not allow
 * that, the helper tries again once a second and says so.
 *
 * Thread: the helper; it sleeps until the appender or the reader posts helper_wake. Memory:
 * malloc. Never touches a segment that may hold an unreleased block.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "storage/journal/journal_priv.h"

static void helper_alarm(struct journal *j, enum alarm_kind kind, int error, uint64_t segment)
{
	atomic_store_explicit(&j->helper_alarm, alarm_word(kind, error, segment),
	                      memory_order_relaxed);
}

static void take_filled(struct journal *j)
{
	struct segment *s;
	while ((s = ring_pop(&j->filled)) != NULL) {
		s->next = NULL;
		*j->used_end = s;
		j->used_end = &s->next;
		j->used_count++;
	}
}

static void close_written(struct journal *j, uint64_t durable)
{
	for (struct segment *s = j->used_first; s; s = s->next) {
		if (s->handle >= 0 && durable >= s->last_block) {
			j->io->ops->close(j->io, s->handle);
			s->handle = -1;
		}
	}
}

static void segment_forget(struct journal *j, struct segment *s)
{
	j->total_bytes -= s->bytes;
	atomic_fetch_sub_explicit(&j->segment_count, 1, memory_order_relaxed);
	free(s);
}

/* Open a segment that is ready on disk and hand it to the appender. False: not now; it waits in
 * j->unopened for the next round, so that the order of numbers is kept. */
static bool hand_over(struct journal *j, struct segment *s)
{
	s->handle = j->io->ops->open(j->io, s->number);
	if (s->handle < 0) {
		helper_alarm(j, ALARM_PREPARE, -s->handle, s->number);
		s->handle = -1;
		j->unopened = s;
		return false;
	}
	j->unopened = NULL;
	CHECK(ring_push(&j->ready, s));
	return true;
}

static void used_pop(struct journal *j)
{
	j->used_first = j->used_first->next;
	if (!j->used_first)
		j->used_end = &j->used_first;
	j->used_count--;
}

static bool remove_first(struct journal *j)
{
	struct segment *s = j->used_first;
	struct error err;
	if (j->io->ops->remove(j->io, s->number, &err) != RESULT_OK) {
		helper_alarm(j, ALARM_RECYCLE, EIO, s->number);
		return false;
	}
	used_pop(j);
	segment_forget(j, s);
	return true;
}

/* Use the oldest segment again, or remove it when there are plenty. False: trouble. */
static bool reuse_first(struct journal *j)
{
	struct segment *s = j->used_first;
	struct error err;
	int error = 0;
	if (ring_count(&j->ready) >= j->config.segments_spare + SEGMENTS_KEPT ||
	    s->bytes != j->config.segment_bytes)
		return remove_first(j);
	if (j->io->ops->recycle(j->io, s->number, j->next_segment, &error, &err) != RESULT_OK) {
		/* an attempt that ended half-way gave it a number which a prepared segment then
		 * took: it is gone */
		if (error == ENOENT)
			return remove_first(j);
		helper_alarm(j, ALARM_RECYCLE, error, s->number);
		return false;
	}
	used_pop(j);
	s->number = j->next_segment++;
	return hand_over(j, s);
}

static bool recycle_released(struct journal *j, uint64_t durable)
{
	/* pairs with the release in journal_release */
	uint64_t released = atomic_load_explicit(&j->released, memory_order_acquire);
	uint64_t held = atomic_load(&j->held); /* after `released`: see journal_hold */
	if (released > held)
		released = held;
	for (struct segment *s; (s = j->used_first) != NULL && s->handle < 0 &&
	                        s->last_block <= released && s->last_block < durable;) {
		if (!reuse_first(j))
			return false;
	}
	return true;
}

/* An alarm about old segments stays until they can be taken back. */
static void alarm_clear(struct journal *j)
{
	if (j->reuse_after_us == 0)
		helper_alarm(j, ALARM_NONE, 0, 0);
}

/* May no segment be added? It is an alarm only when the last prepared one is gone. */
static bool is_full(struct journal *j)
{
	if (j->config.bytes_max == 0 ||
	    j->total_bytes + j->config.segment_bytes <= j->config.bytes_max)
		return false;
	if (ring_count(&j->ready) == 0 && j->reuse_after_us == 0)
		helper_alarm(j, ALARM_FULL, 0, j->next_segment);
	else
		alarm_clear(j);
	return true;
}

static bool prepare_one(struct journal *j)
{
	struct error err;
	int error = 0;
	struct segment *s = calloc(1, sizeof *s);
	if (!s) {
		helper_alarm(j, ALARM_PREPARE, ENOMEM, j->next_segment);
		return false;
	}
	s->number = j->next_segment;
	s->bytes = j->config.segment_bytes;
	if (j->io->ops->prepare(j->io, s->number, s->bytes, &error, &err) != RESULT_OK) {
		helper_alarm(j, ALARM_PREPARE, error, s->number);
		free(s);
		return false;
	}
	j->next_segment++;
	j->total_bytes += s->bytes;
	atomic_fetch_add_explicit(&j->segment_count, 1, memory_order_relaxed);
	return hand_over(j, s);
}

void journal_helper_step(struct journal *j)
{
	/* pairs with the release in durable_advance */
	uint64_t durable = atomic_load_explicit(&j->durable_block, memory_order_acquire);
	take_filled(j);
	close_written(j, durable);

	uint64_t now = j->io->ops->mono_us(j->io);
	if (now < j->trouble_until_us)
		return;
	bool good = !j->unopened || hand_over(j, j->unopened);
	if (good && now >= j->reuse_after_us) {
		bool reused = recycle_released(j, durable);
		good = !j->unopened;
		j->reuse_after_us = reused || !good ? 0 : now + PREPARE_RETRY_US;
	}
	/* whether old segments can be taken back or not: the appender needs new ones */
	while (good && ring_count(&j->ready) < j->config.segments_spare) {
		if (is_full(j))
			return;
		good = prepare_one(j);
	}
	if (good)
		alarm_clear(j);
	else
		j->trouble_until_us = now + PREPARE_RETRY_US;
}

void *journal_helper_main(void *journal)
{
	struct journal *j = journal;
	while (!atomic_load_explicit(&j->stop, memory_order_acquire)) {
		journal_helper_step(j);
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += 1;
		sem_clockwait(&j->helper_wake, CLOCK_MONOTONIC, &until);
	}
	return NULL;
}
