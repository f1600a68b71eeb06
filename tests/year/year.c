/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-year: fills an empty store with months of readings of many meters, as fast as the disk
 * and one core take them, for headraced to be started on.
 *
 * Input: headraced's own configuration (journal, store, profiles, territory), a seed. A reading
 * goes the way that it would have gone live, but for the network: the stage's duplicate check and
 * validation at the time when it arrived, the journal, the store with its look-ups of what the
 * stage can't tell, merges, aggregates. Output: the journal's and the store's folders, the
 * registry's file of devices, and a line of JSON with the readings by fate on standard output.
 * A meter sends at the interval of its profile, 15 minutes or longer.
 *
 * Threads: this one, and those of journal and store. Never looks at the clock for a reading.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/aggregation.h"
#include "ingest/resolver.h"
#include "ingest/stage.h"
#include "storage/writer.h"
#include "tests/year/meter.h"

#define PROFILE_NAME   "sm-flat"
#define DETOURS        128u
#define DAY_MS         86400000ll
#define RAW_BYTES      200

struct year {
	struct config *config;
	struct channel_catalogue channels;
	struct profile_set profiles;
	const struct profile *profile;
	struct calendar *calendar;
	struct aggregate_rules rules;
	struct registry *no_registry;
	struct store *store;
	struct journal *journal;
	struct store_writer *writer;
	struct device_track *tracks;
	struct stage *stage;
	struct counters counters;

	uint32_t meter_count;
	int64_t start_ms, days;
	uint64_t seed;
	struct meter *meters;
	struct batch *batch;
	struct batch *detours[DETOURS];
	uint32_t detours_out;
	uint64_t stage_seq;
	uint64_t fates[FATE_COUNT];
	bool talks;
	bool bare; /* readings alone, without aggregates */
};

static void die(const char *text)
{
	fprintf(stderr, "headrace-year: %s\n", text);
	exit(1);
}

static void must(enum result result, const struct error *err)
{
	if (result != RESULT_OK)
		die(err->text);
}

/* --- the way into the store --- */

static void append(struct year *y, struct batch *b)
{
	b->stage_seq = ++y->stage_seq;
	for (uint32_t i = 0; i < b->count; i++)
		y->fates[b->readings[i].fate]++;
	while (!journal_append(y->journal, b)) {
		journal_submit(y->journal, true);
		if (!journal_wait(y->journal, 1000))
			usleep(100);
		journal_poll(y->journal);
	}
	journal_submit(y->journal, false);
	journal_poll(y->journal);
}

static void wait_visible(struct year *y)
{
	do {
		journal_submit(y->journal, true);
		journal_wait(y->journal, 1000);
		journal_poll(y->journal);
	} while (!store_writer_wait_visible(y->writer, 0, y->stage_seq, 5));
}

static enum resolver_found find(void *context, uint32_t device, int64_t meter_ts_ms,
                                struct stored_reading *out)
{
	struct year *y = context;
	struct error err;
	enum result result = store_find(y->store, device, meter_ts_ms, out, &err);
	if (result != RESULT_OK && result != RESULT_ABSENT)
		die(err.text);
	return result == RESULT_OK ? RESOLVER_FOUND : RESOLVER_ABSENT;
}

/* What only the store can tell: everything before it is to be seen there first. */
static void resolve(struct year *y)
{
	if (y->detours_out == 0)
		return;
	wait_visible(y);
	for (uint32_t i = 0; i < y->detours_out; i++) {
		struct batch *b = y->detours[i];
		if (!resolver_run(b, find, y))
			die("a look-up in the store failed");
		stage_finish(y->stage, b, y->stage_seq + 1);
		append(y, b);
	}
	y->detours_out = 0;
}

static void batch_begin(struct batch *b)
{
	static const struct origin nowhere = {.protocol = PROTOCOL_REPLAY, .qos = 1};
	batch_reset(b);
	batch_put(b, &nowhere, sizeof nowhere);
}

static void judge(struct year *y)
{
	if (y->batch->count == 0)
		return;
	struct batch *detour = y->detours[y->detours_out];
	batch_reset(detour);
	detour->detour = true;
	bool took = stage_run(y->stage, y->batch, detour);
	append(y, y->batch);
	if (took) {
		detour->barrier_seq = y->stage_seq;
		y->detours_out++;
	}
	if (y->detours_out == DETOURS)
		resolve(y);
	batch_begin(y->batch);
}

/* Decimal digits, at least so many; returns where they end. printf took a third of all time. */
static char *put_digits(char *at, uint64_t value, unsigned least)
{
	char digits[24];
	unsigned count = 0;
	for (; value > 0 || count < least; value /= 10)
		digits[count++] = (char)('0' + value % 10);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* The message as the meter wrote it: only the error queue keeps it. */
static void put_raw(struct year *y, struct reading *r, const struct meter_message *m)
{
	char raw[RAW_BYTES], *at = stpcpy(raw, "{\"meterId\":\"Y-");
	at = stpcpy(put_digits(at, r->device, 6), "\",\"ts\":");
	at = stpcpy(put_digits(at, (uint64_t)m->meter_ts_ms, 1), ",\"kWh\":");
	at = put_digits(at, (uint64_t)m->energy_mwh / 1000000, 1);
	*at++ = '.';
	at = stpcpy(put_digits(at, (uint64_t)m->energy_mwh / 10000 % 100, 2), "}");
	uint32_t bytes = (uint32_t)(at - raw);
	r->raw_offset = batch_put(y->batch, raw, bytes);
	r->raw_bytes = (uint16_t)bytes;
	r->id_offset = (uint16_t)strlen("{\"meterId\":\"");
	r->id_bytes = (uint8_t)strlen("Y-000000");
}

static void take(struct year *y, const struct meter *meter, const struct meter_message *m)
{
	if (!batch_has_room(y->batch, RAW_BYTES))
		judge(y);
	struct reading *r = &y->batch->readings[y->batch->count++];
	*r = (struct reading){
	    .device = meter->number,
	    .meter_ts_ms = m->meter_ts_ms,
	    .received_ms = m->received_ms,
	    .collected_delta_ms = (int32_t)(m->collected_ms - m->received_ms),
	    .profile = y->profile->id,
	    .dials = meter->dials,
	    .fate = FATE_PENDING,
	    .ticket = TICKET_NONE,
	    .flags = PROTOCOL_REPLAY << READING_PROTOCOL_SHIFT,
	    .channel_count = 1,
	};
	if (m->collected_ms != m->received_ms)
		r->flags |= READING_F_COLLECTED;
	r->channel[0] = y->profile->channels[y->profile->register_slot].channel;
	r->value[0] = m->energy_mwh;
	if (m->power_mw >= 0) { /* the profile's next channel */
		r->channel[1] = y->profile->channels[y->profile->register_slot + 1].channel;
		r->value[1] = m->power_mw;
		r->channel_count = 2;
	}
	put_raw(y, r, m);
}

static void show(const struct year *y, const char *what, int64_t done, int64_t all)
{
	if (y->talks)
		fprintf(stderr, "\r%s: %" PRId64 " of %" PRId64 " %s", what, done, all,
		        done == all ? "\n" : "");
}

static void make(struct year *y)
{
	static struct meter_message out[METER_OUT_MAX];
	const int64_t of_day = DAY_MS / y->profile->interval_ms;
	for (int64_t i = 0; i < y->days * of_day; i++) {
		for (uint32_t m = 0; m < y->meter_count; m++) {
			uint32_t count =
			    meter_step(&y->meters[m], y->seed, y->start_ms, i, out);
			for (uint32_t k = 0; k < count; k++)
				take(y, &y->meters[m], &out[k]);
		}
		if (i % of_day == of_day - 1)
			show(y, "days", i / of_day + 1, y->days);
	}
	judge(y);
	resolve(y);
	wait_visible(y);
}

/* --- before and after --- */

static bool has_register(void *context, const struct stored_reading *reading)
{
	return stored_has_register(context, reading);
}

static uint32_t dials_of(void *context, uint32_t device)
{
	const struct year *y = context;
	return device < y->meter_count ? y->meters[device].dials : 0;
}

static enum result refuse_block(void *context, const struct journal_block *block,
                                struct error *err)
{
	(void)context, (void)block;
	return fail(RESULT_INPUT, err, "the journal is not empty; a year begins in empty folders");
}

static void load(struct year *y, const char *path)
{
	struct error err;
	must(config_load(path, &y->config, &err), &err);
	must(config_load_channels(y->config->channels_file, &y->channels, &err), &err);
	must(config_load_profiles(y->config->profiles_dir, &y->channels, y->config, &y->profiles,
	                          &err), &err);
	must(calendar_new(y->config->territory.timezone, &y->calendar, &err), &err);
	for (uint32_t i = 0; i < y->profiles.count; i++)
		if (strcmp(y->profiles.profiles[i].name, PROFILE_NAME) == 0)
			y->profile = &y->profiles.profiles[i];
	if (!y->profile)
		die("there is no profile " PROFILE_NAME " in profiles_dir");
	if (y->profile->interval_ms < METER_INTERVAL_MS_MIN ||
	    DAY_MS % y->profile->interval_ms != 0)
		die("the interval of profile " PROFILE_NAME " is no part of a day from 15 min on");
	if (!y->config->registry.file)
		die("registry.file is not set: where would the devices go?");
	aggregation_rules(&y->rules, y->calendar, &y->profiles, &y->channels, &y->no_registry);
	y->rules.dials = dials_of;
	y->rules.dials_context = y;
}

static void open_store(struct year *y)
{
	struct error err;
	const struct store_config s = {
	    .dir = y->config->store.dir,
	    .run_readings_max = y->config->store.run_readings,
	    .run_age_ms = y->config->store.run_age_ms,
	    .cache_bytes = (uint64_t)y->config->store.cache_mb << 20,
	    .background_threads = 2,
	    .has_register = has_register,
	    .register_context = &y->profiles,
	    .aggregates = y->bare ? NULL : &y->rules,
	};
	const struct journal_config j = {
	    .dir = y->config->journal.dir,
	    .segment_bytes = (uint64_t)y->config->journal.segment_mb << 20,
	    .segments_spare = y->config->journal.segments_spare,
	    .bytes_max = (uint64_t)y->config->journal.size_max_mb << 20,
	    .block_bytes_max = y->config->journal.block_kb << 10,
	    .buffers = y->config->journal.buffers,
	    .inflight = y->config->journal.inflight,
	};
	must(store_open(&s, &y->store, &err), &err);
	if (store_applied_block(y->store) != 0)
		die("the store is not empty; a year begins in empty folders");
	must(journal_open(&j, 0, refuse_block, NULL, &y->journal, &err), &err);
	must(journal_attach(y->journal, &err), &err);
	must(store_writer_start(y->journal, y->config->journal.dir, y->store, 60, &y->writer, &err),
	     &err);
}

static struct batch *batch_new(void)
{
	struct batch *b = aligned_alloc(64, sizeof *b);
	if (!b)
		die("no memory");
	memset(b, 0, offsetof(struct batch, readings));
	return b;
}

static void prepare(struct year *y)
{
	y->meters = calloc(y->meter_count, sizeof *y->meters);
	y->tracks = device_states_new(y->meter_count);
	y->batch = batch_new();
	for (uint32_t i = 0; i < DETOURS; i++)
		y->detours[i] = batch_new();
	const struct stage_config c = {.states = y->tracks,
	                               .states_count = y->meter_count,
	                               .profiles = &y->profiles,
	                               .detours = DETOURS,
	                               .counters = &y->counters};
	if (!y->meters || !y->tracks || !(y->stage = stage_new(&c)))
		die("no memory");
	for (uint32_t i = 0; i < y->meter_count; i++)
		meter_init(&y->meters[i], y->seed, i, y->profile->interval_ms);
	batch_begin(y->batch);
}

static void write_devices(const struct year *y)
{
	FILE *f = fopen(y->config->registry.file, "w");
	if (!f)
		die("the registry's file can't be written");
	fprintf(f, "id,state,profile,dials\n");
	for (uint32_t i = 0; i < y->meter_count; i++)
		fprintf(f, "Y-%06u,active,%s,%u\n", i, y->profile->name, y->meters[i].dials);
	if (fclose(f) != 0)
		die("the registry's file can't be written");
}

/* What housekeeping would do in the days to come. */
static void settle(struct year *y)
{
	struct error err;
	int64_t first = y->start_ms / DAY_MS, end = first + y->days + 1, done = 0;
	enum result result = RESULT_ABSENT;
	must(store_writer_stop(y->writer, &err), &err);
	show(y, "merging", 0, 1);
	must(store_merge(y->store, first, end, &err), &err);
	while (!y->bare && (result = store_rollup(y->store, end + 1, &err)) == RESULT_OK)
		if (++done % 100 == 0)
			show(y, "aggregates", done, (y->days + 1) * (y->meter_count / 64 + 1));
	if (!y->bare && result != RESULT_ABSENT)
		die(err.text);
	must(store_flush(y->store, &err), &err);
}

static void finish(struct year *y)
{
	for (uint32_t i = 0; i < DETOURS; i++)
		free(y->detours[i]);
	free(y->batch);
	free(y->meters);
	stage_free(y->stage);
	device_states_free(y->tracks);
	journal_close(y->journal);
	store_close(y->store);
	calendar_free(y->calendar);
	config_free(y->config);
}

static int print_usage(void)
{
	fprintf(stderr, "usage: headrace-year --config FILE [--meters N] [--from YYYY-MM-DD] "
	                "[--days N] [--seed N] [--bare]\n"
	                "Fills the empty journal and store of FILE, and its registry.file.\n"
	                "Default: 20 meters from 2025-01-01, 365 days (of UTC), seed 1.\n"
	                "--bare: readings alone, without hours, days and months of them.\n");
	return 2;
}

static bool take_options(struct year *y, int argc, char **argv, const char **config)
{
	static const struct option longs[] = {
	    {"config", 1, NULL, 'c'}, {"meters", 1, NULL, 'm'}, {"from", 1, NULL, 'f'},
	    {"days", 1, NULL, 'd'},   {"seed", 1, NULL, 's'},   {"bare", 0, NULL, 'b'}, {0}};
	struct civil_date date = {2025, 1, 1};
	struct error err;
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 'c')
			*config = optarg;
		else if (c == 'm')
			y->meter_count = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'd')
			y->days = strtol(optarg, NULL, 10);
		else if (c == 's')
			y->seed = strtoull(optarg, NULL, 10);
		else if (c == 'b')
			y->bare = true;
		else if (c != 'f' || civil_parse(optarg, &date, &err) != RESULT_OK)
			return false;
	}
	y->start_ms = civil_to_day(date) * DAY_MS;
	return *config && optind == argc && y->meter_count > 0 && y->meter_count <= 1000000 &&
	       y->days > 0 && y->days <= 4000;
}

int main(int argc, char **argv)
{
	static struct year y = {.meter_count = 20, .days = 365, .seed = 1};
	const char *config = NULL;
	if (!take_options(&y, argc, argv, &config))
		return print_usage();
	y.talks = isatty(STDERR_FILENO);
	load(&y, config);
	open_store(&y);
	prepare(&y);
	write_devices(&y);
	make(&y);
	settle(&y);
	printf("{");
	for (uint32_t i = FATE_STORED; i < FATE_COUNT; i++)
		printf("%s\"%s\": %" PRIu64, i > FATE_STORED ? ", " : "", fate_info[i].name,
		       y.fates[i]);
	printf("}\n");
	finish(&y);
	return 0;
}
