/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at any moment: what was durable is found afterwards, each reading once.
 *
 * A child appends readings numbered 1, 2, 3 ... and writes down, in memory shared with the
 * parent, up to which one all is durable. The parent kills it, opens journal and store as the
 * daemon does, and looks.
 */
#include "tests/unit/journal/test_common.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "storage/writer.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/temp_dir.h"

#define ROUNDS  6
#define DEVICES 40u

struct shared {
	_Atomic uint64_t durable; /* readings 1..durable are acknowledged */
	_Atomic uint64_t appended;
};

static enum result apply(void *context, const struct journal_block *block, struct error *err)
{
	return store_apply(context, block, err);
}

static void open_all(const char *dir, struct store **store, struct journal **journal)
{
	struct error err;
	char store_dir[300], journal_dir[300];
	snprintf(store_dir, sizeof store_dir, "%s/store", dir);
	snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
	const struct store_config sc = {.dir = store_dir, .run_readings_max = 5000,
	                                .run_age_ms = 20, .cache_bytes = 8 << 20,
	                                .background_threads = 2};
	const struct journal_config jc = {.dir = journal_dir, .segment_bytes = 4u << 20,
	                                  .segments_spare = 2, .block_bytes_max = 128u << 10,
	                                  .buffers = 6, .inflight = 2};
	if (store_open(&sc, store, &err) != RESULT_OK ||
	    journal_open(&jc, store_durable_block(*store), apply, *store, journal, &err) !=
	        RESULT_OK) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

/* Reading n: of device n % DEVICES, at n milliseconds, with value n. */
static void batch_numbered(struct batch *b, uint64_t first)
{
	batch_reset(b);
	for (uint64_t n = first; n < first + BATCH_READINGS; n++) {
		b->readings[b->count++] = (struct reading){
		    .device = (uint32_t)(n % DEVICES), .meter_ts_ms = (int64_t)n,
		    .ts_ms = (int64_t)n, .received_ms = (int64_t)n + 5, .profile = 1,
		    .channel_count = 1, .channel = {1}, .value = {(int64_t)n},
		    .fate = FATE_STORED, .ticket = TICKET_NONE};
	}
	b->stage = 0;
	b->stage_seq = first;
}

static void child_main(const char *dir, const char *shared_path)
{
	struct shared *shared;
	struct store *store;
	struct journal *journal;
	struct store_writer *writer;
	struct error err;
	int fd = open(shared_path, O_RDWR);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct batch *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
	if (fd < 0 || shared == MAP_FAILED || !b)
		exit(1);
	open_all(dir, &store, &journal);
	if (journal_attach(journal, &err) != RESULT_OK ||
	    store_writer_start(journal, NULL, store, 1, &writer, &err) != RESULT_OK)
		exit(1);
	struct { uint64_t block, last; } waiting[256];
	uint64_t first = 0, end = 0, next = shared->appended + 1;
	for (;;) {
		if (end - first < 256) {
			batch_numbered(b, next);
			if (journal_append(journal, b)) {
				next += BATCH_READINGS;
				shared->appended = next - 1;
				waiting[end % 256].block = journal_append_block(journal);
				waiting[end++ % 256].last = next - 1;
			}
		}
		journal_submit(journal, false);
		journal_wait(journal, 100);
		uint64_t durable = journal_poll(journal);
		while (first < end && waiting[first % 256].block <= durable)
			shared->durable = waiting[first++ % 256].last;
	}
}

struct look {
	uint64_t count, newest;
};

static bool look_at(void *context, const struct stored_reading *r)
{
	struct look *l = context;
	assert_int_equal(r->meter_ts_ms, r->value[0]);
	assert_int_equal(r->device, (uint64_t)r->value[0] % DEVICES);
	l->count++;
	if ((uint64_t)r->value[0] > l->newest)
		l->newest = (uint64_t)r->value[0];
	return true;
}

/* What is there: readings 1..newest without a gap (each identity comes once by its key). */
static uint64_t check(const char *dir, uint64_t durable)
{
	struct store *store;
	struct journal *journal;
	struct look look = {0};
	struct fate_totals totals;
	struct error err;
	open_all(dir, &store, &journal);
	assert_ok(store_scan_all(store, look_at, &look, &err), err);
	assert_true(look.newest >= durable);
	assert_int_equal(look.count, look.newest);
	journal_totals_get(journal, &totals);
	assert_int_equal(totals.count[FATE_STORED], look.count);
	store_totals(store, &totals);
	assert_int_equal(totals.count[FATE_STORED], look.count);
	journal_close(journal);
	store_close(store);
	return look.newest;
}

static pid_t child_start(const char *dir, const char *shared_path)
{
	pid_t child = fork();
	if (child == 0) { /* RocksDB's threads don't survive a fork: start anew */
		execl("/proc/self/exe", "test_store_kill", dir, shared_path, (char *)NULL);
		_exit(1);
	}
	return child;
}

static void killed_process_loses_nothing_acknowledged(void **state)
{
	(void)state;
	char dir[256], path[300];
	temp_dir_make(dir);
	snprintf(path, sizeof path, "%s/shared", dir);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, sizeof(struct shared)), 0);
	struct shared *shared =
	    mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(shared != MAP_FAILED);
	uint64_t before = 0;
	for (int round = 0; round < ROUNDS; round++) {
		int status;
		pid_t child = child_start(dir, path);
		for (int i = 0; i < 2000 && shared->durable <= before; i++)
			usleep(5000);
		usleep((useconds_t)(round * 170000)); /* from at once to a flush or two later */
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_true(shared->durable > before);
		before = check(dir, shared->durable);
		shared->appended = shared->durable = before; /* what was lost is sent again */
	}
	munmap(shared, sizeof *shared);
	close(fd);
	temp_dir_remove(dir);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		child_main(argv[1], argv[2]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed_process_loses_nothing_acknowledged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
