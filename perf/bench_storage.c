/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal and the store can do on this machine's disk.
 *
 * 1. The bare device: durable writes of one block (O_DIRECT, RWF_DSYNC), one at a time.
 * 2. The journal and the store together: one thread appends batches, flat out or at a rate; the
 *    store writer follows on another. Printed: durable readings/s, the appender's CPU time a
 *    reading (making the readings not counted), latency from append to durable, the writer's
 *    speed and CPU time a reading, and bytes a reading in the store.
 *
 * usage: bench_storage DIR [SECONDS [READINGS_PER_SECOND (0: flat out) [DEVICES]]]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "storage/writer.h"

#define CHANNELS     6u
#define WAITING_MAX  4096u
#define DEVICE_BLOCK (256u * 1024u)

struct bench {
	struct journal *journal;
	struct store *store;
	struct store_writer *writer;
	struct batch *batch;
	uint32_t devices;
	uint64_t made;
	int64_t *energy; /* by device */
	struct {
		uint64_t block, at_us;
	} waiting[WAITING_MAX]; /* batches not durable yet, a ring */
	uint64_t waiting_first, waiting_end;
	struct histogram durable_us, bare_us;
	uint64_t random;
};

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const struct error *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static uint64_t random_next(struct bench *b)
{
	uint64_t z = b->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	return z ^ z >> 27;
}

static void bench_bare(struct bench *b, const char *dir)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/bare", dir);
	uint8_t *data = aligned_alloc(4096, DEVICE_BLOCK);
	int fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd < 0)
		fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || !data) {
		perror(path);
		exit(1);
	}
	memset(data, 1, DEVICE_BLOCK);
	struct iovec iov = {data, DEVICE_BLOCK};
	for (uint32_t i = 0; i < 512; i++) { /* the first round only writes the blocks once */
		uint64_t start = clock_mono_us();
		if (pwritev2(fd, &iov, 1, (off_t)(i % 256) * DEVICE_BLOCK,
		             i < 256 ? 0 : RWF_DSYNC) != (ssize_t)DEVICE_BLOCK) {
			perror(path);
			exit(1);
		}
		if (i >= 256)
			histogram_add(&b->bare_us, clock_mono_us() - start);
		if (i == 255)
			fsync(fd);
	}
	close(fd);
	unlink(path);
	free(data);
}

/* One interval of all devices after the other; registers rise, the rest wobbles. */
static void batch_make(struct bench *b)
{
	static const uint8_t ids[CHANNELS] = {1, 2, 3, 4, 5, 6};
	int64_t start = 1750000000000;
	batch_reset(b->batch);
	for (uint32_t i = 0; i < BATCH_READINGS; i++, b->made++) {
		struct reading *r = &b->batch->readings[i];
		uint64_t w = random_next(b);
		/* devices come in a scattered order, each once an interval */
		uint32_t d = (uint32_t)(b->made * 2654435761u % b->devices);
		*r = (struct reading){
		    .device = d,
		    .meter_ts_ms = start + (int64_t)(b->made / b->devices) * 900000,
		    .profile = 1,
		    .channel_count = CHANNELS,
		    .fate = FATE_STORED,
		    .ticket = TICKET_NONE,
		};
		r->received_ms = r->meter_ts_ms + 200 + (int64_t)(w & 4095);
		r->ts_ms = r->meter_ts_ms;
		memcpy(r->channel, ids, CHANNELS);
		b->energy[d] += (int64_t)(w >> 12 & 511);
		r->value[0] = b->energy[d];
		r->value[1] = b->energy[d] / 5;
		r->value[2] = (int64_t)(2000 + (w >> 20 & 1023));
		r->value[3] = (int64_t)(950 + (w >> 30 & 31));
		r->value[4] = (int64_t)(23000 + (w >> 35 & 255));
		r->value[5] = (int64_t)(800 + (w >> 43 & 511));
	}
	b->batch->count = BATCH_READINGS;
	b->batch->stage_seq = b->made / BATCH_READINGS;
}

static void durable_note(struct bench *b, uint64_t durable)
{
	uint64_t now = clock_mono_us();
	while (b->waiting_first < b->waiting_end &&
	       b->waiting[b->waiting_first % WAITING_MAX].block <= durable) {
		histogram_add(&b->durable_us,
		              now - b->waiting[b->waiting_first % WAITING_MAX].at_us);
		b->waiting_first++;
	}
}

static bool append(struct bench *b)
{
	if (b->waiting_end - b->waiting_first == WAITING_MAX ||
	    !journal_append(b->journal, b->batch))
		return false;
	b->waiting[b->waiting_end % WAITING_MAX].block = journal_append_block(b->journal);
	b->waiting[b->waiting_end % WAITING_MAX].at_us = clock_mono_us();
	b->waiting_end++;
	return true;
}

/* Append for so long; returns the readings appended, all durable. *cpu: of the appending. */
static uint64_t bench_append(struct bench *b, double seconds, double rate, uint64_t *cpu)
{
	uint64_t start = clock_mono_us(), end = start + (uint64_t)(seconds * 1e6), count = 0;
	uint64_t cpu_start = cpu_ns(CLOCK_THREAD_CPUTIME_ID), making = 0;
	bool made = false;
	for (uint64_t now = start; now < end; now = clock_mono_us()) {
		bool due = rate == 0 || (double)count < rate * (double)(now - start) / 1e6;
		for (uint32_t n = 0; due && n < 16; n++) {
			if (!made) {
				uint64_t c = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
				batch_make(b);
				making += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - c;
				made = true;
			}
			if (!append(b))
				break;
			made = false;
			count += BATCH_READINGS;
			due = rate == 0 || (double)count < rate * (double)(now - start) / 1e6;
		}
		journal_submit(b->journal, false);
		durable_note(b, journal_poll(b->journal));
		if ((made || !due) && !journal_wait(b->journal, 200))
			usleep(50);
	}
	while (journal_poll(b->journal) < journal_append_block(b->journal)) {
		journal_submit(b->journal, true);
		journal_wait(b->journal, 1000);
	}
	durable_note(b, journal_append_block(b->journal));
	*cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start - making;
	return count;
}

static enum result apply(void *context, const struct journal_block *block, struct error *err)
{
	return store_apply(context, block, err);
}

static void open_all(struct bench *b, const char *dir)
{
	struct error err;
	char journal_dir[4096], store_dir[4096];
	snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
	snprintf(store_dir, sizeof store_dir, "%s/store", dir);
	const struct store_config sc = {
	    .dir = store_dir, .run_readings_max = 1000000, .run_age_ms = 1000,
	    .cache_bytes = 256u << 20, .background_threads = 2};
	const struct journal_config jc = {
	    .dir = journal_dir, .segment_bytes = 64u << 20, .segments_spare = 4,
	    .block_bytes_max = 256u << 10, .buffers = 16, .inflight = 2};
	if (store_open(&sc, &b->store, &err) != RESULT_OK ||
	    journal_open(&jc, store_durable_block(b->store), apply, b->store, &b->journal, &err) !=
	        RESULT_OK ||
	    journal_attach(b->journal, &err) != RESULT_OK ||
	    store_writer_start(b->journal, b->store, 60, &b->writer, &err) != RESULT_OK)
		die(&err);
}

static void print_latency(const char *what, const struct histogram *h)
{
	printf("%-34s p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms\n", what,
	       (double)histogram_percentile_us(h, 50) / 1e3,
	       (double)histogram_percentile_us(h, 99) / 1e3,
	       (double)histogram_percentile_us(h, 99.9) / 1e3);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DIR [SECONDS [RATE [DEVICES]]]\n", argv[0]);
		return 2;
	}
	double seconds = argc > 2 ? atof(argv[2]) : 5, rate = argc > 3 ? atof(argv[3]) : 0;
	struct bench *b = calloc(1, sizeof *b);
	struct error err;
	b->devices = argc > 4 ? (uint32_t)atol(argv[4]) : 100000;
	b->energy = calloc(b->devices, sizeof b->energy[0]);
	b->batch = aligned_alloc(64, (sizeof *b->batch + 63) / 64 * 64);
	memset(b->batch, 0, sizeof *b->batch);
	mkdir(argv[1], 0700);

	bench_bare(b, argv[1]);
	open_all(b, argv[1]);
	uint64_t cpu, process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_mono_us();
	uint64_t count = bench_append(b, seconds, rate, &cpu);
	double elapsed = (double)(clock_mono_us() - start) / 1e6;
	struct journal_status js;
	journal_status_get(b->journal, &js);

	printf("journal: %.0f durable readings/s, %.0f ns CPU a reading on the appender, "
	       "%.1f bytes a reading, %.1f readings a block\n",
	       (double)count / elapsed, (double)cpu / (double)count,
	       (double)js.bytes_written / (double)count,
	       (double)count / (double)js.blocks_written);
	print_latency("bare device, 256 KiB durable:", &b->bare_us);
	print_latency("journal's writes:", js.write_us);
	print_latency("append to durable:", &b->durable_us);

	while (!store_writer_wait_visible(b->writer, 0, count / BATCH_READINGS, 1000))
		;
	double visible = (double)(clock_mono_us() - start) / 1e6;
	if (store_writer_stop(b->writer, &err) != RESULT_OK)
		die(&err);
	double flushed = (double)(clock_mono_us() - start) / 1e6;
	struct store_status ss;
	store_status_get(b->store, &ss);
	double all = (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process);
	printf("store: visible after %.2f s (%.0f readings/s), durable after %.2f s, %.1f bytes a "
	       "reading, %" PRIu64 " runs; all CPU of the process %.0f ns a reading\n",
	       visible, (double)count / visible, flushed, (double)ss.disk_bytes / (double)count,
	       ss.runs_written, all / (double)count);
	journal_close(b->journal);
	store_close(b->store);
	free(b->energy);
	free(b->batch);
	free(b);
	return 0;
}
