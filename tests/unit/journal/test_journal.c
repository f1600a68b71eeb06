/* SPDX-License-Identifier: Apache-2.0 */
/* The journal on a real disk, with its helper thread and io_uring: opening, locking, going on. */
#include "tests/unit/journal/test_common.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/journal/journal.h"
#include "storage/journal/journal_io.h"
#include "storage/journal/record.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/temp_dir.h"

struct fixture {
	char dir[256], journal_dir[300];
	struct journal_config config;
	struct journal *j;
	struct batch *batch;
	struct make make;
	uint64_t replayed, records;
	atomic_bool appended; /* by the other thread, all of it */
};

static enum result replay(void *context, const struct journal_block *b, struct error *err)
{
	struct fixture *f = context;
	(void)err;
	f->replayed++;
	f->records += b->record_count;
	return RESULT_OK;
}

static void open_journal(struct fixture *f, uint64_t after)
{
	struct error err;
	f->replayed = f->records = 0;
	assert_ok(journal_open(&f->config, after, replay, f, &f->j, &err), err);
	assert_ok(journal_attach(f->j, &err), err);
}

static int setup_at(void **state, const char *base)
{
	struct fixture *f = calloc(1, sizeof *f);
	snprintf(f->dir, sizeof f->dir, "%s/headrace-test-XXXXXX", base);
	if (!mkdtemp(f->dir)) {
		free(f);
		return -1;
	}
	snprintf(f->journal_dir, sizeof f->journal_dir, "%s/journal", f->dir);
	f->config = (struct journal_config){
	    .dir = f->journal_dir, .segment_bytes = 4u << 20, .segments_spare = 2,
	    .block_bytes_max = 128u << 10, .buffers = 5, .inflight = 2};
	f->batch = aligned_alloc(64, (sizeof *f->batch + 63) / 64 * 64);
	f->make = (struct make){.random = 3, .devices = 100, .now_ms = 1750000000000};
	*state = f;
	return 0;
}

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");
	return setup_at(state, base && base[0] ? base : "/tmp");
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	if (f->j)
		journal_close(f->j);
	temp_dir_remove(f->dir);
	free(f->batch);
	free(f);
	return 0;
}

static uint64_t append(struct fixture *f, uint32_t batches)
{
	uint64_t records = 0;
	for (uint32_t n = 0; n < batches; n++) {
		make_batch(&f->make, f->batch, BATCH_READINGS);
		for (uint32_t i = 0; i < f->batch->count; i++)
			records += record_bytes(f->batch, i) > 0;
		while (!journal_append(f->j, f->batch)) {
			if (!journal_wait(f->j, 1000))
				usleep(200);
			journal_poll(f->j);
		}
		journal_submit(f->j, false);
		journal_poll(f->j);
	}
	while (journal_poll(f->j) < journal_append_block(f->j)) {
		journal_submit(f->j, true);
		journal_wait(f->j, 1000);
	}
	return records;
}

static void check_round_trip(struct fixture *f)
{
	struct journal_block b;
	struct error err;
	open_journal(f, 0);
	uint64_t records = append(f, 1800), read = 0; /* over several segments */
	uint64_t last = journal_append_block(f->j);
	for (uint64_t n = 1; n <= last; n++) {
		assert_ok(journal_read(f->j, &b, &err), err);
		assert_int_equal(b.number, n);
		read += b.record_count;
		journal_release(f->j, n / 2);
	}
	assert_int_equal(read, records);
	assert_int_equal(journal_read(f->j, &b, &err), RESULT_ABSENT);
	struct journal_status status;
	journal_status_get(f->j, &status);
	assert_true(status.bytes_written > 8u << 20);
	assert_string_equal(status.alarm, "");
	journal_close(f->j);

	open_journal(f, last - 3);
	assert_int_equal(f->replayed, 3);
	append(f, 3);
	assert_true(journal_append_block(f->j) > last);
	assert_ok(journal_read(f->j, &b, &err), err);
	assert_int_equal(b.number, last + 1);
}

static void round_trip_on_disk(void **state)
{
	check_round_trip(*state);
}

static int setup_tmpfs(void **state)
{
	return setup_at(state, "/dev/shm");
}

/* tmpfs has no O_DIRECT on most kernels: the buffered way. */
static void round_trip_on_tmpfs(void **state)
{
	check_round_trip(*state);
}

static void directory_is_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	open_journal(f, 0);
	assert_int_equal(stat(f->journal_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void unusable_directory_is_reported(void **state)
{
	struct fixture *f = *state;
	struct journal *j;
	struct error err;
	f->config.dir = "/dev/null/journal";
	assert_int_not_equal(journal_open(&f->config, 0, replay, f, &j, &err), RESULT_OK);
	assert_non_null(strstr(err.text, "/dev/null/journal"));
}

/* Another process holds it: refused after a few seconds of patience, with clear words. */
static void second_process_is_refused(void **state)
{
	struct fixture *f = *state;
	open_journal(f, 0);
	pid_t child = fork();
	if (child == 0) {
		struct journal *j;
		struct error err;
		enum result r = journal_open(&f->config, 0, replay, f, &j, &err);
		_exit(r == RESULT_RESOURCE && strstr(err.text, "in use") ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void leftover_of_an_interrupted_prepare_is_harmless(void **state)
{
	struct fixture *f = *state;
	char path[400];
	open_journal(f, 0);
	append(f, 3);
	uint64_t last = journal_append_block(f->j);
	journal_close(f->j);
	const char *names[] = {"segment.new", "superblock.new", "segment-zz.hrj", "other"};
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", f->journal_dir, names[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	open_journal(f, 0);
	assert_int_equal(f->replayed, last);
}

static void *append_main(void *context)
{
	struct fixture *f = context;
	struct error err;
	bool attached = journal_attach(f->j, &err) == RESULT_OK;
	if (attached)
		append(f, 1500);
	atomic_store(&f->appended, true);
	return attached ? NULL : (void *)1;
}

/* Appender, helper and reader at once (the thread sanitizer's food). */
static void reader_follows_on_another_thread(void **state)
{
	struct fixture *f = *state;
	struct error err;
	pthread_t thread;
	f->replayed = 0;
	assert_ok(journal_open(&f->config, 0, replay, f, &f->j, &err), err);
	assert_int_equal(pthread_create(&thread, NULL, append_main, f), 0);
	struct fate_totals totals, newest = {0};
	uint64_t next = 1;
	for (;;) {
		struct journal_block b;
		struct journal_status status;
		bool was_all = atomic_load(&f->appended);
		enum result r = journal_read(f->j, &b, &err);
		if (r == RESULT_ABSENT && was_all)
			break;
		if (r == RESULT_ABSENT) {
			usleep(1000);
			continue;
		}
		assert_int_equal(r, RESULT_OK);
		assert_int_equal(b.number, next++);
		newest = b.totals;
		journal_release(f->j, b.number);
		journal_status_get(f->j, &status);
		assert_true(status.durable_block >= b.number);
		if (next % 16 == 0)
			usleep(2000); /* falls behind now and then: reads from the file */
	}
	void *result;
	pthread_join(thread, &result);
	assert_null(result);
	journal_totals_get(f->j, &totals);
	assert_memory_equal(&totals, &newest, sizeof totals);
	assert_int_equal(next - 1, journal_append_block(f->j));
}

/* What a first attempt did before its directory could be made durable is not in a second's way. */
static void second_attempts_on_segments_go_on(void **state)
{
	struct fixture *f = *state;
	struct journal_io *io;
	struct error err;
	int error = 0;
	assert_ok(journal_io_disk(f->journal_dir, &io, &err), err);
	assert_ok(io->ops->prepare(io, 1, 1u << 20, &error, &err), err);
	assert_ok(io->ops->sync(io, 1, &err), err);
	assert_ok(io->ops->recycle(io, 1, 2, &error, &err), err);
	assert_ok(io->ops->recycle(io, 1, 2, &error, &err), err);
	assert_ok(io->ops->remove(io, 2, &err), err);
	assert_ok(io->ops->remove(io, 2, &err), err);
	assert_int_equal(io->ops->recycle(io, 1, 2, &error, &err), RESULT_MEDIA);
	assert_int_equal(error, ENOENT);
	assert_int_equal(io->ops->sync(io, 2, &err), RESULT_MEDIA);
	io->ops->free(io);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(second_attempts_on_segments_go_on),
	    CASE(round_trip_on_disk),
	    cmocka_unit_test_setup_teardown(round_trip_on_tmpfs, setup_tmpfs, teardown),
	    CASE(directory_is_private),
	    CASE(unusable_directory_is_reported),
	    CASE(second_process_is_refused),
	    CASE(leftover_of_an_interrupted_prepare_is_harmless),
	    CASE(reader_follows_on_another_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
