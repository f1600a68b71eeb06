/* SPDX-License-Identifier: Apache-2.0 */
/* A journal on the simulated disk, for the tests of its parts. */
#ifndef HEADRACE_TESTS_SIM_JOURNAL_H
#define HEADRACE_TESTS_SIM_JOURNAL_H

#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "storage/journal/journal_priv.h"
#include "tests/sim/storage/sim_disk.h"
#include "tests/unit/journal/batch_make.h"

struct bench {
	struct sim_disk disk;
	struct journal *j;
	struct journal_config config;
	struct batch *batch;
	struct make make;
	uint64_t replayed_first, replayed_last, replayed;
	uint8_t fill; /* a batch of big_batch() is recognised by it */
};

static inline enum result bench_replay(void *context, const struct journal_block *b,
                                       struct error *err)
{
	struct bench *t = context;
	(void)err;
	if (t->replayed++ == 0)
		t->replayed_first = b->number;
	t->replayed_last = b->number;
	return RESULT_OK;
}

static inline enum result bench_try_open(struct bench *t, uint64_t after, struct error *err)
{
	t->replayed = t->replayed_first = t->replayed_last = 0;
	enum result r = journal_open_io(&t->config, &t->disk.io, false, after, bench_replay, t,
	                                &t->j, err);
	if (r != RESULT_OK)
		t->j = NULL;
	return r;
}

static inline void bench_open(struct bench *t, uint64_t after)
{
	struct error err;
	assert_ok(bench_try_open(t, after, &err), err);
	assert_ok(journal_attach(t->j, &err), err);
	journal_helper_step(t->j);
}

static inline void bench_close(struct bench *t)
{
	if (t->j)
		journal_close(t->j);
	t->j = NULL;
	sim_disk_restart(&t->disk);
}

static inline int bench_setup(void **state)
{
	struct bench *t = calloc(1, sizeof *t);
	sim_disk_init(&t->disk, 42);
	t->config = (struct journal_config){
	    .segment_bytes = 4u << 20, .segments_spare = 1, .block_bytes_max = 128u << 10,
	    .buffers = 6, .inflight = 2};
	t->batch = aligned_alloc(64, (sizeof *t->batch + 63) / 64 * 64);
	t->make = (struct make){.random = 1, .devices = 50, .now_ms = 1750000000000};
	*state = t;
	return 0;
}

static inline int bench_teardown(void **state)
{
	struct bench *t = *state;
	t->disk.stuck = false; /* closing waits for what is in flight */
	if (t->j)
		journal_close(t->j);
	sim_disk_fini(&t->disk);
	free(t->batch);
	free(t);
	return 0;
}

/* One error record with so many raw bytes (at most 60,000). */
static inline void big_batch(struct bench *t, uint32_t raw_bytes)
{
	static uint8_t raw[60000];
	memset(raw, ++t->fill, sizeof raw);
	batch_reset(t->batch);
	t->batch->stage = 0;
	t->batch->stage_seq = ++t->make.stage_seq;
	uint16_t origin = make_origin(&t->make, t->batch);
	struct reading *r = &t->batch->readings[0];
	make_reading(&t->make, r);
	r->fate = FATE_REJECT_PAYLOAD;
	r->origin_offset = origin;
	r->raw_bytes = (uint16_t)raw_bytes;
	r->raw_offset = batch_put(t->batch, raw, raw_bytes);
	t->batch->count = 1;
}

static inline bool append_big(struct bench *t, uint32_t raw_bytes)
{
	big_batch(t, raw_bytes);
	return journal_append(t->j, t->batch);
}

/* Poll until block `number` is durable; false: it does not come about. */
static inline bool poll_until(struct bench *t, uint64_t number)
{
	for (int i = 0; i < 2000; i++) {
		journal_submit(t->j, true);
		if (journal_poll(t->j) >= number)
			return true;
		t->disk.now_us += 1000;
		journal_helper_step(t->j);
	}
	return false;
}

/* A block of its own, durable. */
static inline void write_block(struct bench *t, uint32_t raw_bytes)
{
	for (int i = 0; !append_big(t, raw_bytes); i++) {
		assert_true(i < 100);
		journal_helper_step(t->j);
		journal_poll(t->j);
	}
	assert_true(poll_until(t, journal_append_block(t->j)));
}

#endif
