/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does retention stall those who write and read? A store of some days is filled; then readings are
 * appended to the journal at a rate while another thread reads last values and days of meters:
 * three times in turn, the second time with a third thread that drops the old days one after the
 * other, as the keeper does. Printed for each: append to durable, the reads, the longest of each,
 * and how long a drop took.
 *
 * One channel a reading; meters in scattered order, an interval of 15 minutes after the other.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "storage/writer.h"

#define INTERVAL_MS   900000ll
#define DAY_MS        86400000ll
#define DAY_INTERVALS 96u
#define START_MS      1749945600000ll /* 2025-06-15, midnight UTC */
#define WAITING_MAX   4096u
#define PAUSE_US      500u /* between two reads */

struct bench {
	struct journal *journal;
	struct store *store;
	struct store_writer *writer;
	struct batch *batch;
	uint32_t devices, days, seconds;
	double rate;
	uint64_t made;
	uint64_t waiting_block[WAITING_MAX], waiting_us[WAITING_MAX], first, end;
	struct histogram durable_us, last_us, day_us, drop_us;
	atomic_bool phase_over;
	uint32_t dropped;
};

static void die(const struct error *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(1);
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
	    .dir = store_dir, .run_readings_max = 262144, .run_age_ms = 5000,
	    .cache_bytes = 64u << 20, .background_threads = 2};
	const struct journal_config jc = {
	    .dir = journal_dir, .segment_bytes = 64u << 20, .segments_spare = 2,
	    .block_bytes_max = 256u << 10, .buffers = 32, .inflight = 2};
	if (store_open(&sc, &b->store, &err) != RESULT_OK ||
	    journal_open(&jc, store_durable_block(b->store), apply, b->store, &b->journal, &err) !=
	        RESULT_OK ||
	    journal_attach(b->journal, &err) != RESULT_OK ||
	    store_writer_start(b->journal, NULL, b->store, 30, &b->writer, &err) != RESULT_OK)
		die(&err);
}

static void batch_make(struct bench *b)
{
	batch_reset(b->batch);
	for (uint32_t i = 0; i < BATCH_READINGS; i++, b->made++) {
		uint32_t device = (uint32_t)(b->made % b->devices * 2654435761u % b->devices);
		int64_t interval = (int64_t)(b->made / b->devices);
		int64_t ts = START_MS + interval * INTERVAL_MS;
		b->batch->readings[i] = (struct reading){
		    .device = device, .meter_ts_ms = ts, .ts_ms = ts, .received_ms = ts + 2000,
		    .profile = 1, .channel_count = 1, .fate = FATE_STORED, .channel = {1},
		    .value = {(int64_t)device * 1000 + interval * 37}, .ticket = TICKET_NONE};
	}
	b->batch->count = BATCH_READINGS;
	b->batch->stage_seq = b->made / BATCH_READINGS;
}

static void durable_note(struct bench *b, uint64_t durable)
{
	for (uint64_t now = clock_mono_us();
	     b->first < b->end && b->waiting_block[b->first % WAITING_MAX] <= durable; b->first++)
		histogram_add(&b->durable_us, now - b->waiting_us[b->first % WAITING_MAX]);
}

/* Append until `end` readings were made or the time is up, at a rate (0: flat out). */
static void append(struct bench *b, uint64_t end, uint64_t until_us, double rate)
{
	uint64_t start = clock_mono_us(), count = 0;
	bool made = false;
	while (b->made < end && clock_mono_us() < until_us) {
		double allowed = rate * (double)(clock_mono_us() - start) / 1e6;
		bool due = rate == 0 || (double)count < allowed;
		if (due && !made)
			batch_make(b);
		made |= due;
		if (made && b->end - b->first < WAITING_MAX &&
		    journal_append(b->journal, b->batch)) {
			b->waiting_block[b->end % WAITING_MAX] = journal_append_block(b->journal);
			b->waiting_us[b->end++ % WAITING_MAX] = clock_mono_us();
			count += BATCH_READINGS;
			made = false;
			if (rate == 0)
				continue;
		}
		journal_submit(b->journal, false);
		durable_note(b, journal_poll(b->journal));
		if (!journal_wait(b->journal, 200))
			usleep(50);
	}
	while (journal_poll(b->journal) < journal_append_block(b->journal)) {
		journal_submit(b->journal, true);
		journal_wait(b->journal, 1000);
	}
	durable_note(b, journal_append_block(b->journal));
}

static bool ignore(void *context, const struct stored_reading *r)
{
	(void)context;
	(void)r;
	return true;
}

static void *reader(void *context)
{
	struct bench *b = context;
	struct error err;
	struct stored_reading last;
	int64_t today = START_MS + (int64_t)b->days * DAY_MS;
	for (uint32_t i = 1; !atomic_load(&b->phase_over); i++) {
		uint32_t device = i * 2654435761u % b->devices;
		uint64_t start = clock_mono_us();
		enum result r = store_last(b->store, device, &last, &err);
		histogram_add(&b->last_us, clock_mono_us() - start);
		start = clock_mono_us();
		if (r == RESULT_OK)
			r = store_scan_device(b->store, device, today - DAY_MS, today, ignore, NULL,
			                      &err);
		histogram_add(&b->day_us, clock_mono_us() - start);
		if (r != RESULT_OK)
			die(&err);
		usleep(PAUSE_US);
	}
	return NULL;
}

/* The old days but the last, evenly over the phase. */
static void *dropper(void *context)
{
	struct bench *b = context;
	struct error err;
	int64_t first = START_MS / DAY_MS;
	uint32_t drops = b->days - 1;
	for (uint32_t i = 0; i < drops && !atomic_load(&b->phase_over); i++) {
		uint64_t start = clock_mono_us();
		if (store_drop_readings(b->store, first + b->days - 1, &err) != RESULT_OK)
			die(&err);
		histogram_add(&b->drop_us, clock_mono_us() - start);
		b->dropped++;
		usleep(b->seconds * 1000000u / (drops + 1));
	}
	return NULL;
}

static void print(const char *what, const struct histogram *h)
{
	printf("  %-20s %8" PRIu64 " times, p50 %.2f ms, p99 %.2f ms, longest %.2f ms\n", what,
	       histogram_count(h), (double)histogram_percentile_us(h, 50) / 1e3,
	       (double)histogram_percentile_us(h, 99) / 1e3,
	       (double)atomic_load(&h->max_us) / 1e3);
}

static void phase(struct bench *b, bool drop)
{
	pthread_t reads, drops;
	memset(&b->durable_us, 0, sizeof b->durable_us);
	memset(&b->last_us, 0, sizeof b->last_us);
	memset(&b->day_us, 0, sizeof b->day_us);
	atomic_store(&b->phase_over, false);
	if (pthread_create(&reads, NULL, reader, b) != 0 ||
	    (drop && pthread_create(&drops, NULL, dropper, b) != 0))
		exit(1);
	append(b, UINT64_MAX, clock_mono_us() + b->seconds * 1000000u, b->rate);
	atomic_store(&b->phase_over, true);
	pthread_join(reads, NULL);
	if (drop)
		pthread_join(drops, NULL);
	printf("%s\n", drop ? "while days are dropped" : "without");
	print("append to durable", &b->durable_us);
	print("last value", &b->last_us);
	print("day of a meter", &b->day_us);
	if (drop) {
		print("drop of a day", &b->drop_us);
		printf("  %u days, %" PRIu64 " readings dropped\n", b->dropped,
		       store_removed(b->store));
	}
}

static bool options_take(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {{"devices", 1, NULL, 'n'},
	                                        {"days", 1, NULL, 'd'},
	                                        {"seconds", 1, NULL, 's'},
	                                        {"rate", 1, NULL, 'r'},
	                                        {NULL, 0, NULL, 0}};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == '?')
			return false;
		unsigned long value = strtoul(optarg, NULL, 10);
		if (c == 'n')
			b->devices = (uint32_t)value;
		else if (c == 'd')
			b->days = (uint32_t)value;
		else if (c == 's')
			b->seconds = (uint32_t)value;
		else
			b->rate = (double)value;
	}
	return optind == argc - 1 && b->devices > 0 && b->days > 1 && b->seconds > 0 && b->rate > 0;
}

int main(int argc, char **argv)
{
	struct error err;
	struct bench *b = calloc(1, sizeof *b);
	*b = (struct bench){.devices = 50000, .days = 8, .seconds = 15, .rate = 500000};
	if (!options_take(b, argc, argv)) {
		fprintf(stderr, "usage: %s [--devices N] [--days N] [--seconds N] "
		        "[--rate READINGS/S] DIR   default: 50,000, 8, 15, 500,000\n", argv[0]);
		return 2;
	}
	b->batch = aligned_alloc(64, (sizeof *b->batch + 63) / 64 * 64);
	memset(b->batch, 0, sizeof *b->batch);
	mkdir(argv[optind], 0700);
	open_all(b, argv[optind]);
	append(b, (uint64_t)b->devices * DAY_INTERVALS * b->days, UINT64_MAX, 0);
	while (!store_writer_wait_visible(b->writer, 0, b->batch->stage_seq, 1000))
		;
	int64_t day = START_MS / DAY_MS;
	if (store_merge(b->store, day, day + b->days, &err) != RESULT_OK)
		die(&err);
	printf("%u days of %u meters, %" PRIu64 " readings; then %.0f readings/s, %u s each time\n",
	       b->days, b->devices, b->made, b->rate, b->seconds);
	phase(b, false);
	phase(b, true);
	phase(b, false);
	if (store_writer_stop(b->writer, &err) != RESULT_OK)
		die(&err);
	journal_close(b->journal);
	store_close(b->store);
	free(b->batch);
	free(b);
	return 0;
}
