/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal and the store can do on this machine's disk.
 *
 * 1. The bare device: durable writes of one block (O_DIRECT, RWF_DSYNC), one at a time.
 * 2. The journal and the store together: one thread appends batches, flat out or at a rate; the
 *    store writer follows on others. Printed: durable readings/s, CPU time a reading (making the
 *    readings not counted), latency from append to durable, bytes written and kept a reading.
 * 3. The merge of the days into day pages, and its cost.
 * 4. Reading, warm, in CPU time: last value, day, month of a meter, a day of all meters.
 *
 * Workloads (a 15-minute interval of all meters after the other, meters in scattered order; a
 * meter's transmissions are 0-20 s late, each time up to 255 ms more):
 *   six     active_kwh, reactive_kvarh and peak_demand_kw with one decimal, power_factor with
 *           two, battery_level, signal_strength
 *   fine    kWh, kW, kvarh with two decimals, power factor, volts with one, ampere with two
 *   energy  kWh with two decimals, alone
 *   noise   six channels of random bits, lateness of 12 random bits
 */
#include <getopt.h>
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
#define DAY_INTERVALS 96u
#define INTERVAL_MS  900000ll
#define START_MS     1749945600000ll /* 2025-06-15, midnight UTC */
#define READS         2000u
#define SEGMENT_BYTES (64u << 20)

enum workload { SIX, FINE, ENERGY, NOISE };
static const char *const workload_names[] = {"six", "fine", "energy", "noise", NULL};
#define WAITING_MAX  4096u
#define DEVICE_BLOCK (256u * 1024u)

struct bench {
	struct journal *journal;
	struct store *store;
	struct store_writer *writer;
	struct batch *batch;
	enum workload workload;
	uint32_t devices, days;
	double rate;
	const char *dir;
	uint64_t made, made_ns;
	int64_t *energy, *reactive; /* by device, Wh and varh */
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

/* What household `d` draws in an interval, W: a base of its own, a day's shape, appliances. */
static int64_t power_w(const struct bench *b, uint32_t d, uint64_t w)
{
	static const uint8_t shape[24] = {5, 4, 4, 4, 4, 5, 8, 10, 9, 8, 8, 9,
	                                  10, 9, 8, 8, 9, 11, 14, 15, 14, 12, 9, 6};
	uint64_t hour = b->made / b->devices % DAY_INTERVALS / 4;
	int64_t base = 80 + (int64_t)(d * 2654435761u >> 24);
	int64_t power = base * shape[hour] / 8 + (int64_t)(w & 63);
	return (w >> 6 & 7) == 0 ? power + 400 + (int64_t)(w >> 9 & 2047) : power;
}

static int64_t steps_of(int64_t v, int64_t step)
{
	return v / step * step;
}

static void values_make(struct bench *b, struct reading *r, uint64_t w)
{
	uint32_t d = r->device;
	int64_t power = power_w(b, d, w), *v = r->value;
	int64_t factor = 85 + (int64_t)(w >> 20 & 7) + (int64_t)(w >> 23 & 7);
	b->energy[d] += power / 4;
	b->reactive[d] += power * (110 - factor) / 160;
	switch (b->workload) {
	case SIX:
		v[0] = steps_of(b->energy[d], 100);
		v[1] = steps_of(b->reactive[d], 100);
		v[2] = steps_of(power + (int64_t)(w >> 26 & 255), 100);
		v[3] = factor;
		v[4] = 95 - (int64_t)(d & 7) - (int64_t)(b->made / b->devices / 400);
		v[5] = -60 - (int64_t)(d & 31) - (int64_t)(w >> 34 & 3) - (int64_t)(w >> 36 & 1);
		break;
	case FINE: {
		int64_t decivolt = 2280 + (int64_t)(w >> 34 & 31) + (int64_t)(w >> 39 & 15);
		v[0] = steps_of(b->energy[d], 10);
		v[1] = steps_of(power, 10);
		v[2] = steps_of(b->reactive[d], 10);
		v[3] = factor;
		v[4] = decivolt * 100;
		v[5] = power * 100000 / (decivolt * factor) * 10;
		break;
	}
	case ENERGY:
		v[0] = steps_of(b->energy[d], 10);
		break;
	case NOISE:
		b->energy[d] += (int64_t)(w >> 12 & 511);
		v[0] = b->energy[d];
		v[1] = b->energy[d] / 5;
		v[2] = (int64_t)(2000 + (w >> 20 & 1023));
		v[3] = (int64_t)(950 + (w >> 30 & 31));
		v[4] = (int64_t)(23000 + (w >> 35 & 255));
		v[5] = (int64_t)(800 + (w >> 43 & 511));
		break;
	}
}

static void batch_make(struct bench *b)
{
	static const uint8_t ids[CHANNELS] = {1, 2, 3, 4, 5, 6};
	uint64_t all = (uint64_t)b->devices * DAY_INTERVALS * b->days;
	uint32_t count = 0;
	batch_reset(b->batch);
	for (; count < BATCH_READINGS && b->made < all; count++, b->made++) {
		struct reading *r = &b->batch->readings[count];
		uint64_t w = random_next(b);
		uint32_t d = (uint32_t)(b->made % b->devices * 2654435761u % b->devices);
		*r = (struct reading){
		    .device = d,
		    .meter_ts_ms = START_MS + (int64_t)(b->made / b->devices) * INTERVAL_MS,
		    .profile = 1,
		    .channel_count = b->workload == ENERGY ? 1 : CHANNELS,
		    .fate = FATE_STORED,
		    .ticket = TICKET_NONE,
		};
		int64_t own = (int64_t)(d * 40503u >> 3 & 0xffff) % 20000;
		r->received_ms = r->meter_ts_ms + (b->workload == NOISE
		                                       ? (int64_t)(w >> 52)
		                                       : own + (int64_t)(w >> 56));
		r->ts_ms = r->meter_ts_ms;
		memcpy(r->channel, ids, r->channel_count);
		values_make(b, r, w);
	}
	b->batch->count = (uint16_t)count;
	b->batch->stage_seq = (b->made + BATCH_READINGS - 1) / BATCH_READINGS;
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

/* Append everything; it is durable then. Returns the CPU time of the appending, ns. */
static uint64_t bench_append(struct bench *b)
{
	uint64_t start = clock_mono_us(), all = (uint64_t)b->devices * DAY_INTERVALS * b->days;
	uint64_t cpu_start = cpu_ns(CLOCK_THREAD_CPUTIME_ID), count = 0;
	bool made = false;
	while (count < all) {
		double allowed = b->rate * (double)(clock_mono_us() - start) / 1e6;
		bool due = b->rate == 0 || (double)count < allowed;
		for (uint32_t n = 0; due && n < 16 && count < all; n++) {
			if (!made) {
				uint64_t c = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
				batch_make(b);
				b->made_ns += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - c;
				made = true;
			}
			if (!append(b))
				break;
			made = false;
			count += b->batch->count;
			due = b->rate == 0 || (double)count < allowed;
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
	return cpu_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start - b->made_ns;
}

static enum result apply(void *context, const struct journal_block *block, struct error *err)
{
	return store_apply(context, block, err);
}

static void open_all(struct bench *b)
{
	struct error err;
	char journal_dir[4096], store_dir[4096];
	snprintf(journal_dir, sizeof journal_dir, "%s/journal", b->dir);
	snprintf(store_dir, sizeof store_dir, "%s/store", b->dir);
	const struct store_config sc = {
	    .dir = store_dir, .run_readings_max = 1000000, .run_age_ms = 30000,
	    .cache_bytes = 256u << 20, .background_threads = 2};
	const struct journal_config jc = {
	    .dir = journal_dir, .segment_bytes = SEGMENT_BYTES, .segments_spare = 4,
	    .block_bytes_max = 256u << 10, .buffers = 16, .inflight = 2};
	if (store_open(&sc, &b->store, &err) != RESULT_OK ||
	    journal_open(&jc, store_durable_block(b->store), apply, b->store, &b->journal, &err) !=
	        RESULT_OK ||
	    journal_attach(b->journal, &err) != RESULT_OK ||
	    store_writer_start(b->journal, NULL, b->store, 600, &b->writer, &err) != RESULT_OK)
		die(&err);
}

static void print_latency(const char *what, const struct histogram *h)
{
	printf("  %-32s p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms\n", what,
	       (double)histogram_percentile_us(h, 50) / 1e3,
	       (double)histogram_percentile_us(h, 99) / 1e3,
	       (double)histogram_percentile_us(h, 99.9) / 1e3);
}

/* What the process had written to block devices, bytes. */
static uint64_t device_bytes(void)
{
	char line[128];
	unsigned long long bytes = 0;
	FILE *f = fopen("/proc/self/io", "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "write_bytes: %llu", &bytes);
	if (f)
		fclose(f);
	return bytes;
}

/* Everything from the first batch to merged days; returns the readings. */
static uint64_t bench_write(struct bench *b)
{
	struct error err;
	struct journal_status js;
	struct store_status ss;
	uint64_t written = device_bytes(), start = clock_mono_us();
	uint64_t process = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), cpu = bench_append(b);
	double count = (double)b->made, elapsed = (double)(clock_mono_us() - start) / 1e6;
	journal_status_get(b->journal, &js);
	printf("journal\n  %.2f M durable readings/s, %.0f ns CPU on the appender, %.1f B and "
	       "%.1f readings a block\n", count / elapsed / 1e6, (double)cpu / count,
	       (double)js.bytes_written / count, count / (double)js.blocks_written);
	print_latency("bare device, 256 KiB durable:", &b->bare_us);
	print_latency("journal's writes:", js.write_us);
	print_latency("append to durable:", &b->durable_us);

	while (!store_writer_wait_visible(b->writer, 0, b->batch->stage_seq, 1000))
		;
	double visible = (double)(clock_mono_us() - start) / 1e6;
	if (store_writer_stop(b->writer, &err) != RESULT_OK)
		die(&err);
	double all = (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process - b->made_ns);
	store_status_get(b->store, &ss);
	printf("store\n  visible at %.2f M readings/s, flushed: %.0f ns CPU of the process and "
	       "%.2f B a reading, %" PRIu64 " runs\n",
	       count / visible / 1e6, all / count, (double)ss.disk_bytes / count, ss.runs_written);

	uint64_t merge = clock_mono_us();
	int64_t day = START_MS / 86400000;
	if (store_merge(b->store, day, day + b->days, &err) != RESULT_OK)
		die(&err);
	all = (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process - b->made_ns);
	store_status_get(b->store, &ss);
	/* new segments are written once before they are used; later ones are recycled */
	double total = (double)(device_bytes() - written) - (double)js.segments * SEGMENT_BYTES;
	double journal = (double)js.bytes_written, kept = (double)ss.disk_bytes;
	printf("  days merged in %.2f s: %.0f ns CPU in all, %.2f B a reading\n",
	       (double)(clock_mono_us() - merge) / 1e6, all / count, kept / count);
	printf("  written to the device: %.1f B a reading (journal %.1f, store %.1f): %.2f times "
	       "the journal's bytes\n",
	       total / count, journal / count, (total - journal) / count, total / journal);
	return b->made;
}

/* --- reading --- */

struct sum {
	uint64_t rows;
	int64_t value;
};

static bool add_up(void *context, const struct stored_reading *r)
{
	struct sum *sum = context;
	sum->rows++;
	sum->value += r->value[0];
	return true;
}

static double read_us(struct bench *b, uint32_t days, uint64_t *rows)
{
	struct error err;
	struct stored_reading last;
	struct sum sum = {0};
	uint32_t reads = days > 1 ? READS / 10 : READS;
	uint64_t start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < reads; i++) {
		uint32_t device = (uint32_t)(random_next(b) % b->devices);
		int64_t from = START_MS + (int64_t)((b->days - days) * 86400000ll);
		enum result r = days == 0
		                    ? store_last(b->store, device, &last, &err)
		                    : store_scan_device(b->store, device, from,
		                                        from + (int64_t)days * 86400000, add_up,
		                                        &sum, &err);
		if (r != RESULT_OK)
			die(&err);
	}
	*rows = sum.rows / reads;
	return (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e3 / reads;
}

static void bench_read(struct bench *b)
{
	struct error err;
	struct sum sum = {0};
	uint64_t rows, start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	if (store_scan_day(b->store, START_MS / 86400000, add_up, &sum, &err) != RESULT_OK)
		die(&err);
	double seconds = (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e9;
	printf("reading, warm\n  day of all meters: %.1f M rows/s and core\n",
	       (double)sum.rows / seconds / 1e6);
	read_us(b, 0, &rows);
	printf("  last value %.1f us\n", read_us(b, 0, &rows));
	read_us(b, 1, &rows);
	double us = read_us(b, 1, &rows);
	printf("  day of a meter (%" PRIu64 " rows) %.1f us\n", rows, us);
	if (b->days >= 30) {
		read_us(b, 30, &rows);
		us = read_us(b, 30, &rows);
		printf("  month of a meter (%" PRIu64 " rows) %.0f us\n", rows, us);
	}
}

static int usage(const char *name)
{
	fprintf(stderr,
	        "usage: %s [--workload six|fine|energy|noise] [--devices N] [--days N]\n"
	        "       [--rate READINGS/S] DIR        default: six, 100,000, 1, flat out\n",
	        name);
	return 2;
}

static bool options_take(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {{"workload", 1, NULL, 'w'},
	                                        {"devices", 1, NULL, 'n'},
	                                        {"days", 1, NULL, 'd'},
	                                        {"rate", 1, NULL, 'r'},
	                                        {NULL, 0, NULL, 0}};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		uint32_t w = 0;
		switch (c) {
		case 'w':
			while (workload_names[w] && strcmp(workload_names[w], optarg) != 0)
				w++;
			if (!workload_names[w])
				return false;
			b->workload = (enum workload)w;
			break;
		case 'n':
			b->devices = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			b->days = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			b->rate = strtod(optarg, NULL);
			break;
		default:
			return false;
		}
	}
	b->dir = argv[optind];
	return optind == argc - 1 && b->devices > 0 && b->days > 0;
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	b->devices = 100000;
	b->days = 1;
	if (!options_take(b, argc, argv))
		return usage(argv[0]);
	b->energy = calloc(b->devices, sizeof b->energy[0]);
	b->reactive = calloc(b->devices, sizeof b->reactive[0]);
	for (uint32_t d = 0; d < b->devices; d++) {
		b->energy[d] = (int64_t)(d * 2654435761u >> 5); /* up to 134 MWh */
		b->reactive[d] = b->energy[d] / 4;
	}
	b->batch = aligned_alloc(64, (sizeof *b->batch + 63) / 64 * 64);
	memset(b->batch, 0, sizeof *b->batch);
	mkdir(b->dir, 0700);
	printf("%s: %u meters, %u days of %u readings\n", workload_names[b->workload], b->devices,
	       b->days, DAY_INTERVALS);
	bench_bare(b, b->dir);
	open_all(b);
	bench_write(b);
	bench_read(b);
	journal_close(b->journal);
	store_close(b->store);
	free(b->energy);
	free(b->reactive);
	free(b->batch);
	free(b);
	return 0;
}
