/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts under the journal and RocksDB together. The real code runs on real files while every
 * write, sync and change of a name is recorded; then states that a power cut could have left at any
 * moment are rebuilt, and headraced's own start-up sequence is run on each.
 *
 * After each: every block that was reported durable is there, all readings and error entries up to
 * the last block found are there exactly once with their values and nothing else, the totals agree,
 * and what the control plane was told is durable is there, all or nothing.
 *
 * usage: sim_storage_power_cut_all [SEED [STATES [PROCESSES]]]    a failure keeps its folder
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/journal/journal_priv.h"
#include "storage/store/store.h"
#include "tests/sim/storage/record_fs.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/temp_dir.h"

#define STATES      800u
#define STEPS       16000u
#define BLOCKS_MAX  20000u
#define ROWS_MAX    400000u
#define KV_KEYS     3u
#define T0          1750000000000
#define SHUFFLE     0x15u /* neighbours come out of order */
#define RAW_BYTES   60000u
#define SPACE_BYTES (400ull << 20)

enum { PROMISE_BLOCK, PROMISE_KV };

struct sim {
	char base[256], root[300], state[300];
	uint64_t seed;
	struct make make;
	struct batch *batch;
	struct store *store;
	struct journal *j;
	uint32_t rows; /* readings made so far; number i has the identity of i */
	uint32_t row_value[ROWS_MAX];
	uint32_t rows_upto[BLOCKS_MAX], errors_upto[BLOCKS_MAX]; /* by block */
	uint64_t newest, kv;
	uint64_t stage_seq;
	/* while a state is checked */
	uint8_t *seen;
	uint32_t found, wrong, errors_found;
};

static void sim_fail(const struct sim *s, const char *text, uint64_t a, uint64_t b)
{
	fprintf(stderr, "%s (%llu, %llu)\nseed %llu; the state is kept in %s\n", text,
	        (unsigned long long)a, (unsigned long long)b, (unsigned long long)s->seed,
	        s->state);
	exit(1);
}

static void ok(const struct sim *s, enum result r, const char *what, const struct error *err)
{
	if (r == RESULT_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, err->text);
	sim_fail(s, "failed", r, 0);
}

/* --- the journal's io_uring writes, told to the recorder --- */

static const struct journal_io_ops *real_ops;
static struct journal_io_ops told_ops;
static uint8_t *const *told_buffers;
static struct {
	int handle;
	uint64_t offset;
	uint32_t bytes;
} told[JOURNAL_BUFFERS_MAX];

static enum result told_attach(struct journal_io *io, uint8_t *const *buffers, uint32_t count,
                               uint32_t buffer_bytes, uint32_t depth, struct error *err)
{
	told_buffers = buffers;
	return real_ops->attach(io, buffers, count, buffer_bytes, depth, err);
}

static void told_write(struct journal_io *io, int handle, uint32_t buffer, uint32_t bytes,
                       uint64_t offset, uint32_t tag)
{
	told[tag].handle = handle;
	told[tag].offset = offset;
	told[tag].bytes = bytes;
	record_write(handle, offset, told_buffers[buffer], bytes);
	real_ops->write(io, handle, buffer, bytes, offset, tag);
}

static uint32_t told_poll(struct journal_io *io, struct journal_completion *done, uint32_t max)
{
	uint32_t n = real_ops->poll(io, done, max);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t t = done[i].tag;
		if (done[i].result == (int32_t)told[t].bytes)
			record_durable(told[t].handle, told[t].offset, told[t].bytes);
	}
	return n;
}

/* --- headraced's start --- */

static enum result replay(void *context, const struct journal_block *block, struct error *err)
{
	struct sim *s = context;
	enum result r = store_apply(s->store, block, err);
	return r == RESULT_OK ? store_write_run(s->store, false, err) : r;
}

static void open_all(struct sim *s, const char *dir, bool tell)
{
	char store_dir[400], journal_dir[400];
	struct error err;
	struct journal_io *io;
	snprintf(store_dir, sizeof store_dir, "%s/store", dir);
	snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
	const struct store_config sc = {.dir = store_dir,
	                                .run_readings_max = 400,
	                                .run_age_ms = 600000,
	                                .cache_bytes = 1 << 20,
	                                .background_threads = 2};
	const struct journal_config jc = {.segment_bytes = 4u << 20,
	                                  .segments_spare = 1,
	                                  .block_bytes_max = 128u << 10,
	                                  .buffers = 6,
	                                  .inflight = 2};
	ok(s, store_open(&sc, &s->store, &err), "open the store", &err);
	ok(s, journal_io_disk(journal_dir, &io, &err), "open the disk", &err);
	if (tell) {
		real_ops = io->ops;
		told_ops = *io->ops;
		told_ops.attach = told_attach;
		told_ops.write = told_write;
		told_ops.poll = told_poll;
		io->ops = &told_ops;
	}
	ok(s, journal_open_io(&jc, io, false, store_durable_block(s->store), replay, s, &s->j,
	                      &err),
	   "open the journal", &err);
}

static void close_all(struct sim *s)
{
	journal_close(s->j);
	store_close(s->store);
	s->j = NULL;
	s->store = NULL;
}

/* --- the work that is recorded --- */

static int64_t ts_of(uint32_t row)
{
	return T0 + (int64_t)(row ^ SHUFFLE) * 60000;
}

static void reading_make(struct sim *s, struct reading *r)
{
	uint32_t row = s->rows++;
	s->row_value[row] = (uint32_t)make_below(&s->make, 1u << 30);
	*r = (struct reading){
	    .device = row % 50,
	    .profile = 1,
	    .channel_count = 2,
	    .fate = FATE_STORED,
	    .ticket = TICKET_NONE,
	    .meter_ts_ms = ts_of(row),
	    .ts_ms = ts_of(row),
	    .received_ms = ts_of(row) + 100,
	    .channel = {1, 6},
	    .value = {s->row_value[row], row},
	};
}

static void error_make(struct sim *s, struct reading *r)
{
	static uint8_t raw[RAW_BYTES];
	memset(raw, (int)make_below(&s->make, 256), sizeof raw);
	uint16_t origin = make_origin(&s->make, s->batch);
	make_reading(&s->make, r);
	r->fate = FATE_REJECT_PAYLOAD;
	r->origin_offset = origin;
	r->raw_bytes = RAW_BYTES;
	r->raw_offset = batch_put(s->batch, raw, RAW_BYTES);
}

static void append(struct sim *s)
{
	uint32_t rows = s->rows, errors = 0;
	uint32_t count = 1 + (uint32_t)make_below(&s->make, make_below(&s->make, 4) ? 3 : 30);
	if (rows + count >= ROWS_MAX || s->newest + 2 >= BLOCKS_MAX)
		return;
	batch_reset(s->batch);
	s->batch->stage = 0;
	s->batch->stage_seq = ++s->stage_seq;
	for (uint32_t i = 0; i < count; i++)
		reading_make(s, &s->batch->readings[i]);
	if (make_below(&s->make, 10) == 0) {
		error_make(s, &s->batch->readings[count++]);
		errors = 1;
	}
	s->batch->count = (uint16_t)count;
	if (!journal_append(s->j, s->batch)) {
		s->rows = rows;
		s->stage_seq--;
		return;
	}
	uint64_t block = journal_append_block(s->j);
	if (block != s->newest)
		s->errors_upto[block] = s->errors_upto[s->newest];
	s->newest = block;
	s->rows_upto[block] = s->rows;
	s->errors_upto[block] += errors;
}

static void kv_entry(uint64_t number, uint32_t k, char key[32], char value[32])
{
	snprintf(key, 32, "k%07llu%u", (unsigned long long)number, k);
	snprintf(value, 32, "%llu", (unsigned long long)(number * 7 + k));
}

static void kv_write(struct sim *s)
{
	char key[KV_KEYS][32], value[KV_KEYS][32];
	struct store_kv items[KV_KEYS];
	struct error err;
	for (uint32_t k = 0; k < KV_KEYS; k++) {
		kv_entry(s->kv + 1, k, key[k], value[k]);
		items[k] = (struct store_kv){key[k], strlen(key[k]), value[k], strlen(value[k])};
	}
	ok(s, store_kv_write(s->store, STORE_CONTROL, items, KV_KEYS, &err), "write", &err);
	record_promise(PROMISE_KV, ++s->kv);
}

static void poll(struct sim *s)
{
	static uint64_t told_before;
	uint64_t durable = journal_poll(s->j);
	if (durable > told_before)
		record_promise(PROMISE_BLOCK, durable);
	told_before = durable;
}

static void read_blocks(struct sim *s)
{
	struct journal_block block;
	struct error err;
	enum result r;
	while ((r = journal_read(s->j, &block, &err)) == RESULT_OK)
		ok(s, store_apply(s->store, &block, &err), "apply", &err);
	if (r != RESULT_ABSENT)
		ok(s, r, "read", &err);
	ok(s, store_write_run(s->store, make_below(&s->make, 4) == 0, &err), "run", &err);
	if (make_below(&s->make, 3) == 0) {
		ok(s, store_flush(s->store, &err), "flush", &err);
		journal_release(s->j, store_durable_block(s->store));
	}
}

static void step(struct sim *s)
{
	uint64_t what = make_below(&s->make, 64);
	if (what < 30)
		append(s);
	else if (what < 45)
		journal_submit(s->j, what < 35);
	else if (what < 60)
		poll(s);
	else if (what == 60)
		read_blocks(s);
	else if (what == 61)
		kv_write(s);
	else if (what == 62)
		journal_helper_step(s->j);
	else
		journal_wait(s->j, 2000);
}

static void life(struct sim *s, uint32_t steps)
{
	struct error err;
	struct journal_status status;
	open_all(s, s->root, true);
	ok(s, journal_attach(s->j, &err), "attach", &err);
	journal_helper_step(s->j);
	journal_status_get(s->j, &status);
	s->newest = status.durable_block;
	s->rows = s->rows_upto[s->newest]; /* what had not become a block is made anew */
	s->stage_seq = 0;
	for (uint32_t i = 0; i < steps; i++)
		step(s);
	/* closed as by a kill: what is in the open block or in RocksDB's memory is gone */
	while (journal_wait(s->j, 100000))
		poll(s);
	close_all(s);
}

/* --- what must be there --- */

static bool on_row(void *context, const struct stored_reading *r)
{
	struct sim *s = context;
	uint64_t row = (uint64_t)((r->meter_ts_ms - T0) / 60000) ^ SHUFFLE;
	bool right = row < s->rows && r->device == row % 50 && r->channel_count == 2 &&
	             r->value[0] == s->row_value[row] && r->value[1] == (int64_t)row &&
	             !s->seen[row];
	s->wrong += !right;
	if (right)
		s->seen[row] = 1;
	s->found++;
	return true;
}

static bool on_error(void *context, const struct stored_error *e)
{
	struct sim *s = context;
	s->errors_found++;
	s->wrong += e->raw_bytes != RAW_BYTES;
	return true;
}

struct kv_check {
	uint64_t count, wrong;
};

static bool on_kv(void *context, const void *key, size_t key_bytes, const void *value,
                  size_t value_bytes)
{
	struct kv_check *c = context;
	char expected_key[32], expected[32];
	kv_entry(c->count / KV_KEYS + 1, (uint32_t)(c->count % KV_KEYS), expected_key, expected);
	c->wrong += key_bytes != strlen(expected_key) ||
	            memcmp(key, expected_key, key_bytes) != 0 ||
	            value_bytes != strlen(expected) || memcmp(value, expected, value_bytes) != 0;
	c->count++;
	return true;
}

static void check_content(struct sim *s)
{
	struct journal_status status;
	struct fate_totals totals;
	struct error err;
	struct kv_check kv = {0};
	journal_status_get(s->j, &status);
	journal_totals_get(s->j, &totals);
	uint64_t last = status.durable_block;
	if (last < rebuild_promise(PROMISE_BLOCK) || last >= BLOCKS_MAX)
		sim_fail(s, "an acknowledged block is gone: last, acknowledged", last,
		         rebuild_promise(PROMISE_BLOCK));
	memset(s->seen, 0, ROWS_MAX);
	s->found = s->wrong = s->errors_found = 0;
	ok(s, store_scan_all(s->store, on_row, s, &err), "scan", &err);
	ok(s, store_scan_errors(s->store, 0, on_error, s, &err), "scan errors", &err);
	if (s->wrong > 0)
		sim_fail(s, "wrong rows, found", s->wrong, s->found);
	if (s->found != s->rows_upto[last])
		sim_fail(s, "readings found, expected", s->found, s->rows_upto[last]);
	for (uint32_t i = 0; i < s->found; i++)
		if (!s->seen[i])
			sim_fail(s, "a reading is missing: its number, the last block", i, last);
	if (s->errors_found != s->errors_upto[last])
		sim_fail(s, "error entries found, expected", s->errors_found,
		         s->errors_upto[last]);
	if (totals.count[FATE_STORED] != s->found ||
	    totals.count[FATE_REJECT_PAYLOAD] != s->errors_found)
		sim_fail(s, "the totals differ", totals.count[FATE_STORED], s->found);
	ok(s, store_kv_scan(s->store, STORE_CONTROL, "k", 1, on_kv, &kv, &err), "control", &err);
	if (kv.wrong > 0 || kv.count % KV_KEYS != 0 ||
	    kv.count / KV_KEYS < rebuild_promise(PROMISE_KV))
		sim_fail(s, "control entries, promised", kv.count, rebuild_promise(PROMISE_KV));
}

static uint32_t check_state(struct sim *s, uint64_t number)
{
	temp_dir_remove(s->state);
	if (mkdir(s->state, 0700) != 0)
		abort();
	uint32_t undecided = rebuild_state(s->state, s->seed * 1000003 + number);
	open_all(s, s->state, false);
	check_content(s);
	close_all(s);
	if (number % 8 == 0) { /* recovery changes nothing that another recovery sees */
		open_all(s, s->state, false);
		check_content(s);
		close_all(s);
	}
	return undecided;
}

/* --- the run --- */

static int by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return x < y ? -1 : x > y;
}

/* In memory where that is large enough: a disk would be asked to sync. */
static void folder_make(struct sim *s)
{
	struct statvfs fs;
	if (!getenv("TMPDIR") && statvfs("/dev/shm", &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize > SPACE_BYTES)
		setenv("TMPDIR", "/dev/shm", 1);
	temp_dir_make(s->base);
	snprintf(s->root, sizeof s->root, "%s/recorded", s->base);
	snprintf(s->state, sizeof s->state, "%s/state", s->base);
	if (mkdir(s->root, 0700) != 0)
		abort();
}

static int run(uint64_t seed, uint64_t states)
{
	static struct sim sim;
	struct sim *s = &sim;
	uint64_t undecided = 0;
	s->seed = seed;
	s->make = (struct make){.random = seed, .devices = 50, .now_ms = T0};
	s->batch = aligned_alloc(64, (sizeof *s->batch + 63) / 64 * 64);
	s->seen = calloc(ROWS_MAX, 1);
	size_t *cut = calloc(states, sizeof *cut);
	if (!s->batch || !s->seen || !cut)
		abort();
	folder_make(s);
	record_begin(s->root);
	life(s, STEPS / 2);
	life(s, STEPS / 2); /* power cuts while it recovers, too */
	record_end();
	for (uint64_t i = 0; i < states; i++)
		cut[i] = make_below(&s->make, record_count() + 1);
	qsort(cut, states, sizeof *cut, by_size);
	for (uint64_t i = 0; i < states; i++) {
		rebuild_to(cut[i]);
		undecided += check_state(s, i);
	}
	printf("seed %llu: %llu power cuts within %zu operations survived: %llu blocks, %u "
	       "readings, %llu control entries; %.1f operations undecided in each\n",
	       (unsigned long long)seed, (unsigned long long)states, record_count(),
	       (unsigned long long)s->newest, s->rows, (unsigned long long)s->kv,
	       (double)undecided / (double)states);
	temp_dir_remove(s->base);
	/* a run that undoes nothing, or writes too little, proves nothing */
	return s->newest > 300 && s->kv > 20 && undecided > 2 * states ? 0 : 1;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t states = argc > 2 ? strtoull(argv[2], NULL, 0) : STATES;
	uint64_t processes = argc > 3 ? strtoull(argv[3], NULL, 0) : 2;
	int failed = 0, status;
	for (uint64_t i = 0; i < processes; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			int code = run(seed + i, states / processes);
			fflush(stdout);
			_exit(code);
		}
		failed += pid < 0;
	}
	while (wait(&status) > 0)
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return failed > 0;
}
